"""Deep images, of more than 8 bits a value: white is what the file says, or `data.bit_depth`; it is never guessed.

Many programs keep 10, 12 or 14 bits in files of 16, and 16 in files of 32: read by the file's own width, such images
are nearly black. Stretching each image to its own maximum would make all of them equally bright.
"""

from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image as PillowImage
from PIL import TiffImagePlugin

_MAX_SAMPLE, _SMIN_SAMPLE, _SMAX_SAMPLE = 281, 340, 341
_BITS, _PHOTOMETRIC, _SAMPLE_FORMAT = 258, 262, 339
_UNSIGNED, _SIGNED = 1, 2
_DARK = 1 / 4
"""An image whose brightest value is below this part of the file's range may well hold fewer bits than the file."""


@dataclass(frozen=True)
class DeepFile:
    """The range of values that a deep file declares.

    Attributes:
        bits: that the file gives a value, whether or not they are used.
        black: the value that is black.
        white: the value that is white; None where the file does not say.
        is_signed: the file holds numbers below 0.
        is_inverted: the least value is white.
        unscaled_bits: bits of which the values may be low ones (PNG's sBIT); None: no sBIT.
        is_colour: Pillow hands out its upper 8 bits only.
    """

    bits: int
    black: float = 0
    white: float | None = None
    is_signed: bool = False
    is_inverted: bool = False
    unscaled_bits: int | None = None
    is_colour: bool = False


def describe_deep(image: PillowImage.Image, source: Path | bytes) -> DeepFile | None:
    """Return what the file says, or None if it has 8 bits a value. `image` is opened and not loaded yet.

    `source`: the file, or its content.
    """
    tile = getattr(image, "tile", None)
    stated = tile[0].args if tile else ()
    full_ppm = image.format == "PPM" and isinstance(stated, tuple) and stated[-1] == 65535
    if image.mode != "F" and not image.mode.startswith("I"):
        return DeepFile(16, is_colour=True) if ";16" in str(stated) or full_ppm else None
    if isinstance(image, TiffImagePlugin.TiffImageFile):
        return _tiff(image)
    if image.format == "PNG":
        return DeepFile(16, unscaled_bits=_png_significant_bits(source))
    is_scaled_ppm = isinstance(stated, tuple) and image.format == "PPM" and not full_ppm
    scaled_by_decoder = image.mode != "F" and (image.format == "JPEG2000" or is_scaled_ppm)
    return DeepFile(16, white=65535 if scaled_by_decoder else None)


def to_8_bits(image: PillowImage.Image, file: DeepFile, bit_depth: int | None) -> PillowImage.Image:
    """Return a loaded deep image as one of 8 bits.

    Args:
        image: of the file, loaded.
        file: what the file says.
        bit_depth: of the values, for files that do not say.

    Raises:
        ValueError: the white value is not known, or there are values beyond it.
    """
    if file.is_colour:
        return _checked_colour(image, bit_depth)
    values = _values(image, file)
    black, white = _range(values, file, bit_depth)
    levels, steps = (255, white - black) if image.mode == "F" else (256, white - black + 1)
    scaled = np.floor((values - black) * (levels / steps))
    grey = scaled.clip(0, 255).astype(np.uint8)
    return PillowImage.fromarray(255 - grey if file.is_inverted else grey)


def _range(values: NDArray[Any], file: DeepFile, bit_depth: int | None) -> tuple[float, float]:
    """Return the values that are black and white."""
    greatest, white = float(values.max()), file.white
    if file.unscaled_bits and greatest < 2**file.unscaled_bits and np.any(values % 2 ** (16 - file.unscaled_bits)):
        white = 2**file.unscaled_bits - 1  # else they are scaled, as PNG asks for
    elif file.unscaled_bits:
        white = 65535
    if white is None and bit_depth is not None and not file.is_signed:
        white = 2**bit_depth - 1
    if white is None and not file.is_signed and (greatest == 0 or greatest >= _DARK * 2**file.bits):
        white = 2**file.bits - 1
    if white is None:
        kind = "signed values" if file.is_signed else f"{file.bits}-bit values up to {greatest:.0f}"
        remedy = "convert it to 8 bits" if file.is_signed else "give data.bit_depth=12, say, or 16"
        raise ValueError(f"{kind}, and the file does not say which is white: {remedy}")
    if not np.isfinite(greatest) or greatest > white or values.min() < file.black:
        raise ValueError(f"values from {values.min():g} to {greatest:g}, beyond {file.black:g} to {white:g}")
    return file.black, white


def _values(image: PillowImage.Image, file: DeepFile) -> NDArray[Any]:
    values = np.asarray(image)
    if image.mode == "F":
        if file.white is None:
            raise ValueError("floating-point pixels have no agreed range; convert it to 8 bits")
        return values.astype(np.float64)
    if file.bits == 32 and not file.is_signed:
        values = values.view(np.uint32)  # Pillow's are signed
    return values.astype(np.int64)


def _checked_colour(image: PillowImage.Image, bit_depth: int | None) -> PillowImage.Image:
    if bit_depth not in (None, 16):
        raise ValueError(
            f"16-bit colour, of which the upper 8 bits can be read: data.bit_depth={bit_depth} cannot be met"
        )
    extrema = [np.asarray(image.getchannel(band)).max() for band in image.getbands() if band not in "Aa"]
    if bit_depth is None and 0 < max(extrema) < _DARK * 256:
        raise ValueError(
            f"16-bit colour with values up to {int(max(extrema)) * 256 + 255}, as files of 12 bits have: convert it to "
            "8 bits, or give data.bit_depth=16 if it is so dark"
        )
    return image


def _tiff(image: TiffImagePlugin.TiffImageFile) -> DeepFile:
    tags: Any = image.tag_v2
    bits, kind = int(tags.get(_BITS, (1,))[0]), int(tags.get(_SAMPLE_FORMAT, (_UNSIGNED,))[0])
    file = DeepFile(bits, is_signed=kind == _SIGNED, is_inverted=tags.get(_PHOTOMETRIC) == 0)
    least, greatest = _one(tags.get(_SMIN_SAMPLE)), _one(tags.get(_SMAX_SAMPLE))
    if least is not None and greatest is not None and _is_range(least, greatest, image.mode):
        return DeepFile(bits, least, greatest, is_inverted=file.is_inverted)
    stated = _one(tags.get(_MAX_SAMPLE))
    if kind == _UNSIGNED and bits not in (16, 32):
        return DeepFile(bits, white=2**bits - 1, is_inverted=file.is_inverted)
    if kind == _UNSIGNED and stated is not None and stated < 2**bits - 1 and _is_range(0, stated, image.mode):
        return DeepFile(bits, white=stated, is_inverted=file.is_inverted)
    return file


def _one(values: Any) -> float | None:
    """Return a tag's value, the first of several."""
    first = values[0] if isinstance(values, tuple) and values else values
    return float(first) if first is not None else None


def _is_range(least: float, greatest: float, mode: str) -> bool:
    """Return whether a file's extremes are those of a bit depth rather than statistics of this one image."""
    span = greatest - least + 1
    return (mode == "F" and (least, greatest) == (0, 1)) or (span >= 256 and float(np.log2(span)).is_integer())


def _png_significant_bits(source: Path | bytes) -> int | None:
    """Return the significant bits of the grey channel in the chunk sBIT; None if there is none, or all 16 count."""
    with source.open("rb") if isinstance(source, Path) else BytesIO(source) as file:
        file.seek(8)
        while len(head := file.read(8)) == 8 and head[4:] != b"IDAT":
            content = file.read(int.from_bytes(head[:4]) + 4)
            if head[4:] == b"sBIT" and 8 <= content[0] < 16:
                return content[0]
    return None
