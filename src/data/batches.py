"""Batches for Keras. Batch k of epoch e is a pure function of the trial: no state hides in an iterator."""

import math
from functools import lru_cache

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from src.config import AugmentConfig
from src.data.augment import view_number, view_parameters
from src.data.dataset import Dataset
from src.data.listing import Split
from src.data.split import Indices


def steps(count: int, batch_size: int) -> int:
    """Batches that `count` images make; the last may be smaller."""
    return math.ceil(count / batch_size)


@lru_cache(maxsize=4)
def epoch_order(count: int, seed: int, epoch: int) -> NDArray[np.int64]:
    """A permutation of 0 … count - 1 that follows from its arguments alone."""
    return np.random.Generator(np.random.Philox(key=[seed, epoch])).permutation(count)


def training_batches(
    dataset: Dataset, augment: AugmentConfig, batch_size: int, seed: int, first_epoch: int, epochs: int
) -> tf.data.Dataset:
    """`epochs` epochs over the training split, from epoch `first_epoch` of the trial on, each in its own order.

    Yields:
        float32 images [batch, side, side, 3] in 0–255, and one-hot float32 labels [batch, classes].
    """
    train = dataset.splits["train"]
    per_epoch = steps(train.size, batch_size)

    def images(step: int) -> Indices:
        epoch, batch = divmod(int(step), per_epoch)
        order = epoch_order(train.size, seed, epoch)
        return train[order[batch * batch_size : (batch + 1) * batch_size]]

    def fetch(step: int) -> tuple[NDArray[np.uint8], NDArray[np.int64], NDArray[np.float32], NDArray[np.float32]]:
        indices = images(step)
        view = view_number(augment, int(step) // per_epoch)
        side = dataset.pixels.shape[1]
        if augment.is_identity:
            none = np.zeros(0, np.float32)
            return dataset.pixels[indices], dataset.labels[indices], none, none
        transforms, light = view_parameters(augment, side, seed, dataset.digests[indices], view)
        return dataset.pixels[indices], dataset.labels[indices], transforms, light

    def load(step: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        kinds = (tf.uint8, tf.int64, tf.float32, tf.float32)
        pixels, labels, transforms, light = tf.numpy_function(fetch, [step], kinds)
        shown = _to_float(pixels, dataset) if augment.is_identity else _view(pixels, transforms, light, dataset)
        return shown, _one_hot(labels, dataset)

    numbers = tf.data.Dataset.range(first_epoch * per_epoch, (first_epoch + epochs) * per_epoch)
    return numbers.map(load).prefetch(2)


def evaluation_batches(dataset: Dataset, split: Split, batch_size: int) -> tf.data.Dataset:
    """The images of `split` once, in their own order, as they are. Yields as :func:`training_batches`."""
    indices = dataset.splits[split]

    def fetch(batch: int) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
        mine = indices[int(batch) * batch_size : (int(batch) + 1) * batch_size]
        return dataset.pixels[mine], dataset.labels[mine]

    def load(batch: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        pixels, labels = tf.numpy_function(fetch, [batch], (tf.uint8, tf.int64))
        return _to_float(pixels, dataset), _one_hot(labels, dataset)

    numbers = tf.data.Dataset.range(steps(indices.size, batch_size))
    return numbers.map(load).prefetch(2)


def _to_float(pixels: tf.Tensor, dataset: Dataset) -> tf.Tensor:
    return tf.ensure_shape(tf.cast(pixels, tf.float32), [None, *dataset.pixels.shape[1:]])


def _view(pixels: tf.Tensor, transforms: tf.Tensor, light: tf.Tensor, dataset: Dataset) -> tf.Tensor:
    moved = tf.raw_ops.ImageProjectiveTransformV3(
        images=_to_float(pixels, dataset),
        transforms=transforms,
        output_shape=dataset.pixels.shape[1:3],
        fill_value=0.0,
        interpolation="BILINEAR",
        fill_mode="REFLECT",
    )
    factors = tf.reshape(light, [-1, 1, 1, 1])
    return tf.ensure_shape(tf.clip_by_value(moved * factors, 0.0, 255.0), [None, *dataset.pixels.shape[1:]])


def _one_hot(labels: tf.Tensor, dataset: Dataset) -> tf.Tensor:
    return tf.ensure_shape(tf.one_hot(labels, len(dataset.class_names)), [None, len(dataset.class_names)])
