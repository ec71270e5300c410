"""Drawing in picture units (x to the right and y down, both 0..1), free of the resolution."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

Array = NDArray[np.float64]

SUPERSAMPLING = 2


class Canvas:
    """An RGB picture drawn at SUPERSAMPLING times its size."""

    def __init__(self, backdrop: NDArray[np.uint8]) -> None:
        """Start from a backdrop [size, size, 3]."""
        self.side = len(backdrop) * SUPERSAMPLING
        self._image = Image.fromarray(backdrop).resize((self.side, self.side), Image.Resampling.BILINEAR)
        self._pen = ImageDraw.Draw(self._image)
        self._glaze = ImageDraw.Draw(self._image, "RGBA")

    def polygons(self, corners: Array, colours: Array) -> None:
        """Fill n polygons of v corners [n, v, 2] with colours [n, 3] (0..255)."""
        flat = self._pixels(corners).tolist()
        for points, colour in zip(flat, _inks(colours), strict=True):
            self._pen.polygon(points, fill=colour)

    def polygon(self, corners: Array, colour: Array) -> None:
        """Fill one polygon [v, 2]."""
        self.polygons(corners[None], colour[None])

    def lines(self, points: Array, colours: Array, widths: Array) -> None:
        """Draw n polylines of v points [n, v, 2], their widths [n] in picture units and at least a pixel."""
        flat = self._pixels(points).tolist()
        thick = np.maximum(np.rint(widths * self.side), 1).astype(int).tolist()
        for line, colour, width in zip(flat, _inks(colours), thick, strict=True):
            self._pen.line(line, fill=colour, width=width)

    def ellipses(self, centres: Array, radii: Array, colours: Array) -> None:
        """Fill n upright ellipses: centres [n, 2], half axes [n, 2]."""
        boxes = self._pixels(np.concatenate([centres - radii, centres + radii], axis=1)).tolist()
        for box, colour in zip(boxes, _inks(colours), strict=True):
            self._pen.ellipse(box, fill=colour)

    def shadows(self, centres: Array, radii: Array, opacity: float) -> None:
        """Darken n upright ellipses: centres [n, 2], half axes [n, 2], opacity 0..1 of each."""
        boxes = self._pixels(np.concatenate([centres - radii, centres + radii], axis=1)).tolist()
        for box in boxes:
            self._glaze.ellipse(box, fill=(10, 12, 20, round(255 * opacity)))

    def picture(self) -> Image.Image:
        """The drawing, averaged down to its size."""
        return self._image.reduce(SUPERSAMPLING)

    def _pixels(self, points: Array) -> Array:
        # Rounded, so that the last bit of a cosine, which differs between processors, decides no pixel.
        return np.round(points * self.side, 2).reshape(len(points), points[:1].size)


def _inks(colours: Array) -> list[tuple[int, ...]]:
    """Colours as Pillow takes them."""
    return [tuple(colour) for colour in to_bytes(colours).tolist()]


def to_bytes(colours: Array) -> NDArray[np.uint8]:
    """Colours [...] rounded, and clipped to 0..255."""
    rounded: Array = np.rint(colours)
    return rounded.clip(0, 255).astype(np.uint8)


def noise(rng: np.random.Generator, shape: tuple[int, int], cells: tuple[int, int]) -> Array:
    """Smooth noise 0..1 of `shape` (rows, columns) with `cells` (rows, columns) random values."""
    grid = Image.fromarray(rng.integers(0, 256, cells, dtype=np.uint8))
    smooth = grid.resize((shape[1], shape[0]), Image.Resampling.BICUBIC)
    return np.asarray(smooth, dtype=np.float64) / 255


def mix(first: Array | float, second: Array | float, share: Array | float) -> Array:
    """Linear blend of two colours or numbers: `share` 0 is all first, 1 all second."""
    return np.asarray(first + (second - first) * share)
