"""The 23 species as data: branching, leaf and bark.

A species is a stem, one to three orders of branches, a leaf and a bark: the parameters of Weber and Penn, *Creation
and Rendering of Realistic Trees*, SIGGRAPH 1995, reduced to those that are visible at 96 px. Several species share
each group of colours, so that colour says little about the species.
"""

from dataclasses import dataclass


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


SPECIES: tuple[Species, ...] = (
    Species(
        "english-oak",
        Stem(0.42, 0.050, wiggle=0.10),
        (
            Order(9, 78, 1.25, start=0.45, rise=44, bend=0.2, tip=0.3, wiggle=0.34),
            Order(7, 58, 0.45, start=0.28, wiggle=0.34),
            Order(4, 50, 0.40, wiggle=0.30),
        ),
        Leaf("lobed", 0.064, 4),
        Bark("brown", "furrows"),
    ),
    Species(
        "european-beech",
        Stem(0.85, 0.036),
        (
            Order(30, 82, 0.58, start=0.06, rise=52, tip=-0.3, envelope="spherical"),
            Order(8, 52, 0.36, flat=0.7),
        ),
        Leaf("ovate", 0.046, 4),
        Bark("grey", "smooth"),
    ),
    Species(
        "sugar-maple",
        Stem(0.85, 0.028),
        (
            Order(24, 50, 0.50, start=0.26, rise=24, bend=0.6, tip=0.4, envelope="spherical"),
            Order(8, 42, 0.40),
        ),
        Leaf("palmate", 0.064, 5),
        Bark("grey", "furrows"),
    ),
    Species(
        "small-leaved-lime",
        Stem(1.0, 0.030),
        (
            Order(28, 80, 0.38, start=0.12, rise=46, bend=-0.6, tip=0.4, envelope="egg"),
            Order(8, 48, 0.40, bend=-0.5),
        ),
        Leaf("heart", 0.044, 4, hang=0.6),
        Bark("brown", "furrows"),
    ),
    Species(
        "horse-chestnut",
        Stem(0.80, 0.036),
        (
            Order(22, 84, 0.56, start=0.14, rise=54, bend=-0.9, tip=1.4, envelope="spherical"),
            Order(6, 45, 0.36, tip=1.4),
        ),
        Leaf("fingered", 0.095, 5, start=0.4, hang=0.4),
        Bark("brown", "plates"),
        "blossoming",
    ),
    Species(
        "european-ash",
        Stem(0.66, 0.028),
        (
            Order(11, 52, 0.85, start=0.32, rise=26, bend=-0.2, tip=0.9),
            Order(7, 48, 0.38, start=0.30, bend=-0.6, tip=1.6),
        ),
        Leaf("pinnate", 0.085, 7, start=0.45, spread=1.0),
        Bark("grey", "furrows"),
    ),
    Species(
        "american-elm",
        Stem(0.38, 0.034, taper=0.3),
        (
            Order(8, 26, 2.0, start=0.85, rise=12, bend=0.4, tip=-2.0, wiggle=0.08),
            Order(9, 42, 0.30, start=0.45, bend=-0.6, tip=-1.2),
            Order(4, 42, 0.45, bend=-1.0),
        ),
        Leaf("ovate", 0.044, 3),
        Bark("grey", "furrows"),
    ),
    Species(
        "silver-birch",
        Stem(1.0, 0.020, wiggle=0.06),
        (
            Order(24, 50, 0.34, start=0.22, rise=18, bend=0.2, tip=-0.8, envelope="egg"),
            Order(6, 45, 0.65, start=0.3, bend=-2.5, tip=-2.5),
        ),
        Leaf("ovate", 0.024, 7, hang=1.0),
        Bark("pale", "bands"),
    ),
    Species(
        "aspen",
        Stem(1.0, 0.020, wiggle=0.05),
        (
            Order(24, 66, 0.25, start=0.36, rise=24, bend=0.2, tip=0.3, envelope="spherical"),
            Order(7, 50, 0.50),
        ),
        Leaf("round", 0.030, 5, spread=1.4),
        Bark("pale", "eyes"),
    ),
    Species(
        "weeping-willow",
        Stem(0.50, 0.044, wiggle=0.08),
        (
            Order(13, 62, 0.95, start=0.50, rise=36, bend=0.6, tip=-1.2, wiggle=0.18),
            Order(11, 50, 0.80, start=0.20, bend=-3.5, tip=-4.0, wiggle=0.08),
        ),
        Leaf("lanceolate", 0.062, 7, spread=0.35, hang=1.2),
        Bark("brown", "furrows"),
    ),
    Species(
        "lombardy-poplar",
        Stem(1.0, 0.022),
        (
            Order(40, 28, 0.26, start=0.06, rise=8, bend=1.0, tip=0.8, envelope="flame"),
            Order(5, 28, 0.50, bend=0.6),
        ),
        Leaf("heart", 0.034, 5),
        Bark("grey", "furrows"),
    ),
    Species(
        "norway-spruce",
        Stem(1.0, 0.020, taper=0.95, wiggle=0.01),
        (
            Order(84, 106, 0.36, start=0.03, rise=52, bend=-0.3, tip=0.7, envelope="conical", tiers=18),
            Order(5, 45, 0.30, bend=-1.8, tip=-1.0),
        ),
        Leaf("needles", 0.046, 3, spread=0.3, hang=0.6),
        Bark("brown", "plates"),
        "evergreen",
    ),
    Species(
        "european-larch",
        Stem(1.0, 0.020, taper=0.95, wiggle=0.02),
        (
            Order(40, 90, 0.26, start=0.10, rise=26, bend=-0.8, tip=1.6, wiggle=0.12, envelope="conical"),
            Order(5, 65, 0.40, bend=-2.2, tip=-1.0),
        ),
        Leaf("round", 0.015, 5, spread=1.5),
        Bark("brown", "furrows"),
    ),
    Species(
        "scots-pine",
        Stem(0.95, 0.024, wiggle=0.10),
        (
            Order(13, 88, 0.36, start=0.48, rise=46, tip=0.5, wiggle=0.32, envelope="spherical"),
            Order(7, 48, 0.38, start=0.4, tip=0.8, wiggle=0.25),
        ),
        Leaf("needles", 0.046, 10, start=0.6, spread=1.2),
        Bark("brown", "plates"),
        "evergreen",
    ),
    Species(
        "stone-pine",
        Stem(0.66, 0.028, taper=0.35, wiggle=0.05),
        (
            Order(18, 66, 0.80, start=0.84, rise=40, bend=0.8, tip=-1.8, wiggle=0.10),
            Order(8, 50, 0.20, start=0.35, bend=1.6, tip=1.2, flat=0.3),
        ),
        Leaf("needles", 0.042, 7, start=0.4, spread=1.2),
        Bark("brown", "plates"),
        "evergreen",
    ),
    Species(
        "cedar-of-lebanon",
        Stem(0.92, 0.036, taper=0.85, wiggle=0.03),
        (
            Order(30, 90, 0.62, start=0.14, rise=16, tip=0.1, wiggle=0.07, tiers=6),
            Order(9, 58, 0.28, start=0.25, flat=0.95, wiggle=0.1),
        ),
        Leaf("needles", 0.036, 4, spread=0.7),
        Bark("grey", "furrows"),
        "evergreen",
    ),
    Species(
        "italian-cypress",
        Stem(1.0, 0.018, taper=0.9, wiggle=0.01),
        (
            Order(56, 18, 0.19, start=0.02, rise=8, bend=0.8, tip=0.5, envelope="flame"),
            Order(4, 20, 0.60, start=0.1, bend=0.5),
        ),
        Leaf("spray", 0.044, 4, spread=0.25),
        Bark("grey", "smooth"),
        "evergreen",
    ),
    Species(
        "hazel",
        Stem(0.80, 0.015, wiggle=0.08, count=8, lean=24, bow=0.3),
        (
            Order(8, 36, 0.36, start=0.28, bend=0.3),
            Order(3, 45, 0.50),
        ),
        Leaf("round", 0.052, 5),
        Bark("brown", "smooth"),
    ),
    Species(
        "apple",
        Stem(0.30, 0.032, taper=0.4, wiggle=0.12),
        (
            Order(7, 74, 1.35, start=0.55, rise=40, bend=0.4, tip=-0.3, wiggle=0.38),
            Order(8, 60, 0.38, start=0.22, tip=0.4, wiggle=0.38),
            Order(4, 60, 0.32, wiggle=0.3),
        ),
        Leaf("ovate", 0.038, 5, start=0.3),
        Bark("grey", "plates"),
        "blossoming",
    ),
    Species(
        "wild-cherry",
        Stem(0.66, 0.026),
        (
            Order(14, 50, 0.80, start=0.26, rise=20, bend=0.2, tip=0.0, wiggle=0.07, tiers=4),
            Order(14, 70, 0.13, start=0.10, tip=0.3),
        ),
        Leaf("ovate", 0.040, 5, spread=1.2, hang=0.5),
        Bark("brown", "rings"),
        "blossoming",
    ),
    Species(
        "baobab",
        Stem(0.72, 0.125, taper=0.40, wiggle=0.02),
        (
            Order(12, 88, 0.44, start=0.88, rise=62, bend=0.3, tip=0.5, wiggle=0.34),
            Order(6, 58, 0.46, start=0.30, wiggle=0.34),
            Order(3, 52, 0.45, wiggle=0.3),
        ),
        Leaf("fingered", 0.040, 3, start=0.6),
        Bark("grey", "smooth"),
    ),
    Species(
        "umbrella-thorn",
        Stem(0.50, 0.020, taper=0.4, wiggle=0.10, count=3, lean=18),
        (
            Order(7, 62, 1.0, start=0.66, rise=26, bend=1.0, tip=-2.4, wiggle=0.10),
            Order(10, 58, 0.30, start=0.45, flat=0.97, wiggle=0.08),
        ),
        Leaf("pinnate", 0.030, 5, spread=0.8),
        Bark("brown", "furrows"),
        "evergreen",
    ),
    Species(
        "coconut-palm",
        Stem(1.0, 0.020, taper=0.35, wiggle=0.01, lean=6, bow=0.5),
        (Order(20, 94, 0.42, start=0.97, rise=74, bend=-0.3, tip=-2.6, wiggle=0.05),),
        Leaf("blade", 0.100, 36, start=0.08, spread=0.7, hang=0.7),
        Bark("grey", "rings"),
        "evergreen",
    ),
)
