"""One labelled stream out of all generators.

A class is a formula together with a palette: every formula comes in two palettes and every palette serves several
formulas, so neither form nor colour alone gives the class away. Around the class's layer, everything is random:
background, clutter, shadow, what stands in front, light, exposure and the sensor's noise.
"""

from collections.abc import Callable, Iterator
from itertools import count
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from src.formula import fractals, shapes, solids, textures
from src.formula.canvas import (
    PALETTES,
    Array,
    Layer,
    Rng,
    blurred,
    bound_palette,
    noise,
    over,
    paint,
    placed,
    random_palette,
)

Draw = Callable[[int, Array, Rng, int], Layer]

FAMILIES: tuple[tuple[str, Draw, int], ...] = (
    ("fractals", fractals.draw, fractals.FORMULAS),
    ("textures", textures.draw, textures.FORMULAS),
    ("shapes", shapes.draw, shapes.FORMULAS),
    ("solids", solids.draw, solids.FORMULAS),
)
PALETTES_A_FORMULA = 2
CLASSES = PALETTES_A_FORMULA * sum(formulas for _, _, formulas in FAMILIES)


class Class(NamedTuple):
    """What a label in [0, CLASSES) stands for."""

    family: str
    draw: Draw
    formula: int
    palette: int


def describe(label: int) -> Class:
    """The class of a label; ValueError outside [0, CLASSES)."""
    number, variant = divmod(label, PALETTES_A_FORMULA)
    palette = (7 * number + 11 * variant) % PALETTES
    for family, drawer, formulas in FAMILIES:
        if 0 <= number < formulas:
            return Class(family, drawer, number, palette)
        number -= formulas
    raise ValueError(f"label {label} is outside 0..{CLASSES - 1}")


def background(rng: Rng, size: int) -> Array:
    """A picture of no class, (size, size, 3) in [0, 1]: a wash of colour or any texture, sharp or out of focus."""
    palette = random_palette(rng)
    if rng.uniform() < 0.4:
        return paint(0.5 + 0.5 * noise(rng, int(rng.integers(1, 5)), size), palette)
    field = textures.field(int(rng.integers(textures.FORMULAS)), rng, *placed(rng, size))
    field = blurred(field, int(rng.choice([1, 1, 2, 4])))
    return paint(0.5 + rng.uniform(0.1, 1) * (field - 0.5), palette)


def _clutter(rng: Rng, size: int) -> Layer:
    """Part of a figure in colours of no class, at a border of the picture."""
    layer = shapes.draw(int(rng.integers(shapes.FORMULAS)), random_palette(rng), rng, size)
    roll = rng.integers(size // 3, 2 * size // 3, 2)
    return Layer(np.roll(layer.colour, roll, (0, 1)), np.roll(layer.alpha, roll, (0, 1)))


def _shadow(rng: Rng, layer: Layer) -> Layer:
    size = len(layer.alpha)
    fallen = np.roll(blurred(layer.alpha, 4), rng.integers(-size // 12, size // 12 + 1, 2), (0, 1))
    return Layer(np.zeros_like(layer.colour), (fallen * rng.uniform(0, 0.7)).clip(0, 1).astype(np.float32))


def _photographed(rng: Rng, picture: Array) -> npt.NDArray[np.uint8]:
    """Uneven light, exposure, white balance and sensor noise."""
    size = len(picture)
    light = rng.uniform(0.6, 1.2) * (1 + rng.uniform(0, 0.5) * noise(rng, 1, size))
    cast = rng.normal(1, 0.06, 3).astype(np.float32)
    grain = rng.normal(0, 1, 3 * size).astype(np.float32)
    rows = rng.integers(0, 2 * size, (size, 1)) + np.arange(size)
    exposed = picture * light[..., None] * cast + 0.06 * rng.uniform() ** 2 * grain[rows, None]
    return (exposed.clip(0, 1) * 255).astype(np.uint8)


def draw(label: int, rng: Rng, size: int = 96) -> npt.NDArray[np.uint8]:
    """A picture of class `label` in [0, CLASSES): (size, size, 3), uint8 RGB, decided by `rng` alone."""
    of = describe(label)
    picture = background(rng, size)
    if rng.uniform() < 0.3:
        picture = over(picture, _clutter(rng, size))
    layer = of.draw(of.formula, bound_palette(of.palette, rng), rng, size)
    picture = over(over(picture, _shadow(rng, layer)), layer)
    if rng.uniform() < 0.2:
        picture = over(picture, _clutter(rng, size))
    return _photographed(rng, picture)


class Batch(NamedTuple):
    """Pictures (n, size, size, 3) uint8 and their labels (n,) int32."""

    pictures: npt.NDArray[np.uint8]
    labels: npt.NDArray[np.int32]


def pictures(rng: Rng, number: int, size: int = 96) -> Batch:
    """`number` pictures of random classes."""
    labels = rng.integers(CLASSES, size=number).astype(np.int32)
    return Batch(np.stack([draw(int(label), rng, size) for label in labels]), labels)


def stream(seed: int, batch: int, reuse: int, pool: int, size: int = 96) -> Iterator[Batch]:
    """Endless batches, the same for the same seed, in which a picture comes up `reuse` times on average.

    Pictures live in a ring of `pool`; each batch samples it and redraws its oldest `batch / reuse`.
    """
    rng = np.random.default_rng(seed)
    ring = pictures(rng, pool, size)
    fresh = max(1, batch // reuse)
    for turn in count():
        chosen = rng.integers(pool, size=batch)
        yield Batch(ring.pictures[chosen], ring.labels[chosen])
        oldest = np.arange(turn * fresh, (turn + 1) * fresh) % pool
        ring.pictures[oldest], ring.labels[oldest] = pictures(rng, fresh, size)
