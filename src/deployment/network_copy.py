"""A copy of a network, with layers and weights of its own."""

from collections.abc import Iterator

from src.common.keras_setup import keras


def copied(network: keras.Model) -> keras.Model:
    """Return a network like `network`, with the same weights."""
    copy = keras.models.clone_model(network)
    copy.set_weights(network.get_weights())
    return copy


def networks_within(network: keras.Model) -> Iterator[keras.Model]:
    """Yield the networks of images that `network` consists of as layers, such as an ensemble's members.

    A Sequential is none: it is a block, such as the stem of a ConvNeXt, and takes features.
    """
    for layer in network.layers:
        if isinstance(layer, keras.Model) and not isinstance(layer, keras.Sequential):
            yield layer
