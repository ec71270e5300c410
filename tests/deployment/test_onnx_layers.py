"""Networks whose layers tf2onnx cannot convert: what is put in their place gives the same values."""

import numpy as np
import pytest

from src.common.keras_setup import keras, layers
from src.deployment.combined_networks import ensemble, flipped
from src.deployment.onnx_layers import with_convertible_layers
from tests.inference.test_classifier import SIDE

IMAGES = np.random.default_rng(0).integers(0, 256, (5, SIDE, SIDE, 3)).astype(np.float32)
NORMALIZATION = {"mean": [120.0, 110.0, 100.0], "variance": [2500.0, 3000.0, 3500.0]}


def network(seed: int = 0, *, bias: bool = True, groups: int = 4) -> keras.Model:
    keras.utils.set_random_seed(seed)
    images = keras.Input((SIDE, SIDE, 3), name="image")
    features = layers.Conv2D(4, 3, activation="relu")(layers.Normalization(**NORMALIZATION)(images))
    features = layers.Conv2D(4, 3, groups=groups, use_bias=bias, strides=2, padding="same")(features)
    pooled = layers.GlobalAveragePooling2D()(layers.BatchNormalization()(features))
    return keras.Model(images, layers.Dense(3, activation="softmax")(pooled))


def kinds(model: keras.Model) -> set[type]:
    """Return the classes of all layers, also of networks within the network."""
    found = {type(layer) for layer in model.layers if not isinstance(layer, keras.Model)}
    return found.union(*(kinds(layer) for layer in model.layers if isinstance(layer, keras.Model)))


@pytest.mark.parametrize("bias", [True, False])
def test_grouped_convolutions_and_normalization_give_way_to_layers_of_the_same_values(bias: bool) -> None:
    original = network(bias=bias)
    converted = with_convertible_layers(original)
    np.testing.assert_allclose(np.asarray(converted(IMAGES)), np.asarray(original(IMAGES)), atol=1e-5)
    assert layers.Normalization not in kinds(converted)
    assert kinds(converted) >= {layers.DepthwiseConv2D, layers.Rescaling, layers.BatchNormalization}


def test_a_convolution_whose_groups_have_several_channels_stays() -> None:
    original = network(groups=2)
    converted = with_convertible_layers(original)
    np.testing.assert_allclose(np.asarray(converted(IMAGES)), np.asarray(original(IMAGES)), atol=1e-5)
    assert layers.DepthwiseConv2D not in kinds(converted)


@pytest.mark.parametrize("kind", ["ensemble", "flip"])
def test_networks_within_a_network_are_treated_alike(kind: str) -> None:
    combined = flipped(network()) if kind == "flip" else ensemble([network(0), network(1)])
    converted = with_convertible_layers(combined)
    np.testing.assert_allclose(np.asarray(converted(IMAGES)), np.asarray(combined(IMAGES)), atol=1e-5)
    assert layers.Normalization not in kinds(converted)
    assert layers.DepthwiseConv2D in kinds(converted)
