"""The 23 species of species.toml: branching, leaf and bark.

A species is a stem, one to three orders of branches, a leaf and a bark: the parameters of Weber and Penn, *Creation
and Rendering of Realistic Trees*, SIGGRAPH 1995, reduced to those that are visible at 96 px. Several species share
each group of colours, so that colour says little about the species.
"""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Stem:
    """One trunk or several; lengths are relative, as the view is scaled to the whole tree."""

    length: float
    radius: float
    taper: float = 0.7  # share of the radius lost from foot to tip
    wiggle: float = 0.05
    count: int = 1
    lean: float = 2.0  # degrees from the vertical
    bow: float = 0.0  # sideways bend of the whole stem, radians


@dataclass(frozen=True)
class Order:
    """One order of branches on their parents."""

    count: int  # per parent
    angle: float  # degrees between parent and child, at the lowest child
    ratio: float  # length relative to the parent's
    start: float = 0.2  # position of the first child on the parent, 0 foot .. 1 tip
    rise: float = 0.0  # decrease of the angle from the lowest child to the highest, degrees
    bend: float = 0.0  # turn near the foot of the branch: > 0 upwards, < 0 downwards
    tip: float = 0.0  # turn near its tip
    wiggle: float = 0.12
    flat: float = 0.0  # 0 all round the parent .. 1 in a horizontal plane
    tiers: int = 0  # number of whorls; 0: none
    envelope: str = "tapered"  # key of growth.ENVELOPES


@dataclass(frozen=True)
class Leaf:
    """The leaves on branches of the last order; one leaf may represent a tuft of small ones."""

    outline: str  # key of OUTLINES
    size: float
    count: int  # per twig
    start: float = 0.15  # position of the first leaf on the twig
    spread: float = 0.8  # scatter of directions around the twig's, 0 none
    hang: float = 0.0  # downward pull


@dataclass(frozen=True)
class Bark:
    """The appearance of the trunk."""

    tone: str  # key of BARK_TONES
    pattern: str  # key of BARK_PATTERNS


@dataclass(frozen=True)
class Species:
    """One class of the data set."""

    name: str
    stem: Stem
    orders: tuple[Order, ...]
    leaf: Leaf
    bark: Bark
    foliage: str = "deciduous"  # key of FOLIAGE


Rgb = tuple[int, int, int]

SEASONS = ("spring", "summer", "autumn", "winter")

_GREENS: tuple[Rgb, ...] = ((72, 108, 44), (96, 128, 54), (62, 98, 58), (112, 136, 62), (84, 116, 76))
_FRESH: tuple[Rgb, ...] = ((142, 170, 66), (166, 184, 92), (120, 158, 72), (100, 138, 60))
_GOLD: tuple[Rgb, ...] = ((206, 156, 44), (192, 104, 36), (164, 62, 38), (142, 104, 52), (126, 130, 54))
_DARK: tuple[Rgb, ...] = ((52, 84, 50), (70, 102, 58), (84, 108, 68), (60, 92, 74), (104, 124, 58))

# Leaf colours by season; without colours the tree is bare.
FOLIAGE: dict[str, dict[str, tuple[Rgb, ...]]] = {
    "deciduous": {"spring": _FRESH, "summer": _GREENS, "autumn": _GOLD, "winter": ()},
    "blossoming": {"spring": _FRESH, "summer": _GREENS, "autumn": _GOLD, "winter": ()},
    "evergreen": {"spring": _DARK + _FRESH, "summer": _DARK, "autumn": _DARK, "winter": _DARK},
}
BLOSSOM: tuple[Rgb, ...] = ((240, 206, 214), (244, 236, 226), (226, 164, 184), (238, 226, 178))

BARK_TONES: dict[str, tuple[Rgb, ...]] = {
    "brown": ((92, 72, 54), (110, 88, 66), (76, 62, 50)),
    "grey": ((120, 114, 104), (100, 96, 92), (138, 130, 116)),
    "pale": ((206, 202, 192), (184, 180, 164), (218, 208, 190)),
}


@dataclass(frozen=True)
class Marks:
    """Strokes on a trunk: number, and length along and across it in trunk widths."""

    count: int
    along: float
    across: float
    contrast: float  # factor on the bark's colour


BARK_PATTERNS: dict[str, Marks] = {
    "smooth": Marks(0, 0.0, 0.0, 1.0),
    "furrows": Marks(26, 1.6, 0.10, 0.62),
    "bands": Marks(20, 0.05, 0.75, 0.22),
    "eyes": Marks(14, 0.30, 0.35, 0.30),
    "plates": Marks(30, 0.45, 0.30, 1.35),
    "rings": Marks(30, 0.10, 1.00, 0.66),
}

# Upper halves of leaves of length 1 along the x axis; the lower half is the mirror image.
OUTLINES: dict[str, tuple[tuple[float, float], ...]] = {
    "ovate": ((0, 0), (0.25, 0.30), (0.6, 0.27), (1, 0)),
    "round": ((0, 0.12), (0.2, 0.42), (0.7, 0.46), (1, 0.14)),
    "heart": ((0.12, 0), (0, 0.34), (0.32, 0.48), (1, 0)),
    "lanceolate": ((0, 0), (0.35, 0.10), (1, 0)),
    "lobed": ((0, 0), (0.28, 0.30), (0.38, 0.14), (0.62, 0.38), (0.72, 0.16), (0.92, 0.22), (1, 0)),
    "palmate": ((0, 0), (-0.05, 0.40), (0.25, 0.22), (0.45, 0.58), (0.52, 0.20), (1, 0)),
    "fingered": ((0, 0), (0.12, 0.50), (0.24, 0.16), (0.66, 0.60), (0.50, 0.16), (1, 0.08)),
    "pinnate": ((0, 0), (0.2, 0.30), (0.28, 0.04), (0.5, 0.36), (0.58, 0.04), (0.8, 0.26), (1, 0)),
    "needles": ((0, 0.02), (0.35, 0.55), (0.25, 0.14), (0.8, 0.42), (0.4, 0.06), (1, 0)),
    "spray": ((0, 0.06), (0.5, 0.22), (0.45, 0.10), (0.8, 0.18), (1, 0)),
    "blade": ((0, 0.03), (0.4, 0.07), (1, 0)),
}


def _species(name: str, facts: Mapping[str, Any]) -> Species:
    """Return a species of species.toml."""
    orders = tuple(Order(**order) for order in facts["orders"])
    parts = Stem(**facts["stem"]), orders, Leaf(**facts["leaf"]), Bark(**facts["bark"])
    return Species(name, *parts, facts.get("foliage", "deciduous"))


SPECIES: tuple[Species, ...] = tuple(
    _species(*item) for item in tomllib.loads(Path(__file__).with_suffix(".toml").read_text("utf-8")).items()
)
