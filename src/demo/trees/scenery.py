"""The scene around the tree: light, sky, ground, objects behind it and in front of it, and the camera.

Nothing here depends on the species: it is all nuisance variation.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFilter

from src.demo.trees.canvas import Array, Canvas, mix, noise, to_bytes
from src.demo.trees.species import BARK_TONES, FOLIAGE, SEASONS, Rgb


@dataclass(frozen=True)
class Light:
    """A time of day and its weather: colours of the sky, and gains of sunlit (key) and shaded (fill) surfaces."""

    zenith: Rgb
    low: Rgb
    key: tuple[float, float, float]
    fill: tuple[float, float, float]


LIGHTS: tuple[Light, ...] = (
    Light((92, 140, 205), (190, 215, 235), (1.10, 1.07, 0.98), (0.58, 0.64, 0.72)),  # noon
    Light((120, 160, 210), (236, 226, 206), (1.10, 1.00, 0.84), (0.52, 0.56, 0.66)),  # morning
    Light((112, 132, 176), (246, 202, 142), (1.22, 0.96, 0.64), (0.50, 0.47, 0.54)),  # golden hour
    Light((74, 78, 124), (224, 152, 132), (0.84, 0.68, 0.66), (0.40, 0.39, 0.50)),  # dusk
    Light((172, 180, 190), (214, 216, 216), (0.88, 0.89, 0.90), (0.66, 0.68, 0.71)),  # overcast
    Light((92, 100, 114), (164, 168, 170), (0.80, 0.82, 0.84), (0.48, 0.50, 0.56)),  # storm
    Light((204, 208, 210), (226, 226, 222), (0.96, 0.96, 0.95), (0.74, 0.75, 0.77)),  # mist
)


@dataclass(frozen=True)
class Ground:
    """The ground below a tree: colour nearby and far away, contrast of its grain, number of blades of grass."""

    near: Rgb
    far: Rgb
    grain: float
    blades: int


GROUNDS: tuple[Ground, ...] = (
    Ground((86, 118, 48), (128, 150, 84), 0.30, 90),  # meadow
    Ground((98, 132, 62), (122, 156, 82), 0.14, 0),  # lawn
    Ground((164, 144, 84), (190, 172, 116), 0.30, 110),  # dry grass
    Ground((196, 172, 130), (216, 198, 160), 0.14, 0),  # sand
    Ground((112, 84, 62), (140, 112, 86), 0.34, 0),  # soil
    Ground((126, 124, 120), (150, 148, 144), 0.12, 0),  # paving
    Ground((140, 108, 62), (146, 128, 82), 0.42, 40),  # fallen leaves
)
SNOW = Ground((222, 228, 236), (232, 236, 240), 0.07, 0)


@dataclass(frozen=True)
class Scene:
    """The choices that all parts of an image share."""

    light: Light
    ground: Ground
    season: str
    horizon: float  # position in the image, 0 top .. 1 bottom
    sun: Array  # [3] direction to the sun

    def lit(self, colour: Array, share: float | Array) -> Array:
        """Return surface colours [..., 3] in a share 0..1 of sunlight (a number, or an array [..., 1])."""
        return np.asarray(colour * mix(np.array(self.light.fill), np.array(self.light.key), share))

    def far(self, colour: Array, distance: float) -> Array:
        """Return lit colours seen through haze: distance 0 nearby .. 1 invisible."""
        return mix(self.lit(colour, 0.5), np.array(self.light.low, dtype=np.float64), distance)


def choose_scene(rng: np.random.Generator, difficulty: float) -> Scene:
    """Choose season, light, ground and horizon at random; at difficulty 0 mostly noon in summer."""
    evenness = 0.35 + 0.65 * difficulty
    season = SEASONS[rng.choice(4, p=_probabilities(4, 1, evenness))]
    light = LIGHTS[rng.choice(len(LIGHTS), p=_probabilities(len(LIGHTS), 0, evenness))]
    snowy = season == "winter" and rng.random() < 0.6
    ground = SNOW if snowy else GROUNDS[rng.choice(len(GROUNDS), p=_probabilities(len(GROUNDS), 0, evenness))]
    azimuth = rng.uniform(-np.pi, np.pi) * (0.3 + 0.45 * difficulty)
    height = rng.uniform(0.25, 0.9)
    sun = np.array([np.sin(azimuth), height, np.cos(azimuth)]) / np.sqrt(1 + height**2)
    return Scene(light, ground, season, rng.uniform(0.74 - 0.16 * evenness, 0.74 + 0.06 * evenness), sun)


def _probabilities(n: int, favourite: int, evenness: float) -> Array:
    """Return probabilities [n]: a mixture of the uniform distribution and a favourite."""
    return np.asarray(evenness / n + (1 - evenness) * np.eye(n)[favourite])


# -- the backdrop


def backdrop(scene: Scene, rng: np.random.Generator, size: int) -> NDArray[np.uint8]:
    """Return sky, clouds and ground: uint8 [size, size, 3]."""
    edge = round(scene.horizon * size)
    return to_bytes(np.concatenate([_sky(scene, rng, edge, size), _ground(scene, rng, size - edge, size)]))


def _sky(scene: Scene, rng: np.random.Generator, rows: int, size: int) -> Array:
    """Return a gradient with clouds, [rows, size, 3]."""
    zenith, low = np.array(scene.light.zenith), np.array(scene.light.low)
    height = np.linspace(0, 1, rows)[:, None, None]
    clouds = 0.65 * noise(rng, (rows, size), (5, 4)) + 0.35 * noise(rng, (rows, size), (14, 9))
    cover = np.clip((clouds - rng.uniform(0.3, 0.75)) * rng.uniform(1.5, 6), 0, rng.uniform(0.3, 0.95))
    white = mix(low, np.full(3, 250.0), rng.uniform(-0.5, 0.7))
    return mix(mix(zenith, low, height), white, cover[..., None])


def _ground(scene: Scene, rng: np.random.Generator, rows: int, size: int) -> Array:
    """Return a plane up to the horizon, [rows, size, 3], with more grain nearby."""
    near, far = np.array([scene.ground.near, scene.ground.far]) * rng.uniform(0.85, 1.15, (2, 3))
    depth = np.linspace(0, 1, rows)[:, None, None]
    grain = noise(rng, (rows, size), (9, 7)) + noise(rng, (rows, size), (26, 34)) - 1
    colour = mix(scene.far(far, 0.35), scene.lit(near, 0.7), np.sqrt(depth))
    return colour * (1 + scene.ground.grain * grain[..., None] * (0.4 + 0.6 * depth))


# -- objects behind the tree


def _ridge(scene: Scene, rng: np.random.Generator, height: float) -> Array:
    """Return the outline [v, 2] of hills on the horizon."""
    x = np.linspace(-0.05, 1.05, 28)
    k = np.array([1.0, 2.0, 5.0])
    waves = np.sin(np.outer(x, k * rng.uniform(2, 5, 3)) + rng.uniform(0, 7, 3)) @ (rng.uniform(0, 1, 3) / k)
    y = scene.horizon - height * np.maximum(0.55 + 0.4 * waves, -0.05)
    foot = scene.horizon + 0.01
    return np.concatenate([np.stack([x, y], axis=1), [[1.05, foot], [-0.05, foot]]])


def hills(canvas: Canvas, scene: Scene, rng: np.random.Generator) -> None:
    """Draw one to three ridges, farthest first."""
    for distance in np.linspace(0.8, 0.4, rng.integers(1, 4)):
        colour = mix(np.array(scene.ground.far), np.array([70.0, 96.0, 70.0]), rng.uniform(0, 1))
        canvas.polygon(_ridge(scene, rng, rng.uniform(0.03, 0.28) * distance), scene.far(colour, distance))


def woods(canvas: Canvas, scene: Scene, rng: np.random.Generator) -> None:
    """Draw a row of generic trees along the horizon."""
    haze = rng.uniform(0.2, 0.6)
    for x in rng.uniform(-0.05, 1.05, rng.integers(3, 12)):
        _plain_tree(canvas, scene, rng, np.array([x, scene.horizon + 0.01]), rng.uniform(0.05, 0.2), haze)


def neighbours(canvas: Canvas, scene: Scene, rng: np.random.Generator) -> None:
    """Draw a few generic trees in the middle distance."""
    for _ in range(rng.integers(1, 4)):
        foot = np.array([rng.uniform(0, 1), scene.horizon + rng.uniform(0.01, 0.08)])
        _plain_tree(canvas, scene, rng, foot, rng.uniform(0.2, 0.5), rng.uniform(0.05, 0.35))


def _plain_tree(
    canvas: Canvas, scene: Scene, rng: np.random.Generator, foot: Array, height: float, haze: float
) -> None:
    """Draw a trunk, and a crown of ellipses whose shape is between round and pointed."""
    colours = FOLIAGE["evergreen" if rng.random() < 0.4 else "deciduous"][scene.season] or BARK_TONES["grey"]
    top = foot - [0.0, height]
    bark = scene.far(np.array(BARK_TONES["brown"][0]), haze)
    canvas.lines(np.stack([foot, top])[None], bark[None], np.array([0.05 * height]))
    n, point = 30, rng.uniform(0, 1)
    up, across = rng.uniform(0, 1, n), rng.uniform(-1, 1, n)
    girth = rng.uniform(0.2, 0.45) * height * mix(np.sqrt(1 - (2 * up - 1) ** 2), 1 - up, point)
    centres = foot - np.stack([across * girth, (0.22 + 0.72 * up) * height], axis=1)
    radii = height * rng.uniform(0.04, 0.11, (n, 1)) * [1.0, 0.8]
    base = np.array(colours[rng.integers(len(colours))]) * rng.uniform(0.7, 1.1, (n, 1))
    canvas.ellipses(centres, radii, scene.far(base * (0.75 + 0.35 * up[:, None]), haze))


def houses(canvas: Canvas, scene: Scene, rng: np.random.Generator) -> None:
    """Draw one or two houses with windows."""
    for _ in range(rng.integers(1, 3)):
        x, y, wide = rng.uniform(-0.05, 0.95), scene.horizon + rng.uniform(0.01, 0.05), rng.uniform(0.12, 0.3)
        tall, haze = wide * rng.uniform(0.45, 0.9), rng.uniform(0.05, 0.4)
        wall = scene.far(rng.uniform(120, 240) * rng.uniform(0.85, 1.0, 3), haze)
        roof = scene.far(rng.uniform(60, 150) * np.array([1.1, 0.75, 0.65]), haze)
        canvas.polygon(_box(x, y - tall, wide, tall), wall)
        gable = np.array([[-0.08, 0], [0.2, -0.42], [0.8, -0.42], [1.08, 0]]) * [wide, tall] + [x, y - tall]
        canvas.polygon(gable, roof)
        for column in (0.15, 0.42, 0.70):
            canvas.polygon(_box(x + column * wide, y - 0.7 * tall, 0.14 * wide, 0.3 * tall), 0.45 * wall)


def _box(x: float, y: float, wide: float, tall: float) -> Array:
    """Return the corners [4, 2] of an upright rectangle, from its upper left corner."""
    return np.array([[0, 0], [1, 0], [1, 1], [0, 1]]) * [wide, tall] + [x, y]


def water(canvas: Canvas, scene: Scene, rng: np.random.Generator) -> None:
    """Draw a lake below the horizon that reflects the sky, with ripples."""
    top = scene.horizon + rng.uniform(0.005, 0.04)
    x = np.linspace(-0.05, 1.05, 14)
    bank = top + rng.uniform(0.03, 0.13) + 0.012 * np.sin(x * rng.uniform(4, 14) + rng.uniform(0, 7))
    sheet = np.concatenate([np.stack([x, bank], axis=1), [[1.05, top], [-0.05, top]]])
    sky = mix(np.array(scene.light.low), np.array(scene.light.zenith), rng.uniform(0.1, 0.9)) * 0.92
    canvas.polygon(sheet, sky)
    n = 14
    y, left = rng.uniform(top, bank.min(), n), rng.uniform(-0.1, 0.9, n)
    ripples = np.stack([np.stack([left, y], 1), np.stack([left + rng.uniform(0.05, 0.3, n), y], 1)], axis=1)
    canvas.lines(ripples, sky * rng.uniform(0.8, 1.15, (n, 1)), np.full(n, 0.004))


def path(canvas: Canvas, scene: Scene, rng: np.random.Generator) -> None:
    """Draw a winding path from the foreground to the horizon."""
    depth = np.linspace(0, 1, 12)
    start, end, swing = rng.uniform([0.1, 0.1, -0.2], [0.9, 0.9, 0.2])
    middle = mix(start, end, depth) + swing * np.sin(3 * depth)
    half = mix(0.012, rng.uniform(0.06, 0.22), depth**1.5)
    y = mix(scene.horizon, 1.02, depth**1.4)
    sides = np.concatenate([np.stack([middle - half, y], 1), np.stack([middle + half, y], 1)[::-1]])
    colour = np.array([[170, 150, 120], [120, 118, 116], [200, 190, 170]][rng.integers(3)])
    canvas.polygon(sides, scene.lit(colour * rng.uniform(0.85, 1.1), 0.6))


def hedge(canvas: Canvas, scene: Scene, rng: np.random.Generator) -> None:
    """Draw a hedge across the image."""
    n, y = 60, scene.horizon + rng.uniform(0.0, 0.06)
    centres = np.stack([np.linspace(-0.05, 1.05, n), y + rng.uniform(-0.03, 0.0, n)], axis=1)
    shade = np.array(FOLIAGE["evergreen"]["summer"][rng.integers(5)]) * rng.uniform(0.6, 1.0, (n, 1))
    canvas.ellipses(centres, rng.uniform(0.02, 0.035, (n, 2)), scene.far(shade, rng.uniform(0, 0.3)))


def fence(canvas: Canvas, scene: Scene, rng: np.random.Generator) -> None:
    """Draw posts and two rails."""
    foot, tall = scene.horizon + rng.uniform(0.04, 0.16), rng.uniform(0.06, 0.12)
    colour = scene.lit(np.array(BARK_TONES[("brown", "grey", "pale")[rng.integers(3)]][0]), 0.6)
    x = np.arange(rng.uniform(-0.1, 0), 1.1, rng.uniform(0.07, 0.16))
    posts = np.stack([np.stack([x, x * 0 + foot], 1), np.stack([x, x * 0 + foot - tall], 1)], axis=1)
    rails = np.array([[[-0.1, foot - share * tall], [1.1, foot - share * tall]] for share in (0.45, 0.85)])
    strokes = np.concatenate([posts, rails])
    canvas.lines(strokes, np.tile(colour, (len(strokes), 1)), np.full(len(strokes), 0.012))


Props = tuple[tuple[Callable[[Canvas, Scene, np.random.Generator], None], float], ...]

# In the order of drawing, farthest first, with the probability at difficulty 1.
BEHIND: Props = (
    (hills, 0.7), (woods, 0.6), (water, 0.25), (houses, 0.3), (path, 0.35),
    (neighbours, 0.6), (hedge, 0.2), (fence, 0.25),
)  # fmt: skip


def furnish(canvas: Canvas, scene: Scene, rng: np.random.Generator, difficulty: float) -> None:
    """Draw objects behind the tree, and grass."""
    _place(BEHIND, canvas, scene, rng, 0.3 + 0.7 * difficulty)
    n = scene.ground.blades
    root = np.stack([rng.uniform(0, 1, n), rng.uniform(scene.horizon + 0.03, 1.02, n)], axis=1)
    blade = (root[:, 1:] - scene.horizon) * 0.13 * rng.uniform([-0.4, 0.5], [0.4, 1.2], (n, 2))
    colour = scene.lit(np.array(scene.ground.near) * rng.uniform(0.65, 1.35, (n, 1)), 0.7)
    canvas.lines(np.stack([root, root - blade], axis=1), colour, np.full(n, 0.004))


def _place(props: Props, canvas: Canvas, scene: Scene, rng: np.random.Generator, factor: float) -> None:
    """Draw each prop with its probability times `factor`."""
    for (draw_prop, probability), number in zip(props, rng.random(len(props)), strict=True):
        if number < factor * probability:
            draw_prop(canvas, scene, rng)


# -- objects in front of the tree


def pole(canvas: Canvas, scene: Scene, rng: np.random.Generator) -> None:
    """Draw a lamp post or telegraph pole."""
    x, wide, top = rng.uniform(0.08, 0.92), rng.uniform(0.015, 0.045), rng.uniform(-0.1, 0.4)
    colour = scene.lit(np.array([1.0, 0.95, 0.9]) * rng.uniform(50, 170), 0.5)
    canvas.polygon(_box(x, top, wide, 1.1), 0.75 * colour)
    canvas.polygon(_box(x, top, 0.5 * wide, 1.1), colour)
    canvas.polygon(_box(x - 1.2 * wide, top + 0.03, 3.4 * wide, 0.5 * wide), 0.8 * colour)


def bush(canvas: Canvas, scene: Scene, rng: np.random.Generator) -> None:
    """Draw a bush that reaches into the image from below."""
    centre, girth, n = rng.uniform(0, 1), rng.uniform(0.12, 0.3), 90
    across, up = rng.uniform(-1, 1, n), np.sort(rng.uniform(0, 1, n))[::-1]
    top = rng.uniform(0.12, 0.3) * np.sqrt(1 - across**2)
    centres = np.stack([centre + girth * across, 1.02 - up * top], axis=1)
    colours = FOLIAGE["evergreen"][scene.season]
    shade = np.array(colours[rng.integers(len(colours))]) * rng.uniform(0.6, 1.2, (n, 1))
    canvas.ellipses(centres, rng.uniform(0.008, 0.03, (n, 2)), scene.lit(shade, up[:, None]))


def bough(canvas: Canvas, scene: Scene, rng: np.random.Generator) -> None:
    """Draw a generic leafy branch that reaches into the image from above."""
    side, n = rng.choice([-1.0, 1.0]), 46
    t = np.linspace(0, 1, 9)
    reach, fall = rng.uniform(0.3, 0.7), rng.uniform(0.05, 0.3)
    x = 0.5 - side * (0.55 - reach * t)
    twig = np.stack([x, rng.uniform(-0.05, 0.15) + fall * t**1.5], axis=1)
    canvas.lines(twig[None], scene.lit(np.array(BARK_TONES["brown"][2]), 0.3)[None], np.array([0.015]))
    colours = FOLIAGE["deciduous"][scene.season] or FOLIAGE["evergreen"]["winter"]
    spot = twig[rng.integers(0, 9, n)] + rng.normal(0, 0.04, (n, 2))
    shade = np.array(colours[rng.integers(len(colours))]) * rng.uniform(0.5, 1.0, (n, 1))
    canvas.ellipses(spot, rng.uniform(0.008, 0.03, (n, 2)), scene.lit(shade, 0.4))


FRONT: Props = ((fence, 0.2), (pole, 0.22), (bush, 0.4), (bough, 0.4))


def occlude(canvas: Canvas, scene: Scene, rng: np.random.Generator, difficulty: float) -> None:
    """Draw objects in front of the tree; none at difficulty 0."""
    _place(FRONT, canvas, scene, rng, difficulty)


# -- the camera


def expose(image: Image.Image, rng: np.random.Generator, difficulty: float) -> NDArray[np.uint8]:
    """Apply white balance, exposure, contrast, blur and sensor noise; return uint8 [size, size, 3]."""
    gain = np.exp(0.22 * difficulty * rng.normal() + 0.08 * difficulty * rng.normal(size=3))
    gamma = np.exp(0.22 * difficulty * rng.normal())
    # The last bit of a power differs between processors; a rounded table keeps pixels independent of it.
    table = 255 * np.clip(np.linspace(0, 1, 256) ** gamma * gain[:, None], 0, 1)
    image = image.point(np.rint(table).astype(int).ravel().tolist())
    radius = abs(rng.normal()) * 0.005 * difficulty * image.width
    if radius > 0.2:
        image = image.filter(ImageFilter.GaussianBlur(radius))
    grain = (1 + 9 * difficulty * rng.random()) * rng.standard_normal((image.height, image.width, 3))
    return to_bytes(np.asarray(image) + grain)
