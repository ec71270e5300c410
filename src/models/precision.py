"""Half precision for a network's layers, and whether the device is faster in it."""

import functools
import time
from collections.abc import Iterable

import tensorflow as tf

from src.common.errors import ThawError
from src.common.keras_setup import keras, layers
from src.config import Precision

_IMAGES, _SIDE, _CHANNELS = 24, 28, 96
_MEASURED_SECONDS = 0.2


def set_precision(of: Iterable[layers.Layer], precision: Precision) -> None:
    """Let layers compute in `precision` (Keras' mixed policies); their variables stay float32.

    See Micikevicius et al. 2018, Mixed Precision Training (arXiv:1710.03740), and Keras' guide to mixed precision.
    """
    policy = keras.DTypePolicy("float32" if precision == "float32" else f"mixed_{precision}")
    for layer in of:
        set_precision(getattr(layer, "layers", ()), precision)
        layer.dtype_policy = policy


def slower_than_float32(precision: Precision) -> str | None:
    """Return a sentence where this device is slower in `precision` than in float32, by a measurement of half a second.

    Raises:
        ThawError: the device cannot compute in it.
    """
    if precision == "float32" or (times := _relative_time(precision)) <= 1:
        return None
    return f"runtime.precision={precision}: a convolution takes {times:.1f} times as long as in float32 on this device"


@functools.cache
def _relative_time(precision: Precision) -> float:
    """Return the time of a 3x3 convolution in `precision`, as a multiple of that in float32."""
    try:
        return _seconds(tf.as_dtype(precision)) / _seconds(tf.float32)
    except tf.errors.OpError as error:
        raise ThawError(f"runtime.precision={precision}: this device has no convolution in it; use float32") from error


def _seconds(dtype: tf.DType) -> float:
    """Return the least time of a convolution and its gradients, s."""
    images = tf.ones((_IMAGES, _SIDE, _SIDE, _CHANNELS), dtype)
    kernel = tf.ones((3, 3, _CHANNELS, _CHANNELS), dtype)

    def train() -> tf.Tensor:
        with tf.GradientTape() as tape:
            tape.watch(kernel)
            loss = tf.reduce_sum(tf.nn.conv2d(images, kernel, 1, "SAME"))
        return tf.reduce_sum(tape.gradient(loss, kernel))

    compiled = tf.function(train, jit_compile=False)
    compiled().numpy()
    least, end = float("inf"), time.perf_counter() + _MEASURED_SECONDS
    while time.perf_counter() < end:
        began = time.perf_counter()
        compiled().numpy()
        least = min(least, time.perf_counter() - began)
    return least
