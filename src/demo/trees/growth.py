"""A tree's skeleton in three dimensions: each order of branches grows on the previous one.

The scheme is that of Honda 1971 (branching angles and length ratios) with the envelopes, whorls and bends of
Weber and Penn 1995. All branches of one order are computed at once, as arrays. The axes are x to the right, y up and
z towards the viewer.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from src.demo.trees.canvas import Array
from src.demo.trees.species import Order, Species, Stem

GOLDEN_ANGLE = np.pi * (3.0 - np.sqrt(5.0))  # between successive branches, Prusinkiewicz & Lindenmayer 1990
TINY = 1e-9  # avoids division by a length of 0
UP = np.array([0.0, 1.0, 0.0])
SEGMENTS = (8, 6, 4, 3)  # per branch, by order
SLENDERNESS = 0.030  # largest ratio of a branch's radius at its foot to its length
FLARE = 0.35  # extra radius where the stem meets the ground

# Relative length of a branch at position r: 1 at the foot of the crown .. 0 at its top (Weber & Penn 1995, 4.3).
ENVELOPES: dict[str, Callable[[Array], Array]] = {
    "conical": lambda r: 0.12 + 0.88 * r,
    "tapered": lambda r: 0.5 + 0.5 * r,
    "spherical": lambda r: 0.25 + 0.75 * np.sin(np.pi * (0.1 + 0.8 * r)),
    "egg": lambda r: 0.2 + 0.8 * np.sin(np.pi * (0.05 + 0.95 * r) ** 0.8 * 0.8),
    "flame": lambda r: np.where(r < 0.7, 0.15 + 0.85 * r / 0.7, 1.0 - 1.5 * (r - 0.7)),
}


@dataclass(frozen=True)
class Branches:
    """All branches of one order: n branches of k segments."""

    points: Array  # [n, k + 1, 3], in stem units
    radius: Array  # [n, k + 1]
    length: Array  # [n]

    def along(self, t: Array) -> tuple[Array, Array, Array]:
        """Return points [n, m, 3], unit tangents [n, m, 3] and radii [n, m] at fractions t [n, m] of each branch."""
        last = self.points.shape[1] - 2
        segment = np.minimum((t * (last + 1)).astype(np.int64), last)
        fraction = t * (last + 1) - segment
        row = np.arange(len(t))[:, None]
        foot, head = self.points[row, segment], self.points[row, segment + 1]
        radius = self.radius[row, segment] * (1 - fraction) + self.radius[row, segment + 1] * fraction
        return foot + (head - foot) * fraction[..., None], unit(head - foot), radius


def unit(vectors: Array) -> Array:
    """Scale vectors [..., 3] to length 1."""
    norm: Array = np.sqrt(np.einsum("...i,...i->...", vectors, vectors))
    return vectors / np.maximum(norm, TINY)[..., None]


def grow(species: Species, rng: np.random.Generator, variation: float) -> list[Branches]:
    """Grow a tree and return its stems, then each order of branches.

    `variation` 0..1 scales the deviation from the species' angles, lengths and bends.
    """
    orders = [_stems(species.stem, rng, variation)]
    for depth, order in enumerate(species.orders, start=1):
        orders.append(_branches(orders[-1], order, SEGMENTS[depth], rng, variation))
    return orders


def _stems(stem: Stem, rng: np.random.Generator, variation: float) -> Branches:
    """Return stems that stand on the ground, spread evenly round the centre."""
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


def _branches(parent: Branches, order: Order, segments: int, rng: np.random.Generator, variation: float) -> Branches:
    """Return the children of all parents."""
    position, t = _positions(order, len(parent.length), rng)
    foot, tangent, thickness = parent.along(t)
    heading = _headings(order, position, tangent, rng, variation)
    deviation = (0.08 + 0.14 * variation) * rng.normal(size=t.shape) + 0.2 * variation * rng.normal()
    length = parent.length[:, None] * order.ratio * ENVELOPES[order.envelope](1 - position) * np.exp(deviation)
    radius = np.minimum(0.7 * thickness, SLENDERNESS * length)
    foot, heading, length, radius = foot.reshape(-1, 3), heading.reshape(-1, 3), length.ravel(), radius.ravel()
    bend = np.linspace(order.bend, order.tip, segments) + 0.35 * variation * rng.normal()
    points = _march(foot, heading, length, bend[:, None] * UP, order.wiggle, rng)
    return Branches(points, radius[:, None] * np.linspace(1, 0.3, segments + 1), length)


def _positions(order: Order, parents: int, rng: np.random.Generator) -> tuple[Array, Array]:
    """Return the children's positions in the branching part (0..1) and on the parent (start..1), each [n, m]."""
    position = (np.arange(order.count) + rng.random((parents, order.count))) / order.count
    if order.tiers:
        position = (np.floor(position * order.tiers) + 0.12 * rng.random(position.shape)) / order.tiers
    return position, order.start + (1 - order.start) * position


def _headings(order: Order, position: Array, tangent: Array, rng: np.random.Generator, variation: float) -> Array:
    """Return the initial directions [n, m, 3] of the children."""
    n, m = position.shape
    angle = order.angle - order.rise * position + (5 + 5 * variation) * rng.normal(size=(n, m))
    angle = np.radians(angle + 8 * variation * rng.normal())
    around = GOLDEN_ANGLE * np.arange(m) + 2 * np.pi * rng.random((n, 1)) + 0.3 * rng.normal(size=(n, m))
    side = unit(np.cross(tangent, np.array([0.31, 0.13, 0.94])))
    other = np.cross(tangent, side)
    aside = np.cos(around)[..., None] * side + np.sin(around)[..., None] * other
    heading = np.cos(angle)[..., None] * tangent + np.sin(angle)[..., None] * aside
    return unit(heading * np.array([1.0, 1.0 - order.flat, 1.0]))


def _march(foot: Array, heading: Array, length: Array, pull: Array, wiggle: float, rng: np.random.Generator) -> Array:
    """Return points [n, k + 1, 3] of branches that start along `heading`, bent by `pull` and at random."""
    segments = pull.shape[-2]
    turns = pull / segments + wiggle * rng.normal(size=(len(foot), segments, 3))
    steps = unit(heading[:, None] + np.cumsum(turns, axis=1)) * (length / segments)[:, None, None]
    return np.concatenate([foot[:, None], foot[:, None] + np.cumsum(steps, axis=1)], axis=1)
