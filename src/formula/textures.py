"""Textures without an outline: waves, ridges, cells, tiles, dots and filtered noise.

A texture is a field in [0, 1] over surface coordinates, so that the same one can fill a picture or wrap a solid.
Its `style` holds four numbers in [0, 1] (roughly: frequency, proportion, irregularity, sharpness); the class fixes
them and an instance varies them a little.
"""

from collections.abc import Callable

import numpy as np

from src.formula.canvas import Array, Layer, Rng, noise, paint, placed, resized

FORMULAS = 24

Style = tuple[float, float, float, float]


def _sharpened(field: Array, sharpness: float) -> Array:
    return np.asarray(0.5 + 0.5 * np.tanh(field * (0.6 + 7 * sharpness**2)), np.float32)


def _warp(rng: Rng, u: Array, amount: float) -> Array:
    return amount * noise(rng, int(rng.integers(2, 6)), len(u))


def waves(rng: Rng, u: Array, v: Array, style: Style) -> Array:
    """Parallel, bent or crossed stripes."""
    frequency, proportion, irregularity, sharpness = style
    pitch = np.float32(np.pi * (2 + 10 * frequency))
    stripes = np.sin(pitch * (u + _warp(rng, u, 0.4 * irregularity)))
    if proportion > 0.5:
        stripes = stripes + (2 * proportion - 1) * np.sin(pitch * proportion * v)
    return _sharpened(stripes, sharpness)


def rings(rng: Rng, u: Array, v: Array, style: Style) -> Array:
    """Rings around a point or rays from it, as in cut wood or a flower."""
    frequency, proportion, irregularity, sharpness = style
    bent = _warp(rng, u, irregularity)
    if proportion > 0.5:
        return _sharpened(np.cos(np.round(3 + 12 * frequency) * np.arctan2(v, u) + 2 * bent), sharpness)
    return _sharpened(np.sin((6 + 30 * frequency) * np.hypot(u, v * (1 + proportion)) + 2 * bent), sharpness)


def ridges(rng: Rng, u: Array, _: Array, style: Style) -> Array:
    """Octaves of value noise, folded to ridges (marble, bark) or left as clouds; ignores the coordinates' turn."""
    frequency, proportion, irregularity, sharpness = style
    octaves = [int(2 + 6 * frequency) * 2**k for k in range(4)]
    field = sum(noise(rng, cells, len(u)) * irregularity**k for k, cells in enumerate(octaves))
    folded = 1 - 3 * np.abs(field) if proportion > 0.5 else 1.5 * field
    return _sharpened(np.asarray(folded, np.float32), sharpness)


def cells(rng: Rng, u: Array, v: Array, style: Style) -> Array:
    """Worley's cells: distances to the nearest of scattered points, or to the border of their cells."""
    frequency, proportion, irregularity, sharpness = style
    count = int(6 + 14 * frequency)
    low, high = (u.min(), v.min()), (u.max(), v.max())
    nearest = second = np.full_like(u, 9)
    for x, y in rng.uniform(low, high, (count, 2)).astype(np.float32):
        distance = (u - x) ** 2 * np.float32(1 + 2 * irregularity) + (v - y) ** 2
        second = np.minimum(second, np.maximum(nearest, distance))
        nearest = np.minimum(nearest, distance)
    field = np.sqrt(second) - np.sqrt(nearest) if proportion > 0.5 else np.sqrt(nearest)
    return _sharpened((field * np.sqrt(np.float32(count)) - 0.8) * 1.5, sharpness)


def tiles(rng: Rng, u: Array, v: Array, style: Style) -> Array:
    """Bricks, planks or checks, each tile with its own tone, and joints between them."""
    frequency, proportion, irregularity, sharpness = style
    rows = v * np.float32(1.5 + 5 * frequency)
    row = np.floor(rows)
    columns = u * np.float32((1.5 + 5 * frequency) * (0.3 + proportion)) + 0.5 * (row % 2)
    column = np.floor(columns)
    tones = rng.uniform(0, 1, 256).astype(np.float32)
    own = tones[(row * 17 + column * 5).astype(np.int32) % 256]
    even = (row + column).astype(np.int32) % 2
    edge = np.maximum(np.abs(rows - row - 0.5), np.abs(columns - column - 0.5))
    return np.asarray((irregularity * own + (1 - irregularity) * even) * (edge < 0.5 - 0.12 * sharpness), np.float32)


def dots(rng: Rng, u: Array, v: Array, style: Style) -> Array:
    """A lattice of round or long spots, straight or staggered."""
    frequency, proportion, irregularity, sharpness = style
    pitch = np.float32(2 + 5 * frequency)
    bent = _warp(rng, u, 0.5 * irregularity)
    rows = (v + bent) * pitch
    columns = (u - bent) * pitch + 0.5 * (np.floor(rows) % 2)
    reach = (rows % 1 - 0.5) ** 2 + (columns % 1 - 0.5) ** 2 * np.float32(0.5 + 1.5 * proportion)
    return _sharpened(np.float32(0.09) * 6 - reach * 6, sharpness)


def spectral(rng: Rng, u: Array, _: Array, style: Style) -> Array:
    """White noise through a band-pass filter of one direction and width (Gabor noise); ignores the coordinates."""
    frequency, proportion, irregularity, sharpness = style
    size = len(u) // 2
    down, across = np.fft.fftfreq(size)[:, None], np.fft.rfftfreq(size)[None]
    angle = rng.uniform(0, np.pi)
    along, aside = across * np.cos(angle) + down * np.sin(angle), down * np.cos(angle) - across * np.sin(angle)
    centre = 0.04 + 0.2 * frequency
    width = 0.02 + 0.1 * irregularity
    band = np.exp(-((np.abs(along) - centre) ** 2 + (aside * (1 - 0.8 * proportion)) ** 2) / (2 * width**2))
    field = np.fft.irfft2(np.fft.rfft2(rng.standard_normal((size, size))) * band, s=(size, size))
    return _sharpened(resized((field / (field.std() + 1e-6)).astype(np.float32), len(u)), sharpness)


# Ridges come twice, since so much of nature is of their kind: stone, bark, cloth, clouds.
KINDS: tuple[Callable[[Rng, Array, Array, Style], Array], ...] = (
    waves, rings, ridges, cells, tiles, dots, spectral, ridges,
)  # fmt: skip


def style_of(formula: int, rng: Rng) -> Style:
    """The four numbers of texture `formula`, varied a little by `rng`."""
    fixed = np.random.default_rng([23, formula]).uniform(0.05, 0.95, 4)
    frequency, proportion, irregularity, sharpness = (fixed + rng.normal(0, 0.04, 4)).clip(0, 1)
    return float(frequency), float(proportion), float(irregularity), float(sharpness)


def field(formula: int, rng: Rng, u: Array, v: Array) -> Array:
    """Texture `formula` over surface coordinates `u`, `v` (size, size, about -2 to 2), in [0, 1]."""
    return KINDS[formula % len(KINDS)](rng, u, v, style_of(formula, rng))


def draw(formula: int, palette: Array, rng: Rng, size: int) -> Layer:
    """Texture `formula` in [0, FORMULAS): half the time the whole picture, else a patch with a smooth outline."""
    u, v = placed(rng, size)
    scale = np.float32(rng.uniform(0.6, 1.3))
    colour = paint(field(formula, rng, u * scale, v * scale), palette)
    if rng.uniform() < 0.5:
        return Layer(colour, np.ones((size, size), np.float32))
    return Layer(colour, (noise(rng, 3, size) * 12 + 4).clip(0, 1))
