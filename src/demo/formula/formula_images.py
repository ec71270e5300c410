"""Labelled images from all generators.

A class is a formula with a palette. Each formula has two palettes and each palette has several formulas, so that
neither form nor colour determines the class by itself. Everything around the class's layer is random: background,
clutter, shadow, occlusion, light, exposure and sensor noise.
"""

from collections.abc import Callable, Iterator
from itertools import count
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from src.demo.formula import fractals, raster, shapes, solids, textures
from src.demo.formula.raster import Array, Layer, Rng, blur, composite, noise, paint, random_palette

Draw = Callable[[int, Array, Rng, int], Layer]

FAMILIES: tuple[tuple[str, Draw, int], ...] = (
    ("fractals", fractals.draw, fractals.FORMULAS),
    ("textures", textures.draw, textures.FORMULAS),
    ("shapes", shapes.draw, shapes.FORMULAS),
    ("solids", solids.draw, solids.FORMULAS),
)
PALETTES_PER_FORMULA = 2
CLASSES = PALETTES_PER_FORMULA * sum(formulas for _, _, formulas in FAMILIES)


class Class(NamedTuple):
    """The formula and the palette of a label in [0, CLASSES)."""

    family: str
    draw: Draw
    formula: int
    palette: int


def describe(label: int) -> Class:
    """Return the class of a label.

    Raises:
        ValueError: the label is outside [0, CLASSES).
    """
    number, variant = divmod(label, PALETTES_PER_FORMULA)
    palette = (7 * number + 11 * variant) % raster.PALETTES
    for family, draw_formula, formulas in FAMILIES:
        if 0 <= number < formulas:
            return Class(family, draw_formula, number, palette)
        number -= formulas
    raise ValueError(f"label {label} is outside 0..{CLASSES - 1}")


def background(rng: Rng, size: int) -> Array:
    """Return an image of no class, (size, size, 3) in [0, 1]: smooth colours or a texture, sharp or blurred."""
    palette = random_palette(rng)
    if rng.uniform() < 0.4:
        return paint(0.5 + 0.5 * noise(rng, int(rng.integers(1, 5)), size), palette)
    field = textures.field(int(rng.integers(textures.FORMULAS)), rng, *raster.random_view(rng, size))
    field = blur(field, int(rng.choice([1, 1, 2, 4])))
    return paint(0.5 + rng.uniform(0.1, 1) * (field - 0.5), palette)


def _clutter(rng: Rng, size: int) -> Layer:
    """Draw part of a figure in colours of no class, at a border of the image."""
    layer = shapes.draw(int(rng.integers(shapes.FORMULAS)), random_palette(rng), rng, size)
    shift = rng.integers(size // 3, 2 * size // 3, 2)
    return Layer(np.roll(layer.colour, shift, (0, 1)), np.roll(layer.alpha, shift, (0, 1)))


def _shadow(rng: Rng, layer: Layer) -> Layer:
    """Return the shadow of a layer: blurred, shifted and transparent."""
    size = len(layer.alpha)
    shifted = np.roll(blur(layer.alpha, 4), rng.integers(-size // 12, size // 12 + 1, 2), (0, 1))
    return Layer(np.zeros_like(layer.colour), (shifted * rng.uniform(0, 0.7)).clip(0, 1).astype(np.float32))


def _expose(rng: Rng, image: Array) -> NDArray[np.uint8]:
    """Apply uneven light, exposure, white balance and sensor noise."""
    size = len(image)
    light = rng.uniform(0.6, 1.2) * (1 + rng.uniform(0, 0.5) * noise(rng, 1, size))
    cast = rng.normal(1, 0.06, 3).astype(np.float32)
    grain = rng.normal(0, 1, 3 * size).astype(np.float32)
    rows = rng.integers(0, 2 * size, (size, 1)) + np.arange(size)
    exposed = image * light[..., None] * cast + 0.06 * rng.uniform() ** 2 * grain[rows, None]
    return (exposed.clip(0, 1) * 255).astype(np.uint8)


def draw(label: int, rng: Rng, size: int = 96) -> NDArray[np.uint8]:
    """Draw an image of class `label` in [0, CLASSES): uint8 RGB (size, size, 3), a function of `rng`'s state."""
    drawn = describe(label)
    image = background(rng, size)
    if rng.uniform() < 0.3:
        image = composite(image, _clutter(rng, size))
    layer = drawn.draw(drawn.formula, raster.class_palette(drawn.palette, rng), rng, size)
    image = composite(composite(image, _shadow(rng, layer)), layer)
    if rng.uniform() < 0.2:
        image = composite(image, _clutter(rng, size))
    return _expose(rng, image)


class Batch(NamedTuple):
    """Images (n, size, size, 3) uint8 and their labels (n,) int32."""

    images: NDArray[np.uint8]
    labels: NDArray[np.int32]


def draw_batch(rng: Rng, number: int, size: int = 96) -> Batch:
    """Draw `number` images of random classes."""
    labels = rng.integers(CLASSES, size=number).astype(np.int32)
    return Batch(np.stack([draw(int(label), rng, size) for label in labels]), labels)


def stream(seed: int, batch: int, reuse: int, pool: int, size: int = 96) -> Iterator[Batch]:
    """Yield batches without end; the same seed gives the same batches.

    A ring buffer holds `pool` images. Each batch is a sample of it, after which its oldest `batch / reuse` images are
    drawn anew, so that an image appears `reuse` times on average.
    """
    rng = np.random.default_rng(seed)
    ring = draw_batch(rng, pool, size)
    fresh = max(1, batch // reuse)
    for step in count():
        chosen = rng.integers(pool, size=batch)
        yield Batch(ring.images[chosen], ring.labels[chosen])
        oldest = np.arange(step * fresh, (step + 1) * fresh) % pool
        ring.images[oldest], ring.labels[oldest] = draw_batch(rng, fresh, size)
