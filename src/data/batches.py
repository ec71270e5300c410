"""Order and augment images: pure functions of the trial, with no state in an iterator."""

from functools import lru_cache

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from src.common.files import gather
from src.config import AugmentConfig
from src.data.augment import view_parameters
from src.data.dataset import Dataset
from src.data.split import Indices


@lru_cache(maxsize=4)
def epoch_order(count: int, seed: int, epoch: int) -> NDArray[np.int64]:
    """Return a permutation of 0 … count - 1 that follows from its arguments alone."""
    return np.random.Generator(np.random.Philox(key=[seed, epoch])).permutation(count)


def images_shown(
    dataset: Dataset, indices: Indices, augment: AugmentConfig, seed: int, view: int
) -> NDArray[np.float32]:
    """Return the images `indices` of `dataset` in view `view`, float32 [images, side, side, 3] in 0–255."""
    images = gather(dataset.pixels, indices).astype(np.float32)
    if augment.is_identity:
        return images
    image_size = images.shape[1]
    transforms, light = view_parameters(augment, image_size, seed, dataset.digests[indices], view)
    moved = tf.raw_ops.ImageProjectiveTransformV3(
        images=images,
        transforms=transforms,
        output_shape=(image_size, image_size),
        fill_value=0.0,
        interpolation="BILINEAR",
        fill_mode="REFLECT",
    )
    return np.asarray(tf.clip_by_value(moved * light.reshape(-1, 1, 1, 1), 0.0, 255.0))
