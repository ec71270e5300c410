"""Photos in rows, each below its caption: pixels and plain text, in a tenth of the time that axes take."""

from collections.abc import Sequence
from functools import cache
from pathlib import Path

import matplotlib as mpl
import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from src.reporting.style import INK

_WIDTH = 774
_GAP, _LINE = 14, 13
"""Pixels."""


def write_contact_sheet(
    photos: Sequence[NDArray[np.uint8]], captions: Sequence[str], columns: int, path: Path, otherwise: str
) -> None:
    """Write `photos`, RGB of one shape, in rows of `columns`, below captions of two lines each.

    `otherwise`: what is written where there is no photo.
    """
    rows = max(1, -(-len(photos) // columns))
    cell = _WIDTH // columns
    height, width = photos[0].shape[:2] if photos else (64, 64)
    wide, tall = cell - _GAP, round((cell - _GAP) * height / width)
    step = tall + 3 * _LINE
    sheet = Image.new("RGB", (_WIDTH, rows * step), "white")
    pen, font = ImageDraw.Draw(sheet), _font()
    for position, (photo, caption) in enumerate(zip(photos, captions, strict=True)):
        left, top = position % columns * cell + _GAP // 2, position // columns * step
        for line, text in enumerate(caption.split("\n")):
            pen.text((left + wide / 2, top + (line + 0.5) * _LINE + 9), text, INK, font, anchor="mm")
        sheet.paste(Image.fromarray(photo).resize((wide, tall)), (left, top + step - tall))
    if not photos:
        pen.text((sheet.width / 2, sheet.height / 2), otherwise, INK, font, anchor="mm")
    sheet.save(path, compress_level=1)


@cache
def _font() -> ImageFont.FreeTypeFont:
    """Return the one that matplotlib brings, and uses for the other figures."""
    return ImageFont.truetype(Path(mpl.get_data_path(), "fonts", "ttf", "DejaVuSans.ttf"), 10)
