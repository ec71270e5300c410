"""Fractals: attractors of iterated function systems.

A class is a system of affine maps; an instance varies them (Kataoka et al. 2020, "Pre-training without Natural
Images", FractalDB). The sum of the maps' singular values stays in the range that fills the plane well, and images
have colours and backgrounds (Anderson & Farrell 2022, "Improving Fractal Pre-training").
"""

from functools import cache

import numpy as np
from numpy.typing import NDArray

from src.demo.formula.raster import Array, Layer, Rng, blur, paint

FORMULAS = 24
Doubles = NDArray[np.float64]
ITERATIONS = {2: 13, 3: 8, 4: 6}  # by the number of maps: 4,096 to 8,192 points


def _rotation(angles: Doubles) -> Doubles:
    cos, sin = np.cos(angles), np.sin(angles)
    return np.stack([np.stack([cos, -sin], -1), np.stack([sin, cos], -1)], -2)


def _singular_values(rng: Rng, maps: int) -> Doubles:
    """Draw pairs (maps, 2), larger first, until sum(s1 + 2 s2) is in [(5 + maps) / 2, (6 + maps) / 2]."""
    while True:
        values = -np.sort(-rng.uniform(0.2, 0.95, (maps, 2)), axis=1)
        if (5 + maps) / 2 <= (values @ [1, 2]).sum() <= (6 + maps) / 2:
            return values


@cache
def system(formula: int) -> tuple[Doubles, Doubles]:
    """Return the maps x -> A x + b of a class: A (maps, 2, 2) and b (maps, 2)."""
    rng = np.random.default_rng([37, formula])
    maps = 2 + formula % 3
    left, right = _rotation(rng.uniform(-np.pi, np.pi, (2, maps)))
    mirrored = rng.choice([-1.0, 1.0], (maps, 1, 2))
    scaled = (left * _singular_values(rng, maps)[:, None, :] * mirrored) @ right
    return scaled, rng.uniform(-1, 1, (maps, 2))


def points(formula: int, rng: Rng) -> tuple[Doubles, Doubles]:
    """Return points of the attractor, (n, 2) in [-1, 1], and the last map of each point, (n,) in [0, 1]."""
    linear, shift = system(formula)
    linear = linear * rng.normal(1, 0.04, linear.shape)
    shift = shift + rng.normal(0, 0.04, shift.shape)
    cloud = np.zeros((1, 2))
    for _ in range(ITERATIONS[len(shift)]):
        cloud = (cloud @ linear.transpose(0, 2, 1) + shift[:, None]).reshape(-1, 2)
    low, high = np.quantile(cloud, [0.01, 0.99], axis=0)
    centred = (cloud - (low + high) / 2) / (0.5 * (high - low).max() + 1e-6)
    last = np.repeat(np.linspace(0, 1, len(shift)), len(cloud) // len(shift))
    return centred, last


def _raster(cloud: Doubles, last: Doubles, size: int) -> tuple[Array, Array]:
    """Return the number of points in each pixel and their mean of `last`, (size, size) each."""
    pixel = ((cloud + 1) * size / 2).astype(np.int32)
    inside = ((pixel >= 0) & (pixel < size)).all(axis=1)
    flat = pixel[inside] @ [1, size]
    count = np.bincount(flat, minlength=size * size)
    mean = np.bincount(flat, last[inside], minlength=size * size) / np.maximum(count, 1)
    return count.reshape(size, size).astype(np.float32), mean.reshape(size, size).astype(np.float32)


def draw(formula: int, palette: Array, rng: Rng, size: int) -> Layer:
    """Draw fractal `formula` in [0, FORMULAS), rotated, scaled and shifted; coloured by density and last map."""
    cloud, last = points(formula, rng)
    turn = _rotation(np.asarray(rng.uniform(-np.pi, np.pi))) * rng.uniform(0.7, 1.15)
    count, mean = _raster(cloud @ turn + rng.uniform(-0.2, 0.2, 2), last, size)
    density = np.log1p(count)
    density /= density.max() + 1e-6
    tint = 0.55 * mean + 0.45 * density + 0.2 * (blur(density, 4) - 0.3)
    return Layer(paint(tint, palette), (blur(density, 2) * 5).clip(0, 1))
