"""Tools of all generators: pixel grid, smooth noise, palettes and layers."""

from dataclasses import dataclass
from functools import cache

import numpy as np
import numpy.typing as npt
from PIL import Image

Array = npt.NDArray[np.float32]
Rng = np.random.Generator

PALETTES = 24


@dataclass(frozen=True)
class Layer:
    """A drawing: `colour` (size, size, 3) and coverage `alpha` (size, size), both in [0, 1]."""

    colour: Array
    alpha: Array


@cache
def grid(size: int) -> tuple[Array, Array]:
    """Return the x and y coordinates of the pixels' centres, (size, size) each, in (-1, 1)."""
    ticks = ((np.arange(size) + 0.5) / size * 2 - 1).astype(np.float32)
    across, down = np.meshgrid(ticks, ticks)
    return across, down


def random_view(rng: Rng, size: int, tilt: float = np.pi) -> tuple[Array, Array]:
    """Return the pixel grid, rotated by up to `tilt` radians, stretched and shifted at random."""
    across, down = grid(size)
    angle = rng.uniform(-tilt, tilt)
    scale = rng.uniform(0.75, 1.33, 2)
    u = (np.cos(angle) * across - np.sin(angle) * down) * scale[0] + rng.uniform(-1, 1)
    v = (np.sin(angle) * across + np.cos(angle) * down) * scale[1] + rng.uniform(-1, 1)
    return u.astype(np.float32), v.astype(np.float32)


def resize(field: Array, size: int) -> Array:
    """Resample a 2-D field bicubically to (size, size)."""
    return np.asarray(Image.fromarray(field).resize((size, size), Image.Resampling.BICUBIC))


def noise(rng: Rng, cells: int, size: int) -> Array:
    """Return smooth value noise, (size, size), mean 0, range about [-1, 1], with `cells` bumps per side."""
    return resize(rng.uniform(-1, 1, (cells + 2, cells + 2)).astype(np.float32), size)


def blur(field: Array, factor: int) -> Array:
    """Low-pass a 2-D field: shrink it by `factor` and enlarge it again."""
    return resize(np.asarray(Image.fromarray(field).reduce(factor)), len(field))


def hsv_to_rgb(hsv: npt.NDArray[np.float64]) -> Array:
    """Convert hue (in turns), saturation and value, (..., 3), to RGB in [0, 1]."""
    hue, saturation, value = hsv[..., :1], hsv[..., 1:2], hsv[..., 2:]
    sector = (np.array([5.0, 3.0, 1.0]) + hue * 6) % 6
    return np.asarray(value * (1 - saturation * np.minimum(sector, 4 - sector).clip(0, 1)), np.float32)


def random_hsv(rng: Rng, count: int, hue: float) -> npt.NDArray[np.float64]:
    """Return `count` colours near a hue or its opposite, from grey to vivid and from dark to light."""
    hues = hue + rng.choice([0, 0, 0.08, -0.08, 0.5], count) + rng.normal(0, 0.03, count)
    return np.stack([hues, rng.beta(1.3, 1.6, count), rng.beta(1.7, 1.2, count)], axis=-1)


@cache
def _class_hsv(index: int) -> npt.NDArray[np.float64]:
    return random_hsv(np.random.default_rng([11, index]), 4, index / PALETTES)


def class_palette(index: int, rng: Rng) -> Array:
    """Return palette `index` in [0, PALETTES) as RGB (4, 3), each colour varied a little."""
    shift = np.concatenate([rng.normal(0, 0.015, 1), rng.normal(0, 0.06, 2)])
    hsv = _class_hsv(index) + shift + rng.normal(0, 0.02, (4, 3))
    hsv[:, 1:] = hsv[:, 1:].clip(0, 1)
    return hsv_to_rgb(hsv)


def random_palette(rng: Rng) -> Array:
    """Return a palette that belongs to no class, RGB (4, 3)."""
    return hsv_to_rgb(random_hsv(rng, 4, rng.uniform()))


def paint(field: Array, palette: Array) -> Array:
    """Map a field in [0, 1] to colours, (..., 3): 0 is the first of `palette` (n, 3), 1 the last."""
    stops = np.linspace(0, 1, len(palette))
    ramp = np.linspace(0, 1, 256)
    table = np.stack([np.interp(ramp, stops, channel) for channel in palette.T], axis=-1).astype(np.float32)
    return table[(field.clip(0, 1) * 255).astype(np.uint8)]


def composite(below: Array, layer: Layer) -> Array:
    """Return the image `below` (size, size, 3) with `layer` on top."""
    return below + layer.alpha[..., None] * (layer.colour - below)
