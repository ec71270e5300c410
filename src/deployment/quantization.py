"""Round a network's kernels to 8 bits so that its features keep their means."""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from src.common.keras_setup import keras, layers
from src.deployment.network_copy import copied, networks_within
from src.inference.classifier import BATCH
from src.models.keras_internals import operations_after

Values = NDArray[np.float32]
_LEVELS = 127


def with_rounded_kernels(network: keras.Model, examples: NDArray[np.uint8]) -> keras.Model:
    """Return a copy of `network` whose kernels have 8 bits, as LiteRT's converter will keep them.

    Rounding changes the mean of each channel, and those shifts add up from layer to layer. What the mean input makes of
    them is subtracted from the layer's bias, or from the BatchNorm behind it (Nagel et al. 2019, arXiv:1906.04721,
    section 4.2, with means measured on training images). Layers with neither are left to the converter, and so are
    those of a Sequential within the network. An ensemble's members are rounded by themselves, by the same images.

    Args:
        network: float32 images [batch, side, side, 3] in 0–255 to probabilities.
        examples: training images, uint8 [images, side, side, 3].
    """
    copy = copied(network)
    for member in networks_within(network):
        copy.get_layer(member.name).set_weights(with_rounded_kernels(member, examples).get_weights())
    biases = {layer: bias for layer in copy.layers if (bias := _bias_of(layer)) is not None}
    for layer, mean in zip(biases, _mean_inputs(copy, list(biases), examples), strict=True):
        kernel = keras.ops.convert_to_numpy(layer.kernel)
        change = _rounded(kernel, _channel_axes(layer)) - kernel
        layer.kernel.assign(kernel + change)
        bias, sign = biases[layer]
        bias.assign_add(sign * _shift(layer, change, mean))
    return copy


def _bias_of(layer: layers.Layer) -> tuple[keras.Variable, int] | None:
    """Return the variable that moves a layer's output, and in which direction; None where there is none."""
    if type(layer) not in (layers.Conv2D, layers.DepthwiseConv2D, layers.Dense):
        return None
    if layer.use_bias:
        return layer.bias, -1
    followers = operations_after(layer)
    is_normalized = len(followers) == 1 and isinstance(followers[0], layers.BatchNormalization)
    return (followers[0].moving_mean, 1) if is_normalized else None


def _mean_inputs(network: keras.Model, chosen: list[layers.Layer], examples: NDArray[np.uint8]) -> Iterator[Values]:
    """Yield each layer's mean input, float32 [channels]."""
    if not chosen:
        return
    means = {layer.name: keras.ops.mean(layer.input, axis=tuple(range(1, layer.input.ndim - 1))) for layer in chosen}
    inputs = keras.Model(network.inputs, means).predict(examples.astype(np.float32), batch_size=BATCH, verbose=0)
    yield from (inputs[layer.name].mean(axis=0) for layer in chosen)


def _channel_axes(layer: layers.Layer) -> tuple[int, ...]:
    """Return the kernel's axes of output channels: each channel has a scale of its own."""
    return (2, 3) if isinstance(layer, layers.DepthwiseConv2D) else (layer.kernel.ndim - 1,)


def _rounded(kernel: Values, channel_axes: tuple[int, ...]) -> Values:
    """Return the kernel in whole multiples of 1/127 of each channel's greatest weight."""
    others = tuple(axis for axis in range(kernel.ndim) if axis not in channel_axes)
    scale = np.abs(kernel).max(axis=others, keepdims=True) / _LEVELS
    scale[scale == 0] = 1
    return np.asarray(np.round(kernel / scale) * scale, np.float32)


def _shift(layer: layers.Layer, change: Values, mean: Values) -> Values:
    """Return how a kernel's `change` moves the mean of each output channel, but for the borders of images."""
    taps = change.sum(axis=(0, 1)) if change.ndim == 4 else change
    if isinstance(layer, layers.DepthwiseConv2D):
        return np.asarray((taps * mean[:, np.newaxis]).ravel())
    groups = getattr(layer, "groups", 1)
    inputs = np.repeat(mean.reshape(groups, -1).T, taps.shape[1] // groups, axis=1)
    return np.asarray((taps * inputs).sum(axis=0))
