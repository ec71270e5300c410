"""Solids in a light: one or several, with a textured surface, shading, highlights and occlusion.

A class is a body (round, pillow-like, rippled, or a box) with a texture, a gloss and a number of copies; an instance
varies light, positions and sizes. Bodies are superellipsoids (Barr 1981); the shading is that of Blinn 1977.
"""

from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray

from src.demo.formula import textures
from src.demo.formula.raster import Array, Layer, Rng, grid, paint

FORMULAS = 24

Indices = NDArray[np.int32]


@dataclass(frozen=True)
class Body:
    """The shape that the copies of a solid share; lengths in units of the body's radius."""

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
    """Return the body of a class."""
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
    """Return a unit vector towards the light: mostly from above, never from behind."""
    direction = np.array([rng.normal(0, 0.7), rng.normal(-0.5, 0.5), rng.uniform(0.5, 1.2)])
    return np.asarray(direction / np.linalg.norm(direction), np.float32)


def _shade(normal: tuple[Array, Array, Array], light: Array, gloss: float) -> tuple[Array, Array]:
    """Return the brightness of the surface's colour, and the white highlight on it."""
    half = light + np.array([0, 0, 1], np.float32)
    half /= np.linalg.norm(half)
    facing = sum(n * a for n, a in zip(normal, light, strict=True))
    mirrored = sum(n * a for n, a in zip(normal, half, strict=True))
    return np.float32(0.3) + np.maximum(facing, 0), gloss * np.maximum(mirrored, 0) ** 24


def _round(shape: Body, palette: Array, light: Array, rng: Rng, size: int) -> Layer:
    """Draw a superellipsoid from the front that fills (size, size)."""
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
    """Draw a box in parallel projection that fills (size, size): two textured sides and the top."""
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
        inside, rows, columns = _texels(np.stack(face) / reach, size)
        colour[inside] = (paint(tone[rows, columns], palette) * lit).clip(0, 1)
        alpha[inside] = 1
    return Layer(colour, alpha)


def _texels(face: NDArray[np.float64], size: int) -> tuple[NDArray[np.bool_], Indices, Indices]:
    """Return the mask of the pixels in a parallelogram (origin and two edges, (3, 2)), and their texels' indices."""
    across, down = grid(size)
    inverse = np.linalg.inv(face[1:].T).astype(np.float32)
    x, y = across - np.float32(face[0, 0]), down - np.float32(face[0, 1])
    a, b = inverse[0, 0] * x + inverse[0, 1] * y, inverse[1, 0] * x + inverse[1, 1] * y
    inside = (a >= 0) & (a < 1) & (b >= 0) & (b < 1)
    return inside, (b[inside] * size).astype(np.int32), (a[inside] * size).astype(np.int32)


def draw(formula: int, palette: Array, rng: Rng, size: int) -> Layer:
    """Draw solids `formula` in [0, FORMULAS): copies from back to front in one light."""
    shape, light = body(formula), _light(rng)
    make = _box if shape.box else _round
    copies = max(1, shape.copies + int(rng.integers(-1, 2))) if shape.copies > 1 else 1
    colour, alpha = np.zeros((size, size, 3), np.float32), np.zeros((size, size), np.float32)
    for _ in range(copies):
        extent = min(size, int(size * rng.uniform(0.75, 1.0) * (0.85 if copies == 1 else 1.15 / copies**0.4)))
        top, left = rng.integers(0, size - extent + 1, 2)
        window = slice(top, top + extent), slice(left, left + extent)
        solid = make(shape, palette, light, rng, extent)
        colour[window] += solid.alpha[..., None] * (solid.colour - colour[window])
        alpha[window] = np.maximum(alpha[window], solid.alpha)
    return Layer(colour, alpha)
