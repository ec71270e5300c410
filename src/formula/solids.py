"""Lit solids: single, in groups and in heaps, with a textured surface, shading, highlights and occlusion.

A class is a body (round, pillow-like, rippled, or a box) with a texture, a gloss and a number of copies; an instance
has its own light, places and sizes. Bodies follow superellipsoids (Barr 1981), light follows Blinn 1977.
"""

from dataclasses import dataclass
from functools import cache

import numpy as np
import numpy.typing as npt

from src.formula import textures
from src.formula.canvas import Array, Layer, Rng, grid, paint

FORMULAS = 24

Index = npt.NDArray[np.int32]


@dataclass(frozen=True)
class Body:
    """What the copies of a solid share; lengths in units of the body's own radius."""

    box: bool
    roundness: float
    length: float
    ripples: int
    ripple: float
    texture: int
    contrast: float
    gloss: float
    copies: int


@cache
def body(formula: int) -> Body:
    """The body of a class."""
    rng = np.random.default_rng([53, formula])
    return Body(
        box=formula % 4 == 3,
        roundness=float(rng.choice([2.0, 2.0, 2.5, 4.0])),
        length=float(rng.choice([1.0, 1.0, 1.4, 2.2])),
        ripples=int(rng.integers(2, 8)),
        ripple=float(rng.choice([0.0, 0.0, 0.08, 0.2])),
        texture=int(rng.integers(textures.FORMULAS)),
        contrast=float(rng.choice([0.15, 0.4, 1.0])),
        gloss=float(rng.choice([0.0, 0.25, 0.7])),
        copies=int(rng.choice([1, 1, 2, 4, 7])),
    )


def _light(rng: Rng) -> Array:
    """A unit vector towards the light: from above more than from the side, never from behind."""
    direction = np.array([rng.normal(0, 0.7), rng.normal(-0.5, 0.5), rng.uniform(0.5, 1.2)])
    return np.asarray(direction / np.linalg.norm(direction), np.float32)


def _shade(normal: tuple[Array, Array, Array], light: Array, gloss: float) -> tuple[Array, Array]:
    """How much of the surface's colour shows, and the white highlight upon it."""
    half = light + np.array([0, 0, 1], np.float32)
    half /= np.linalg.norm(half)
    facing = sum(n * a for n, a in zip(normal, light, strict=True))
    mirrored = sum(n * a for n, a in zip(normal, half, strict=True))
    return np.float32(0.3) + np.maximum(facing, 0), gloss * np.maximum(mirrored, 0) ** 24


def _round(shape: Body, palette: Array, light: Array, rng: Rng, size: int) -> Layer:
    """A superellipsoid seen from the front, filling (size, size)."""
    across, down = grid(size)
    angle = rng.uniform(-np.pi, np.pi)
    u = np.float32(np.cos(angle)) * across + np.float32(np.sin(angle)) * down
    v = np.float32(np.cos(angle)) * down - np.float32(np.sin(angle)) * across
    u, v = u * 1.05, v * np.float32(shape.length * 1.05)
    rim = 1 + np.float32(shape.ripple) * np.cos(shape.ripples * np.arctan2(v, u)) - shape.ripple
    distance = (np.abs(u) ** shape.roundness + np.abs(v) ** shape.roundness) ** (1 / shape.roundness) / rim
    height = np.sqrt(np.maximum(1 - distance**2, 0.001))
    bulge = np.float32(0.98) * np.minimum(distance, 1) / np.maximum(np.hypot(across, down), 1e-3)
    shade, highlight = _shade((across * bulge, down * bulge, height), light, shape.gloss)
    tone = textures.field(shape.texture, rng, u * (1.3 - 0.5 * height), v * (1.3 - 0.5 * height))
    colour = paint(0.5 + shape.contrast * (tone - 0.5), palette) * shade[..., None] + highlight[..., None]
    return Layer(colour.clip(0, 1), ((1 - distance) * size / 3).clip(0, 1))


def _box(shape: Body, palette: Array, light: Array, rng: Rng, size: int) -> Layer:
    """A box in parallel projection, filling (size, size): two sides and the top, each printed with the texture."""
    turn, tilt = rng.uniform(0.2, 1.37), rng.uniform(0.15, 0.8)
    right = np.array([np.cos(turn), np.sin(turn) * np.sin(tilt)])
    left = np.array([-np.sin(turn), np.cos(turn) * np.sin(tilt)])
    up = np.array([0, -np.cos(tilt) * shape.length])
    reach = np.abs([right, left, up]).sum(axis=0).max() / 2 * 1.05
    near = (right + left - up) / 2
    faces = ((near - right, right, up), (near - left, left, up), (near + up - right - left, right, left))
    tone = 0.5 + shape.contrast * (textures.field(shape.texture, rng, *grid(size)) - 0.5)
    colour, alpha = np.zeros((size, size, 3), np.float32), np.zeros((size, size), np.float32)
    for lit, face in zip(0.35 + 0.75 * np.abs(light), faces, strict=True):
        inside, rows, columns = _unfolded(np.stack(face) / reach, size)
        colour[inside] = (paint(tone[rows, columns], palette) * lit).clip(0, 1)
        alpha[inside] = 1
    return Layer(colour, alpha)


def _unfolded(face: npt.NDArray[np.float64], size: int) -> tuple[npt.NDArray[np.bool_], Index, Index]:
    """Which pixels a parallelogram (origin and two edges, (3, 2)) covers, and the texel that each of them shows."""
    across, down = grid(size)
    inverse = np.linalg.inv(face[1:].T).astype(np.float32)
    x, y = across - np.float32(face[0, 0]), down - np.float32(face[0, 1])
    a, b = inverse[0, 0] * x + inverse[0, 1] * y, inverse[1, 0] * x + inverse[1, 1] * y
    inside = (a >= 0) & (a < 1) & (b >= 0) & (b < 1)
    return inside, (b[inside] * size).astype(np.int32), (a[inside] * size).astype(np.int32)


def draw(formula: int, palette: Array, rng: Rng, size: int) -> Layer:
    """Solids `formula` in [0, FORMULAS): copies from back to front under one light, each with a dark rim below."""
    shape, light = body(formula), _light(rng)
    make = _box if shape.box else _round
    copies = max(1, shape.copies + int(rng.integers(-1, 2))) if shape.copies > 1 else 1
    colour, alpha = np.zeros((size, size, 3), np.float32), np.zeros((size, size), np.float32)
    for _ in range(copies):
        side = int(size * rng.uniform(0.75, 1.0) * (0.85 if copies == 1 else 1.15 / copies**0.4))
        side = min(side, size)
        top, start = rng.integers(0, size - side + 1, 2)
        window = slice(top, top + side), slice(start, start + side)
        one = make(shape, palette, light, rng, side)
        colour[window] += one.alpha[..., None] * (one.colour - colour[window])
        alpha[window] = np.maximum(alpha[window], one.alpha)
    return Layer(colour, alpha)
