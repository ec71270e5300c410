"""Frozen segments of a network as compiled functions from features to features.

An image's features are all tensors that cross a cut, flattened into one row. Frozen layers are always run on
batches of one size, the last one filled up: kernels choose their method by the size of a batch, and matrix kernels take
the rows of an operand in blocks, of 8 or 24 by processor, and the rest by another method. In batches of 24 there is no
rest, so an image's features are a function of the image only: of neither its neighbours nor whether they are computed
or read back.
"""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from src.common.keras_setup import keras
from src.models.cut import Cut, segment
from src.models.runtime import batches_at_once

BATCH = 24
"""Images that pass at a time."""


class FrozenSegment:
    """The frozen part from images, or from the features of one cut, to those of others; compiled once.

    Args:
        model: the network; the layers between `start` and `ends` must not train.
        start: None for images.
        ends: cuts behind `start`.
    """

    def __init__(self, model: keras.Model, start: Cut | None, ends: Sequence[Cut]) -> None:
        given = start.tensors if start else ()
        made = list(dict.fromkeys(tensor for end in ends for tensor in end.tensors if tensor not in given))
        layers_between = segment(model, given or None, made)
        image = tuple(model.inputs[0].shape[1:])
        width = start.width if start else int(np.prod(image))

        def run(batch: tf.Tensor) -> list[tf.Tensor]:
            tensors = unpack(batch, start) if start else [tf.reshape(batch, (-1, *image))]
            outputs = layers_between(tensors, training=False)
            values = dict(zip(made, outputs if isinstance(outputs, list | tuple) else [outputs], strict=True))
            values |= dict(zip(given, tensors, strict=True)) if start else {}  # what crosses both cuts, as a skip does
            return [pack([values[tensor] for tensor in end.tensors]) for end in ends]

        self._run = tf.function(run, input_signature=[tf.TensorSpec((BATCH, width))], jit_compile=False)

    def __call__(self, inputs: NDArray[np.float32]) -> list[NDArray[np.float32]]:
        """Return the features at each end for `inputs`: float32 [images, features], or [images, pixels]."""
        with ThreadPoolExecutor(batches_at_once()) as pool:
            batches = list(
                pool.map(lambda k: self._run(_filled(inputs[k : k + BATCH], BATCH)), range(0, len(inputs), BATCH))
            )
        return [np.concatenate(blocks)[: len(inputs)] for blocks in zip(*batches, strict=True)]


def pack(tensors: Sequence[tf.Tensor]) -> tf.Tensor:
    """Return the tensors of a cut as one array, float32 [images, values]; half precision becomes that exactly."""
    whole = [tf.cast(tensor, tf.float32) for tensor in tensors]
    flat = [tf.reshape(tensor, (tf.shape(tensor)[0], int(np.prod(tensor.shape[1:])))) for tensor in whole]
    return flat[0] if len(flat) == 1 else tf.concat(flat, axis=1)


def unpack(features: tf.Tensor, cut: Cut) -> list[tf.Tensor]:
    """Return the tensors of :func:`pack`, in the order of `cut.tensors`."""
    sizes = [tensor.values for tensor in cut.tensors]
    flat = [features] if len(sizes) == 1 else tf.split(features, sizes, axis=1)
    return [tf.reshape(values, (-1, *tensor.shape)) for values, tensor in zip(flat, cut.tensors, strict=True)]


def _filled(inputs: NDArray[np.float32], count: int) -> NDArray[np.float32]:
    return inputs if len(inputs) == count else np.pad(inputs, ((0, count - len(inputs)), (0, 0)))
