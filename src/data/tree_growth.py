"""A tree's skeleton in three dimensions: branches on branches, each order grown from the one before.

The scheme is that of Honda 1971 (branching angles and length ratios) with the envelopes, whorls and bends of
Weber and Penn 1995; all branches of one order grow at once, as arrays. The axes are x to the right, y up and
z towards the viewer.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from src.data.tree_species import Order, Species, Stem

Array = NDArray[np.float64]

GOLDEN_ANGLE = np.pi * (3.0 - np.sqrt(5.0))  # from branch to branch, Prusinkiewicz & Lindenmayer 1990
TINY = 1e-9  # keeps a length of 0 from dividing
UP = np.array([0.0, 1.0, 0.0])
SEGMENTS = (8, 6, 4, 3)  # pieces of a branch, by order
SLENDERNESS = 0.030  # radius of a branch's foot over its length, at most
FLARE = 0.35  # extra radius where the stem meets the ground

# Length of a branch by where it stands: 1 at the foot of the crown .. 0 at its top (Weber & Penn 1995, 4.3).
ENVELOPES: dict[str, Callable[[Array], Array]] = {
    "conical": lambda r: 0.12 + 0.88 * r,
    "tapered": lambda r: 0.5 + 0.5 * r,
    "spherical": lambda r: 0.25 + 0.75 * np.sin(np.pi * (0.1 + 0.8 * r)),
    "egg": lambda r: 0.2 + 0.8 * np.sin(np.pi * (0.05 + 0.95 * r) ** 0.8 * 0.8),
    "flame": lambda r: np.where(r < 0.7, 0.15 + 0.85 * r / 0.7, 1.0 - 1.5 * (r - 0.7)),
}


@dataclass(frozen=True)
class Branches:
    """All branches of one order: n of them in k pieces."""

    points: Array  # [n, k + 1, 3], in stem units
    radius: Array  # [n, k + 1]
    length: Array  # [n]

    def along(self, t: Array) -> tuple[Array, Array, Array]:
        """Points [n, m, 3], unit tangents [n, m, 3] and radii [n, m] at fractions t [n, m] of each branch."""
        last = self.points.shape[1] - 2
        piece = np.minimum((t * (last + 1)).astype(np.int64), last)
        part = t * (last + 1) - piece
        row = np.arange(len(t))[:, None]
        foot, head = self.points[row, piece], self.points[row, piece + 1]
        radius = self.radius[row, piece] * (1 - part) + self.radius[row, piece + 1] * part
        return foot + (head - foot) * part[..., None], unit(head - foot), radius


def unit(vectors: Array) -> Array:
    """The vectors [..., 3] scaled to length 1."""
    norm: Array = np.sqrt(np.einsum("...i,...i->...", vectors, vectors))
    return vectors / np.maximum(norm, TINY)[..., None]


def grow(species: Species, rng: np.random.Generator, variation: float) -> list[Branches]:
    """Grow a tree: the stems, then each order of branches.

    `variation` 0..1 scales how far this tree strays from its species' angles, lengths and bends.
    """
    grown = [_stems(species.stem, rng, variation)]
    for depth, order in enumerate(species.orders, start=1):
        grown.append(_branches(grown[-1], order, SEGMENTS[depth], rng, variation))
    return grown


def _stems(stem: Stem, rng: np.random.Generator, variation: float) -> Branches:
    """Stems that stand on the ground, spread evenly round the middle."""
    n = stem.count
    around = 2 * np.pi * (np.arange(n) + rng.random() + 0.3 * rng.random(n)) / n
    lean = np.radians(stem.lean) * (0.6 + 0.8 * rng.random(n)) * (1 + variation)
    outward = np.stack([np.cos(around), np.zeros(n), np.sin(around)], axis=-1)
    heading = np.cos(lean)[:, None] * UP + np.sin(lean)[:, None] * outward
    length = stem.length * (0.85 + 0.3 * rng.random(n)) if n > 1 else np.full(n, stem.length)
    foot = outward * stem.radius * (n > 1) * 1.5
    pull = np.broadcast_to(stem.bow * outward[:, None], (n, SEGMENTS[0], 3))
    points = _march(foot, heading, length, pull, stem.wiggle * (1 + variation), rng)
    t = np.linspace(0, 1, SEGMENTS[0] + 1)
    girth = stem.radius * np.exp(0.2 * variation * rng.normal())
    radius = girth * (1 - stem.taper * t + FLARE * np.maximum(1 - 5 * t, 0))
    return Branches(points, np.tile(radius, (n, 1)), length)


def _branches(parent: Branches, order: Order, pieces: int, rng: np.random.Generator, variation: float) -> Branches:
    """The children of every parent, each on its place."""
    place, t = _places(order, len(parent.length), rng)
    foot, tangent, thickness = parent.along(t)
    heading = _headings(order, place, tangent, rng, variation)
    stray = (0.08 + 0.14 * variation) * rng.normal(size=t.shape) + 0.2 * variation * rng.normal()
    length = parent.length[:, None] * order.ratio * ENVELOPES[order.envelope](1 - place) * np.exp(stray)
    thick = np.minimum(0.7 * thickness, SLENDERNESS * length)
    foot, heading, length, thick = foot.reshape(-1, 3), heading.reshape(-1, 3), length.ravel(), thick.ravel()
    bend = np.linspace(order.bend, order.tip, pieces) + 0.35 * variation * rng.normal()
    points = _march(foot, heading, length, bend[:, None] * UP, order.wiggle, rng)
    return Branches(points, thick[:, None] * np.linspace(1, 0.3, pieces + 1), length)


def _places(order: Order, parents: int, rng: np.random.Generator) -> tuple[Array, Array]:
    """Where children stand: within the branching part (0..1) and on the parent (start..1), each [n, m]."""
    place = (np.arange(order.count) + rng.random((parents, order.count))) / order.count
    if order.tiers:
        place = (np.floor(place * order.tiers) + 0.12 * rng.random(place.shape)) / order.tiers
    return place, order.start + (1 - order.start) * place


def _headings(order: Order, place: Array, tangent: Array, rng: np.random.Generator, variation: float) -> Array:
    """First directions [n, m, 3] of the children."""
    n, m = place.shape
    angle = order.angle - order.rise * place + (5 + 5 * variation) * rng.normal(size=(n, m))
    angle = np.radians(angle + 8 * variation * rng.normal())
    around = GOLDEN_ANGLE * np.arange(m) + 2 * np.pi * rng.random((n, 1)) + 0.3 * rng.normal(size=(n, m))
    side = unit(np.cross(tangent, np.array([0.31, 0.13, 0.94])))
    other = np.cross(tangent, side)
    aside = np.cos(around)[..., None] * side + np.sin(around)[..., None] * other
    heading = np.cos(angle)[..., None] * tangent + np.sin(angle)[..., None] * aside
    return unit(heading * np.array([1.0, 1.0 - order.flat, 1.0]))


def _march(foot: Array, heading: Array, length: Array, pull: Array, wiggle: float, rng: np.random.Generator) -> Array:
    """Points [n, k + 1, 3] of branches that set out along `heading`, pulled and shaken at each piece."""
    pieces = pull.shape[-2]
    turns = pull / pieces + wiggle * rng.normal(size=(len(foot), pieces, 3))
    steps = unit(heading[:, None] + np.cumsum(turns, axis=1)) * (length / pieces)[:, None, None]
    return np.concatenate([foot[:, None], foot[:, None] + np.cumsum(steps, axis=1)], axis=1)
