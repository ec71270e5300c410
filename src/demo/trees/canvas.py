"""Drawing in image units: x to the right and y down, both 0..1, at any resolution."""

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

Array = NDArray[np.float64]

SUPERSAMPLING = 2


class Canvas:
    """An RGB image drawn at SUPERSAMPLING times its size."""

    def __init__(self, backdrop: NDArray[np.uint8]) -> None:
        """Start with a backdrop [size, size, 3]."""
        self.side = len(backdrop) * SUPERSAMPLING
        self._image = Image.fromarray(backdrop).resize((self.side, self.side), Image.Resampling.BILINEAR)
        self._pen = ImageDraw.Draw(self._image)
        self._translucent_pen = ImageDraw.Draw(self._image, "RGBA")

    def polygons(self, corners: Array, colours: Array) -> None:
        """Fill n polygons of v corners [n, v, 2] with colours [n, 3] (0..255)."""
        flat = self._pixels(corners).tolist()
        for points, colour in zip(flat, _inks(colours), strict=True):
            self._pen.polygon(points, fill=colour)

    def polygon(self, corners: Array, colour: Array) -> None:
        """Fill one polygon [v, 2]."""
        self.polygons(corners[None], colour[None])

    def lines(self, points: Array, colours: Array, widths: Array) -> None:
        """Draw n polylines of v points [n, v, 2]; their widths [n] are in image units, at least a pixel."""
        flat = self._pixels(points).tolist()
        thick = np.maximum(np.rint(widths * self.side), 1).astype(int).tolist()
        for line, colour, width in zip(flat, _inks(colours), thick, strict=True):
            self._pen.line(line, fill=colour, width=width)

    def ellipses(self, centres: Array, radii: Array, colours: Array) -> None:
        """Fill n upright ellipses: centres [n, 2], half axes [n, 2]."""
        for box, colour in zip(self._boxes(centres, radii), _inks(colours), strict=True):
            self._pen.ellipse(box, fill=colour)

    def shadows(self, centres: Array, radii: Array, opacity: float) -> None:
        """Darken n upright ellipses: centres [n, 2], half axes [n, 2], opacity 0..1."""
        for box in self._boxes(centres, radii):
            self._translucent_pen.ellipse(box, fill=(10, 12, 20, round(255 * opacity)))

    def to_image(self) -> Image.Image:
        """Return the drawing, reduced to its size."""
        return self._image.reduce(SUPERSAMPLING)

    def _boxes(self, centres: Array, radii: Array) -> list[list[float]]:
        boxes: list[list[float]] = self._pixels(np.concatenate([centres - radii, centres + radii], axis=1)).tolist()
        return boxes

    def _pixels(self, points: Array) -> Array:
        # The last bit of a cosine differs between processors; rounding keeps pixels independent of it.
        return np.round(points * self.side, 2).reshape(len(points), points[:1].size)


def _inks(colours: Array) -> list[tuple[int, ...]]:
    """Convert colours [n, 3] to what Pillow takes."""
    return [tuple(colour) for colour in to_bytes(colours).tolist()]


def to_bytes(colours: Array) -> NDArray[np.uint8]:
    """Round colours [...] and clip them to 0..255."""
    rounded: Array = np.rint(colours)
    return rounded.clip(0, 255).astype(np.uint8)


def noise(rng: np.random.Generator, shape: tuple[int, int], cells: tuple[int, int]) -> Array:
    """Return smooth noise 0..1 of `shape` (rows, columns), enlarged from `cells` (rows, columns) random values."""
    grid = Image.fromarray(rng.integers(0, 256, cells, dtype=np.uint8))
    smooth = grid.resize((shape[1], shape[0]), Image.Resampling.BICUBIC)
    return np.asarray(smooth, dtype=np.float64) / 255


def mix(first: Array | float, second: Array | float, share: Array | float) -> Array:
    """Interpolate two colours or numbers linearly: `share` 0 gives the first, 1 the second."""
    return np.asarray(first + (second - first) * share)
