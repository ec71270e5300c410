"""Flat figures composed of closed contours.

A class is an arrangement of up to five contours; each is a polygon with Fourier ripples (Kataoka et al. 2022,
"Replacing Labeled Real-image Datasets with Auto-generated Contours", RCDB: networks learn from outlines).
"""

from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from src.demo.formula.raster import Array, Layer, Rng, noise

FORMULAS = 24
Doubles = NDArray[np.float64]


@dataclass(frozen=True)
class Contour:
    """One part of a figure: outline around 0 (n, 2), position (2,), palette index, stroke width in pixels or 0."""

    outline: Doubles
    position: Doubles
    colour: int
    stroke: int


def _outline(rng: Rng) -> Doubles:
    corners = int(rng.choice([3, 4, 5, 6, 8, 40]))
    angle = np.linspace(0, 2 * np.pi, max(corners * 2, 40), endpoint=False)
    cut = np.cos(np.pi / corners) / np.cos(angle % (2 * np.pi / corners) - np.pi / corners)
    lobes = int(rng.integers(2, 9))
    radius = cut * (1 + rng.choice([0.0, 0.15, 0.4]) * np.cos(lobes * angle))
    unit = np.stack([np.cos(angle), np.sin(angle) * rng.uniform(0.35, 1)], axis=-1)
    return np.asarray(radius[:, None] * unit * rng.uniform(0.25, 0.6))


@cache
def figure(formula: int) -> tuple[Contour, ...]:
    """Return the parts of a class, back to front."""
    rng = np.random.default_rng([41, formula])
    parts = 1 + formula % 5
    reach = 0.5 if parts > 1 else 0.0
    return tuple(
        Contour(_outline(rng), rng.uniform(-reach, reach, 2), part % 4, int(rng.choice([0, 0, 0, 3, 6])))
        for part in range(parts)
    )


def _corners(part: Contour, turn: Doubles, rng: Rng) -> list[tuple[float, float]]:
    outline = part.outline * rng.uniform(0.85, 1.18, 2) + part.position + rng.normal(0, 0.05, 2)
    return [(float(x), float(y)) for x, y in outline @ turn]


def _sheet(formula: int, palette: Array, rng: Rng, size: int) -> Array:
    """Return the figure as RGBA in [0, 1], drawn at twice the size for smooth edges."""
    angle, scale = rng.uniform(-np.pi, np.pi), size * rng.uniform(0.7, 1.3, 2)
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]]) * scale
    left, top = size * rng.uniform(0.8, 1.2, 2)
    sheet = Image.new("RGBA", (2 * size, 2 * size))
    pen = ImageDraw.Draw(sheet)
    for part in figure(formula):
        red, green, blue = (int(255 * value) for value in palette[part.colour])
        corners = [(left + x, top + y) for x, y in _corners(part, turn, rng)]
        if part.stroke:
            pen.line([*corners, corners[0]], fill=(red, green, blue, 255), width=part.stroke * 2)
        else:
            pen.polygon(corners, fill=(red, green, blue, 255))
    return np.asarray(sheet.reduce(2), np.float32) / np.float32(255)


def draw(formula: int, palette: Array, rng: Rng, size: int) -> Layer:
    """Draw figure `formula` in [0, FORMULAS), rotated, scaled, distorted and softly lit."""
    sheet = _sheet(formula, palette, rng, size)
    light = 1 + rng.uniform(0, 0.4) * noise(rng, 1, size)
    return Layer(sheet[..., :3] * light[..., None], sheet[..., 3])
