"""LeNet-5 (LeCun et al. 1998) with ReLU and max pooling: the baseline that nothing was pre-trained for."""

from typing import Any

from src.common.keras_setup import keras, layers


def LeNet5(input_tensor: Any, **_unused: object) -> keras.Model:  # noqa: N802 - named as keras.applications names its own
    """Build the convolutional part: two blocks and a 120-channel convolution, on `input_tensor`."""
    x = input_tensor
    for block, filters in ((1, 6), (2, 16)):
        x = layers.Conv2D(filters, 5, padding="same", activation="relu", name=f"block{block}_conv")(x)
        x = layers.MaxPooling2D(2, name=f"block{block}_pool")(x)
    x = layers.Conv2D(120, 5, padding="same", activation="relu", name="block3_conv")(x)
    return keras.Model(keras.utils.get_source_inputs(input_tensor), x, name="lenet5")
