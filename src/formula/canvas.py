"""What every generator draws with: a pixel grid, smooth noise, palettes and layers."""

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
    """Something drawn: `colour` (size, size, 3) and how much it covers, `alpha` (size, size), in [0, 1]."""

    colour: Array
    alpha: Array


@cache
def grid(size: int) -> tuple[Array, Array]:
    """Horizontal and vertical coordinates of the pixels' centres, (size, size) each, in (-1, 1)."""
    ticks = ((np.arange(size) + 0.5) / size * 2 - 1).astype(np.float32)
    across, down = np.meshgrid(ticks, ticks)
    return across, down


def placed(rng: Rng, size: int, tilt: float = np.pi) -> tuple[Array, Array]:
    """The pixel grid turned by up to `tilt` radians, stretched a little and shifted: a camera's freedom."""
    across, down = grid(size)
    angle = rng.uniform(-tilt, tilt)
    stretch = rng.uniform(0.75, 1.33, 2)
    u = (np.cos(angle) * across - np.sin(angle) * down) * stretch[0] + rng.uniform(-1, 1)
    v = (np.sin(angle) * across + np.cos(angle) * down) * stretch[1] + rng.uniform(-1, 1)
    return u.astype(np.float32), v.astype(np.float32)


def resized(field: Array, size: int) -> Array:
    """A 2-D field resampled bicubically to (size, size)."""
    return np.asarray(Image.fromarray(field).resize((size, size), Image.Resampling.BICUBIC))


def noise(rng: Rng, cells: int, size: int) -> Array:
    """Smooth value noise, (size, size), mean 0 and range about [-1, 1], with `cells` bumps along a side."""
    return resized(rng.uniform(-1, 1, (cells + 2, cells + 2)).astype(np.float32), size)


def blurred(field: Array, factor: int) -> Array:
    """A cheap low-pass: a 2-D field shrunk by `factor` and grown back."""
    size = len(field)
    return resized(np.asarray(Image.fromarray(field).reduce(factor)), size)


def hsv_to_rgb(hsv: npt.NDArray[np.float64]) -> Array:
    """Hue (in turns), saturation and value, (..., 3), as RGB in [0, 1]."""
    hue, saturation, value = hsv[..., :1], hsv[..., 1:2], hsv[..., 2:]
    sector = (np.array([5.0, 3.0, 1.0]) + hue * 6) % 6
    return np.asarray(value * (1 - saturation * np.minimum(sector, 4 - sector).clip(0, 1)), np.float32)


def random_hsv(rng: Rng, count: int, hue: float) -> npt.NDArray[np.float64]:
    """`count` colours of about a hue and its opposite, from grey to vivid and from dark to light."""
    hues = hue + rng.choice([0, 0, 0.08, -0.08, 0.5], count) + rng.normal(0, 0.03, count)
    return np.stack([hues, rng.beta(1.3, 1.6, count), rng.beta(1.7, 1.2, count)], axis=-1)


@cache
def _bound_hsv(index: int) -> npt.NDArray[np.float64]:
    return random_hsv(np.random.default_rng([11, index]), 4, index / PALETTES)


def bound_palette(index: int, rng: Rng) -> Array:
    """Palette `index` in [0, PALETTES) as RGB (4, 3), each colour a little off as in another light."""
    shift = np.concatenate([rng.normal(0, 0.015, 1), rng.normal(0, 0.06, 2)])
    hsv = _bound_hsv(index) + shift + rng.normal(0, 0.02, (4, 3))
    hsv[:, 1:] = hsv[:, 1:].clip(0, 1)
    return hsv_to_rgb(hsv)


def random_palette(rng: Rng) -> Array:
    """A palette of no class, RGB (4, 3)."""
    return hsv_to_rgb(random_hsv(rng, 4, rng.uniform()))


def paint(field: Array, palette: Array) -> Array:
    """A field in [0, 1] as colours, (..., 3), running through `palette` (n, 3) from 0 to 1."""
    stops = np.linspace(0, 1, len(palette))
    ramp = np.linspace(0, 1, 256)
    table = np.stack([np.interp(ramp, stops, channel) for channel in palette.T], axis=-1).astype(np.float32)
    return table[(field.clip(0, 1) * 255).astype(np.uint8)]


def over(below: Array, layer: Layer) -> Array:
    """`layer` laid over the picture `below` (size, size, 3)."""
    return below + layer.alpha[..., None] * (layer.colour - below)
