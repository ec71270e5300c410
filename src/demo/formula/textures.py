"""Textures without an outline: waves, rings, ridges, cells, tiles, dots and filtered noise.

A texture is a field in [0, 1] over surface coordinates, so that the same one can fill an image or cover a solid.
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from src.demo.formula.raster import Array, Layer, Rng, noise, paint, random_view, resize

FORMULAS = 24


class Style(NamedTuple):
    """Four numbers in [0, 1] that the class fixes and an instance varies a little."""

    frequency: float
    proportion: float
    irregularity: float
    sharpness: float


def _sharpen(field: Array, sharpness: float) -> Array:
    return np.asarray(0.5 + 0.5 * np.tanh(field * (0.6 + 7 * sharpness**2)), np.float32)


def _warp(rng: Rng, u: Array, amount: float) -> Array:
    return amount * noise(rng, int(rng.integers(2, 6)), len(u))


def waves(rng: Rng, u: Array, v: Array, style: Style) -> Array:
    """Parallel, bent or crossed stripes."""
    pitch = np.float32(np.pi * (2 + 10 * style.frequency))
    stripes = np.sin(pitch * (u + _warp(rng, u, 0.4 * style.irregularity)))
    if style.proportion > 0.5:
        stripes = stripes + (2 * style.proportion - 1) * np.sin(pitch * style.proportion * v)
    return _sharpen(stripes, style.sharpness)


def rings(rng: Rng, u: Array, v: Array, style: Style) -> Array:
    """Rings around a point, or rays from it."""
    bent = _warp(rng, u, style.irregularity)
    if style.proportion > 0.5:
        wave = np.cos(np.round(3 + 12 * style.frequency) * np.arctan2(v, u) + 2 * bent)
    else:
        wave = np.sin((6 + 30 * style.frequency) * np.hypot(u, v * (1 + style.proportion)) + 2 * bent)
    return _sharpen(wave, style.sharpness)


def ridges(rng: Rng, u: Array, _: Array, style: Style) -> Array:
    """Octaves of value noise: folded to ridges (marble, bark), or clouds. Ignores the coordinates."""
    octaves = [int(2 + 6 * style.frequency) * 2**k for k in range(4)]
    field = sum(noise(rng, cells, len(u)) * style.irregularity**k for k, cells in enumerate(octaves))
    folded = 1 - 3 * np.abs(field) if style.proportion > 0.5 else 1.5 * field
    return _sharpen(np.asarray(folded, np.float32), style.sharpness)


def cells(rng: Rng, u: Array, v: Array, style: Style) -> Array:
    """Distances to the nearest of random points, or to the borders of their cells (Worley 1996)."""
    count = int(6 + 14 * style.frequency)
    low, high = (u.min(), v.min()), (u.max(), v.max())
    nearest = second = np.full_like(u, 9)
    for x, y in rng.uniform(low, high, (count, 2)).astype(np.float32):
        distance = (u - x) ** 2 * np.float32(1 + 2 * style.irregularity) + (v - y) ** 2
        second = np.minimum(second, np.maximum(nearest, distance))
        nearest = np.minimum(nearest, distance)
    field = np.sqrt(second) - np.sqrt(nearest) if style.proportion > 0.5 else np.sqrt(nearest)
    return _sharpen((field * np.sqrt(np.float32(count)) - 0.8) * 1.5, style.sharpness)


def tiles(rng: Rng, u: Array, v: Array, style: Style) -> Array:
    """Bricks, planks or checks with joints; each tile has a tone."""
    rows = v * np.float32(1.5 + 5 * style.frequency)
    row = np.floor(rows)
    columns = u * np.float32((1.5 + 5 * style.frequency) * (0.3 + style.proportion)) + 0.5 * (row % 2)
    column = np.floor(columns)
    tones = rng.uniform(0, 1, 256).astype(np.float32)
    tone = tones[(row * 17 + column * 5).astype(np.int32) % 256]
    even = (row + column).astype(np.int32) % 2
    edge = np.maximum(np.abs(rows - row - 0.5), np.abs(columns - column - 0.5))
    mixed = style.irregularity * tone + (1 - style.irregularity) * even
    return np.asarray(mixed * (edge < 0.5 - 0.12 * style.sharpness), np.float32)


def dots(rng: Rng, u: Array, v: Array, style: Style) -> Array:
    """Round or long spots on a straight or staggered grid."""
    pitch = np.float32(2 + 5 * style.frequency)
    bent = _warp(rng, u, 0.5 * style.irregularity)
    rows = (v + bent) * pitch
    columns = (u - bent) * pitch + 0.5 * (np.floor(rows) % 2)
    reach = (rows % 1 - 0.5) ** 2 + (columns % 1 - 0.5) ** 2 * np.float32(0.5 + 1.5 * style.proportion)
    return _sharpen(np.float32(0.09) * 6 - reach * 6, style.sharpness)


def spectral(rng: Rng, u: Array, _: Array, style: Style) -> Array:
    """White noise through a band-pass filter of one direction (Gabor noise). Ignores the coordinates."""
    size = len(u) // 2
    down, across = np.fft.fftfreq(size)[:, None], np.fft.rfftfreq(size)[None]
    angle = rng.uniform(0, np.pi)
    along, aside = across * np.cos(angle) + down * np.sin(angle), down * np.cos(angle) - across * np.sin(angle)
    centre = 0.04 + 0.2 * style.frequency
    width = 0.02 + 0.1 * style.irregularity
    band = np.exp(-((np.abs(along) - centre) ** 2 + (aside * (1 - 0.8 * style.proportion)) ** 2) / (2 * width**2))
    field = np.fft.irfft2(np.fft.rfft2(rng.standard_normal((size, size))) * band, s=(size, size))
    return _sharpen(resize((field / (field.std() + 1e-6)).astype(np.float32), len(u)), style.sharpness)


# Ridges have two entries, as many natural textures are ridged: stone, bark, cloth, clouds.
KINDS: tuple[Callable[[Rng, Array, Array, Style], Array], ...] = (
    waves, rings, ridges, cells, tiles, dots, spectral, ridges,
)  # fmt: skip


def style_of(formula: int, rng: Rng) -> Style:
    """Return the style of texture `formula`, varied a little by `rng`."""
    fixed = np.random.default_rng([23, formula]).uniform(0.05, 0.95, 4)
    return Style(*(fixed + rng.normal(0, 0.04, 4)).clip(0, 1).tolist())


def field(formula: int, rng: Rng, u: Array, v: Array) -> Array:
    """Return texture `formula` in [0, 1] over surface coordinates `u`, `v` (size, size), about -2 to 2."""
    return KINDS[formula % len(KINDS)](rng, u, v, style_of(formula, rng))


def draw(formula: int, palette: Array, rng: Rng, size: int) -> Layer:
    """Draw texture `formula` in [0, FORMULAS): over the whole image, or as a patch with a smooth outline."""
    u, v = random_view(rng, size)
    scale = np.float32(rng.uniform(0.6, 1.3))
    colour = paint(field(formula, rng, u * scale, v * scale), palette)
    if rng.uniform() < 0.5:
        return Layer(colour, np.ones((size, size), np.float32))
    return Layer(colour, (noise(rng, 3, size) * 12 + 4).clip(0, 1))
