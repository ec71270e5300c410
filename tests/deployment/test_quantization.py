"""Kernels of 8 bits: they are what LiteRT keeps, and the features keep their means."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from src.common.keras_setup import keras, layers
from src.deployment.combined_networks import ensemble, flipped
from src.deployment.quantization import with_rounded_kernels
from tests.inference.test_classifier import SIDE

IMAGES = np.random.default_rng(0).integers(0, 256, (40, SIDE, SIDE, 3)).astype(np.uint8)
KERNELS: dict[str, Callable[..., Any]] = {
    "plain": lambda **settings: layers.Conv2D(8, 3, name="rounded", **settings),
    "grouped": lambda **settings: layers.Conv2D(8, 3, groups=4, name="rounded", **settings),
    "depthwise": lambda **settings: layers.DepthwiseConv2D(3, depth_multiplier=2, name="rounded", **settings),
}


def network(kind: str = "plain", *, bias: bool = True, seed: int = 0) -> keras.Model:
    keras.utils.set_random_seed(seed)
    images = keras.Input((SIDE, SIDE, 3), name="image")
    features = layers.Conv2D(8, 1, activation="relu", name="first")(layers.Rescaling(1 / 255)(images))
    features = KERNELS[kind](use_bias=bias)(features)
    features = features if bias else layers.BatchNormalization(name="normalized")(features)
    pooled = layers.GlobalAveragePooling2D(name="pooled")(features)
    return keras.Model(images, layers.Dense(3, activation="softmax", name="head")(pooled))


def channels_first(layer: layers.Layer) -> np.ndarray[Any, Any]:
    """Return the layer's kernel as a row of weights for each output channel."""
    kernel = np.asarray(layer.kernel)
    if isinstance(layer, layers.DepthwiseConv2D):
        return kernel.reshape(-1, kernel.shape[2] * kernel.shape[3]).T
    return kernel.reshape(-1, kernel.shape[-1]).T


def is_rounded(layer: layers.Layer) -> bool:
    """Return whether every weight is a whole multiple of 1/127 of its channel's greatest."""
    rows = channels_first(layer)
    steps = 127 * rows / np.abs(rows).max(axis=1, keepdims=True)
    return bool(np.abs(steps - np.round(steps)).max() < 1e-2)


def mean_features(model: keras.Model) -> np.ndarray[Any, Any]:
    pooled = keras.Model(model.inputs, model.get_layer("pooled").output)
    return np.asarray(pooled(IMAGES.astype(np.float32))).mean(axis=0)


def plainly_rounded(original: keras.Model, rounded: keras.Model) -> keras.Model:
    """Return a copy of `original` with the kernels of `rounded` and its own biases."""
    copy = keras.models.clone_model(original)
    copy.set_weights(original.get_weights())
    for name in ("first", "rounded"):
        copy.get_layer(name).kernel.assign(rounded.get_layer(name).kernel)
    return copy


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("kind", KERNELS)
def test_kernels_are_rounded_and_features_keep_their_means(kind: str, bias: bool) -> None:
    original = network(kind, bias=bias)
    rounded = with_rounded_kernels(original, IMAGES)
    assert not is_rounded(original.get_layer("rounded"))
    assert all(is_rounded(rounded.get_layer(name)) for name in ("first", "rounded", "head"))
    expected = mean_features(original)
    error = np.abs(mean_features(rounded) - expected).max()
    assert error < np.abs(mean_features(plainly_rounded(original, rounded)) - expected).max()


def test_a_block_within_a_network_is_left_as_it_is() -> None:
    """ConvNeXts have such: they take features, and no images."""
    images = keras.Input((SIDE, SIDE, 3), name="image")
    block = keras.Sequential([layers.Conv2D(8, 3, name="stem")], name="block")
    pooled = layers.GlobalAveragePooling2D()(block(layers.Conv2D(4, 1)(layers.Rescaling(1 / 255)(images))))
    rounded = with_rounded_kernels(original := keras.Model(images, pooled), IMAGES)
    kernels = (each.get_layer("block").get_layer("stem").kernel for each in (original, rounded))
    np.testing.assert_array_equal(*map(np.asarray, kernels))


@pytest.mark.parametrize("kind", ["ensemble", "flip"])
def test_networks_within_a_network_are_rounded_too(kind: str) -> None:
    combined = flipped(network()) if kind == "flip" else ensemble([network(), network(seed=1)])
    rounded = with_rounded_kernels(combined, IMAGES)
    members = [layer for layer in rounded.layers if isinstance(layer, keras.Model)]
    assert len(members) == (1 if kind == "flip" else 2)
    assert all(is_rounded(member.get_layer("rounded")) for member in members)
    floats = IMAGES.astype(np.float32)
    np.testing.assert_allclose(np.asarray(rounded(floats)), np.asarray(combined(floats)), atol=0.05)
    assert not is_rounded(
        next(layer for layer in combined.layers if isinstance(layer, keras.Model)).get_layer("rounded")
    )
