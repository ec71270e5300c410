"""Images of trees.

An image is a pure function of (seed, species, index, size, difficulty). Species differ in structure (branching, habit,
leaves, bark); season, light, ground and camera vary independently of the species.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from src.demo.trees.canvas import Array, Canvas, mix
from src.demo.trees.growth import TINY, Branches, grow, unit
from src.demo.trees.scenery import SNOW, Scene, backdrop, choose_scene, expose, furnish, occlude
from src.demo.trees.species import BARK_PATTERNS, BARK_TONES, BLOSSOM, FOLIAGE, OUTLINES, SPECIES, Marks, Species

MIN_SIZE, MAX_SIZE = 32, 512
TO_VIEWER = np.array([0.0, 0.0, 1.0])


def draw_tree(species: int, index: int, *, seed: int, size: int, difficulty: float) -> NDArray[np.uint8]:
    """Return an image of a tree, uint8 RGB [size, size, 3].

    Args:
        species: index into SPECIES, 0..22.
        index: number of the image of that species, >= 0.
        seed: number of the data set, >= 0.
        size: 32..512 px; the same scene at every size, except for the sensor noise.
        difficulty: 0..1; variation within a species, unusual light, distance, clutter, occlusion and noise.

    Raises:
        ValueError: species, size or difficulty is out of range.
    """
    _check(species, size, difficulty)
    root = np.random.Generator(np.random.PCG64(np.random.SeedSequence((seed, species, index))))
    setting, growth, paint, camera = root.spawn(4)
    scene = choose_scene(setting, difficulty)
    tree = grow(SPECIES[species], growth, 0.15 + 0.55 * difficulty)
    canvas = Canvas(backdrop(scene, setting, size))
    furnish(canvas, scene, setting, difficulty)
    view = _frame(tree, scene, setting, difficulty)
    _paint_tree(canvas, SPECIES[species], tree, view, scene, paint)
    occlude(canvas, scene, setting, difficulty)
    return expose(canvas.to_image(), camera, difficulty)


def _check(species: int, size: int, difficulty: float) -> None:
    if not 0 <= species < len(SPECIES):
        raise ValueError(f"species must be 0..{len(SPECIES) - 1}, not {species}")
    if not MIN_SIZE <= size <= MAX_SIZE:
        raise ValueError(f"size must be {MIN_SIZE}..{MAX_SIZE} pixels, not {size}")
    if not 0 <= difficulty <= 1:
        raise ValueError(f"difficulty must be 0..1, not {difficulty}")


@dataclass(frozen=True)
class View:
    """The position of the tree in the image: a parallel projection along z, rotated by a small roll."""

    foot: Array  # [2] image units
    scale: float  # image heights per stem unit
    roll: float  # radians

    def project(self, points: Array) -> Array:
        """Project points [..., 3] of the tree to [..., 2] of the image."""
        x, y = points[..., 0], -points[..., 1]
        cos, sin = np.cos(self.roll), np.sin(self.roll)
        return self.foot + self.scale * np.stack([x * cos - y * sin, x * sin + y * cos], axis=-1)


def _frame(tree: list[Branches], scene: Scene, rng: np.random.Generator, difficulty: float) -> View:
    """Choose a view where the tree fills most of the image; with difficulty, less or more than that."""
    points = np.concatenate([order.points.reshape(-1, 3) for order in tree])
    extent = max(points[:, 1].max(), 0.95 * np.ptp(points[:, 0]))
    fill = rng.uniform(0.84 - 0.30 * difficulty, 0.88 + 0.20 * difficulty)
    y = mix(scene.horizon, 0.97, fill) + 0.03 * rng.normal()
    x = 0.5 - points[:, 0].mean() * fill / extent + (0.03 + 0.14 * difficulty) * rng.uniform(-1, 1)
    foot = np.array([x, np.clip(y, scene.horizon + 0.02, 1.0)])
    return View(foot, scale=fill / extent, roll=(0.01 + 0.05 * difficulty) * rng.normal())


def _paint_tree(
    canvas: Canvas, species: Species, tree: list[Branches], view: View, scene: Scene, rng: np.random.Generator
) -> None:
    """Paint the shadow, then the leaves at the back, wood, bark and the leaves in front."""
    bark = np.array(BARK_TONES[species.bark.tone][rng.integers(3)]) * np.exp(0.08 * rng.normal(size=3))
    leaves = _leaves(species, tree, view, scene, rng)
    _paint_shadow(canvas, tree, view, scene)
    leaves.paint(canvas, behind=True)
    for order in reversed(tree):
        _paint_wood(canvas, order, bark, view, scene)
    _paint_bark(canvas, tree[0], BARK_PATTERNS[species.bark.pattern], bark, view, scene, rng)
    leaves.paint(canvas, behind=False)


def _paint_shadow(canvas: Canvas, tree: list[Branches], view: View, scene: Scene) -> None:
    """Paint spots on the ground: points of the skeleton, projected away from the sun and seen at a flat angle."""
    points = tree[-1].points[::7, -1]
    projected = points[:, [0, 2]] - 0.5 * points[:, 1:2] * scene.sun[[0, 2]]
    spots = view.foot + view.scale * projected * [1.0, 0.16]
    spots[:, 1] = np.maximum(spots[:, 1], scene.horizon + 0.015)
    radii = np.tile(view.scale * np.array([0.10, 0.022]), (len(spots), 1))
    canvas.shadows(spots, radii, 0.16)


def _paint_wood(canvas: Canvas, order: Branches, bark: Array, view: View, scene: Scene) -> None:
    """Paint twigs as lines and branches as tapered bands; thick ones get lighter bands towards the sun."""
    middle, half = view.project(order.points), order.radius * view.scale
    pixels = half.max(axis=1) * canvas.side
    twigs = pixels < 1
    shade = np.tile(scene.lit(bark, 0.2), (len(middle), 1))
    canvas.lines(middle[twigs], shade[twigs], 2 * half[twigs].mean(axis=1))
    for width, light, min_pixels in ((1.0, 0.15, 1.0), (0.7, 0.45, 1.5), (0.35, 0.75, 3.0)):
        thick = pixels >= min_pixels
        lit = middle[thick] + (1 - width) * half[thick, :, None] * [scene.sun[0], 0.0]
        canvas.polygons(_ribbons(lit, width * half[thick]), np.tile(scene.lit(bark, light), (thick.sum(), 1)))


def _ribbons(middle: Array, half: Array) -> Array:
    """Return outlines [n, 2v, 2] of bands along polylines [n, v, 2] with half widths [n, v]."""
    direction = np.gradient(middle, axis=1)
    normal = np.stack([-direction[..., 1], direction[..., 0]], axis=-1)
    offset = half[..., None] * normal / np.maximum(np.hypot(direction[..., 0], direction[..., 1]), TINY)[..., None]
    return np.concatenate([middle - offset, (middle + offset)[:, ::-1]], axis=1)


def _paint_bark(
    canvas: Canvas, stems: Branches, marks: Marks, bark: Array, view: View, scene: Scene, rng: np.random.Generator
) -> None:
    """Paint the marks of a species' bark at random positions on the stems."""
    n, m = len(stems.length), marks.count
    lowest = np.minimum(marks.along * stems.radius[:, :1] / stems.length[:, None], 0.5)
    t = rng.uniform(lowest, 0.95, (n, m))
    point, tangent, radius = stems.along(t)
    across = (1 - marks.across) * rng.uniform(-1, 1, (n, m)) * radius
    centre = view.project(point) + (view.scale * across)[..., None] * [1.0, 0.0]
    up = view.project(point + tangent) - view.project(point)
    along = up * (marks.along * radius)[..., None]
    side = np.stack([-up[..., 1], up[..., 0]], axis=-1) * (marks.across * radius)[..., None]
    top, foot = centre + along, centre - along
    corners = np.stack([foot - side, foot + side, top + side, top - side], axis=-2)
    colour = scene.lit(bark * marks.contrast * rng.uniform(0.8, 1.2, (n * m, 1)), 0.5)
    canvas.polygons(corners.reshape(-1, 4, 2), colour)


@dataclass(frozen=True)
class Leaves:
    """All leaves of a tree, farthest first."""

    corners: Array  # [n, v, 2] image units
    colours: Array  # [n, 3]
    depth: Array  # [n], < 0 behind the stem

    def paint(self, canvas: Canvas, *, behind: bool) -> None:
        """Paint the leaves behind the wood, or those in front of it."""
        selected = (self.depth < 0) == behind
        canvas.polygons(self.corners[selected], self.colours[selected])


def _leaves(species: Species, tree: list[Branches], view: View, scene: Scene, rng: np.random.Generator) -> Leaves:
    """Return the leaves on the twigs; none for a species that is bare in this season."""
    leaf, twigs = species.leaf, tree[-1]
    if not FOLIAGE[species.foliage][scene.season]:
        return Leaves(np.empty((0, 3, 2)), np.empty((0, 3)), np.empty(0))
    point, tangent, _ = twigs.along(rng.uniform(leaf.start, 1, (len(twigs.length), leaf.count)))
    point, tangent = point.reshape(-1, 3), tangent.reshape(-1, 3)
    order = np.argsort(point[:, 2], kind="stable")
    point, tangent = point[order], tangent[order]
    heading = unit(tangent + leaf.spread * rng.normal(size=point.shape) - [0, leaf.hang, 0])
    size = leaf.size * np.exp(0.2 * rng.normal(size=len(point))) * np.where(point[:, 2] < 0, 1.25, 1.0)
    corners = _outline(species, heading, rng) * (view.scale * size)[:, None, None]
    colours = _leaf_colours(species, scene, point, rng)
    return Leaves(view.project(point)[:, None] + corners, colours, point[:, 2])


def _outline(species: Species, heading: Array, rng: np.random.Generator) -> Array:
    """Return outlines [n, v, 2] of leaves of length 1 that point along headings [n, 3], foreshortened."""
    upper = np.array(OUTLINES[species.leaf.outline])
    along, across = np.concatenate([upper, upper[::-1] * [1, -1]]).T
    axis = heading[:, None, :2] * [1, -1]
    normal = unit(np.cross(heading, TO_VIEWER))[:, None, :2] * [1, -1]
    tilt = rng.uniform(0.5, 1, (len(heading), 1, 1))
    return np.asarray(along[:, None] * axis + across[:, None] * tilt * normal)


def _leaf_colours(species: Species, scene: Scene, point: Array, rng: np.random.Generator) -> Array:
    """Return colours [n, 3]: the season's, some blossom or snow; lighter towards the sun, darker at the back."""
    palette = np.array(FOLIAGE[species.foliage][scene.season])
    first, second = palette[rng.integers(len(palette), size=2)] * np.exp(0.08 * rng.normal(size=3))
    tint = mix(first, second, rng.random((len(point), 1)))
    if species.foliage == "blossoming" and scene.season == "spring":
        tint[rng.random(len(point)) < rng.uniform(0.2, 0.9)] = BLOSSOM[rng.integers(len(BLOSSOM))]
    if scene.ground is SNOW:
        tint[rng.random(len(point)) < rng.uniform(0, 0.4)] = SNOW.near
    outward = unit(point - point.mean(axis=0))
    sunlit = 0.45 + 0.55 * (outward @ scene.sun)[:, None] + 0.12 * rng.normal(size=(len(point), 1))
    return scene.lit(tint, sunlit) * np.where(point[:, 2] < 0, 0.72, 1.0)[:, None]
