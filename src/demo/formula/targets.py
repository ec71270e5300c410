"""Descriptors that the network predicts besides the class: colours and edges in each cell of a grid.

Histograms of colours and of oriented gradients over a grid describe photos well and need no labels. A linear head that
predicts them from the pooled features keeps information that a network may discard for the label (gradients as a
target: Wei et al. 2022, "Masked Feature Prediction", MaskFeat; the grid: Dalal & Triggs 2005).
"""

import math
from typing import Any

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

GRID = 4
LEVELS = 4
DIRECTIONS = 8
SCALES = (1, 2, 4)
DESCRIPTORS = GRID**2 * (LEVELS**3 + DIRECTIONS * len(SCALES))

Tensor = Any


def _pool(images: Tensor, factor: int) -> Tensor:
    return tf.nn.avg_pool2d(images, factor, factor, "VALID") if factor > 1 else images


def _cell_means(maps: Tensor) -> Tensor:
    """Return the means over the cells of the grid: (n, s, s, c) to (n, GRID, GRID, c)."""
    return _pool(maps, maps.shape[1] // GRID)


def colours(images: Tensor) -> Tensor:
    """Return joint histograms of RGB in [-1, 1], softly binned: square roots of shares, (n, GRID, GRID, 64)."""
    shrunk = _pool(images, 2)
    centres = tf.linspace(-1.0, 1.0, LEVELS)
    weights = tf.nn.relu(1 - tf.abs(shrunk[..., None] - centres) * (LEVELS - 1) / 2)
    red, green, blue = tf.unstack(weights, axis=3)
    joint = red[..., :, None, None] * green[..., None, :, None] * blue[..., None, None, :]
    return tf.sqrt(_cell_means(tf.reshape(joint, [-1, *shrunk.shape[1:3], LEVELS**3])) + 1e-4)


def _directions(grey: Tensor) -> Tensor:
    """Distribute the gradient's magnitude over directions: (n, s, s, 1) to (n, s, s, DIRECTIONS)."""
    padded = tf.pad(grey, [[0, 0], [1, 1], [1, 1], [0, 0]], "SYMMETRIC")
    across, down = padded[:, 1:-1, 2:] - padded[:, 1:-1, :-2], padded[:, 2:, 1:-1] - padded[:, :-2, 1:-1]
    magnitude = tf.sqrt(across**2 + down**2 + 1e-6)
    # Twice the angle maps opposite directions to one, and needs no arctangent.
    cosine, sine = (across**2 - down**2) / magnitude**2, 2 * across * down / magnitude**2
    angles = tf.range(DIRECTIONS, dtype=tf.float32) * (2 * math.pi / DIRECTIONS)
    return magnitude * tf.nn.relu(cosine * tf.cos(angles) + sine * tf.sin(angles)) ** 2


def gradients(images: Tensor) -> Tensor:
    """Return histograms of oriented gradients at three scales: square roots of means, (n, GRID, GRID, 24)."""
    grey = tf.reduce_mean(images, -1, keepdims=True)
    return tf.sqrt(tf.concat([_cell_means(_directions(_pool(grey, scale))) for scale in SCALES], -1) + 1e-4)


def describe(images: Tensor) -> Tensor:
    """Return colours and gradients of images (n, s, s, 3) in [-1, 1], s a multiple of 4 GRID: (n, DESCRIPTORS)."""
    return tf.reshape(tf.concat([colours(images), gradients(images)], -1), [-1, DESCRIPTORS])


class Whitening:
    """Principal components of descriptors, scaled to variance 1 so that fine and coarse distinctions count alike."""

    def __init__(self, sample: NDArray[np.float32], components: int) -> None:
        self.mean = sample.mean(axis=0)
        _, spread, axes = np.linalg.svd(sample - self.mean, full_matrices=False)
        kept = slice(min(components, len(sample) - 1))
        self.axes = (axes[kept] / spread[kept, None] * math.sqrt(len(sample))).T.astype(np.float32)

    @property
    def components(self) -> int:
        """Return the number of components."""
        return int(self.axes.shape[1])

    def __call__(self, images: Tensor) -> Tensor:
        """Return the targets of images (n, s, s, 3): (n, components)."""
        return (describe(images) - self.mean) @ self.axes
