"""What the network predicts of a picture besides its class: its colours and edges, place by place.

Histograms of colours and of oriented gradients over a grid describe photos well, and the pixels give them for free.
Asking a linear read-out of the pooled features for them keeps in the features what a label alone lets a network
forget (gradients as a target: Wei et al. 2022, "Masked Feature Prediction", MaskFeat; the grid: Dalal & Triggs 2005).
"""

import math
from typing import Any

import numpy as np
import numpy.typing as npt
import tensorflow as tf

GRID = 4
LEVELS = 4
DIRECTIONS = 8
SCALES = (1, 2, 4)
DESCRIPTORS = GRID**2 * (LEVELS**3 + DIRECTIONS * len(SCALES))

Tensor = Any


def _pooled(images: Tensor, side: int) -> Tensor:
    return tf.nn.avg_pool2d(images, side, side, "VALID") if side > 1 else images


def _by_place(maps: Tensor) -> Tensor:
    """Means over the cells of the grid: (n, s, s, c) to (n, GRID, GRID, c)."""
    return _pooled(maps, maps.shape[1] // GRID)


def colours(images: Tensor) -> Tensor:
    """Joint histograms of RGB in [-1, 1], softly binned: (n, GRID, GRID, 64), square roots of shares."""
    shrunk = _pooled(images, 2)
    centres = tf.linspace(-1.0, 1.0, LEVELS)
    weights = tf.nn.relu(1 - tf.abs(shrunk[..., None] - centres) * (LEVELS - 1) / 2)
    red, green, blue = tf.unstack(weights, axis=3)
    joint = red[..., :, None, None] * green[..., None, :, None] * blue[..., None, None, :]
    return tf.sqrt(_by_place(tf.reshape(joint, [-1, *shrunk.shape[1:3], LEVELS**3])) + 1e-4)


def _directions(grey: Tensor) -> Tensor:
    """The gradient's magnitude shared among directions, edges extended: (n, s, s, 1) to (n, s, s, DIRECTIONS)."""
    wide = tf.pad(grey, [[0, 0], [1, 1], [1, 1], [0, 0]], "SYMMETRIC")
    across, down = wide[:, 1:-1, 2:] - wide[:, 1:-1, :-2], wide[:, 2:, 1:-1] - wide[:, :-2, 1:-1]
    size = tf.sqrt(across**2 + down**2 + 1e-6)
    # Twice the angle makes opposite directions one, and needs no arctangent.
    cosine, sine = (across**2 - down**2) / size**2, 2 * across * down / size**2
    angles = tf.range(DIRECTIONS, dtype=tf.float32) * (2 * math.pi / DIRECTIONS)
    return size * tf.nn.relu(cosine * tf.cos(angles) + sine * tf.sin(angles)) ** 2


def gradients(images: Tensor) -> Tensor:
    """Histograms of oriented gradients at three scales: (n, GRID, GRID, 24), square roots of mean magnitudes."""
    grey = tf.reduce_mean(images, -1, keepdims=True)
    return tf.sqrt(tf.concat([_by_place(_directions(_pooled(grey, scale))) for scale in SCALES], -1) + 1e-4)


def described(images: Tensor) -> Tensor:
    """Both for images (n, s, s, 3) in [-1, 1], s a multiple of 4 GRID: (n, DESCRIPTORS)."""
    return tf.reshape(tf.concat([colours(images), gradients(images)], -1), [-1, DESCRIPTORS])


class Whitening:
    """Principal components of descriptors, each scaled to variance 1: fine distinctions count like coarse ones."""

    def __init__(self, sample: npt.NDArray[np.float32], components: int) -> None:
        self.mean = sample.mean(axis=0)
        _, spread, axes = np.linalg.svd(sample - self.mean, full_matrices=False)
        kept = slice(min(components, len(sample) - 1))
        self.axes = (axes[kept] / spread[kept, None] * math.sqrt(len(sample))).T.astype(np.float32)

    @property
    def components(self) -> int:
        """How many there are."""
        return int(self.axes.shape[1])

    def __call__(self, images: Tensor) -> Tensor:
        """The targets of images (n, s, s, 3): (n, components)."""
        return (described(images) - self.mean) @ self.axes
