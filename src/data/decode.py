"""Decode a file of any mode, orientation and shape to a square RGB image."""

import errno
import warnings
from collections.abc import Sequence
from io import BytesIO
from pathlib import Path
from typing import Literal

import numpy as np
from PIL import Image as PillowImage
from PIL import ImageOps, UnidentifiedImageError
from pillow_heif import register_heif_opener

from src.common.errors import ThawError
from src.data.deep_images import DeepFile, describe_deep, to_8_bits
from src.data.listing import Image, UnreadableImageError

Resize = Literal["crop", "stretch", "pad"]

PAD_COLOUR = (128, 128, 128)
FORMATS = ("AVIF", "BMP", "GIF", "HEIF", "ICO", "JPEG", "JPEG2000", "PNG", "PPM", "TIFF", "WEBP", "TGA")
"""Formats of content that comes as bytes, in Pillow's names: those of a listing's suffixes.

Pillow reads some forty more, among them EPS, for which it starts Ghostscript: not for what a stranger sends. TGA comes
last, for it has no mark at its beginning.
"""
_NOT_THE_FILES_FAULT = {
    errno.EACCES, errno.EPERM, errno.EMFILE, errno.ENFILE, errno.EIO, errno.ENOENT, errno.ENOMEM, errno.ESTALE,
    errno.ETIMEDOUT, errno.ENOTCONN, errno.EHOSTDOWN, errno.EHOSTUNREACH, errno.ENETDOWN, errno.ECONNRESET,
    errno.ENODEV, errno.ENXIO,
}  # fmt: skip

warnings.filterwarnings("ignore", category=PillowImage.DecompressionBombWarning)  # past twice its limit it is an error
register_heif_opener()


def read_image(source: Path | bytes, size: int, resize: Resize, bit_depth: int | None = None) -> Image:
    """Decode `source` as uint8 RGB [size, size, 3].

    EXIF orientation is applied; greyscale, palette, CMYK and RGBA become RGB, what is transparent white. Of several
    images in a file it is the primary one.

    Args:
        source: the file, or its content, of :data:`FORMATS`; the content says its format, not the file's name.
        size: the side, px.
        resize: how it becomes square.
        bit_depth: of deep images whose file does not say; see :mod:`src.data.deep_images`.

    Raises:
        UnreadableImageError: it is no image, or a damaged or absurdly large one, or its white value is not known.
    """
    return read_images(source, [(size, resize)], bit_depth)[0]


def read_images(
    source: Path | bytes, squares: Sequence[tuple[int, Resize]], bit_depth: int | None = None
) -> list[Image]:
    """Decode `source` once, and return it as each of `squares` (side in px, and how it becomes square).

    Raises:
        UnreadableImageError: as :func:`read_image`.
    """
    name = source if isinstance(source, Path) else "the image"
    try:
        with _opened(source) as opened:
            deep = describe_deep(opened, source)
            rgb = _to_rgb(_to_8_bits(ImageOps.exif_transpose(opened), deep, bit_depth))
            return [to_square(rgb, size, resize) for size, resize in squares]
    except MemoryError as error:
        raise ThawError(f"{name}: not enough memory to decode it: lower runtime.threads, or remove the file") from error
    except Exception as error:  # decoders fail in every way; what they cannot read is no image
        if isinstance(error, OSError) and error.errno in _NOT_THE_FILES_FAULT:
            raise ThawError(f"{name}: {error.strerror}") from error
        raise UnreadableImageError(_why(error, source)) from error


def _opened(source: Path | bytes) -> PillowImage.Image:
    if isinstance(source, Path):
        return PillowImage.open(source)
    return PillowImage.open(BytesIO(source), formats=FORMATS)


def to_square(image: PillowImage.Image, size: int, resize: Resize) -> Image:
    """Return an image of 8 bits a value and any mode as uint8 RGB [size, size, 3]; what is transparent is white."""
    return np.asarray(_square(_to_rgb(image), size, resize), dtype=np.uint8)


def _why(error: Exception, source: Path | bytes) -> str:
    if isinstance(error, PillowImage.DecompressionBombError):
        return f"{str(error).partition(',')[0]}; make it smaller"  # Pillow goes on about attacks
    if not isinstance(error, UnidentifiedImageError):
        return str(error) or type(error).__name__
    size = source.stat().st_size if isinstance(source, Path) else len(source)
    return "of no image format that is read here" if size else "an empty file (0 bytes)"


def _to_8_bits(image: PillowImage.Image, deep: DeepFile | None, bit_depth: int | None) -> PillowImage.Image:
    return image if deep is None else to_8_bits(image, deep, bit_depth)


def _to_rgb(image: PillowImage.Image) -> PillowImage.Image:
    if image.has_transparency_data:
        layer = image.convert("RGBA")
        return PillowImage.alpha_composite(PillowImage.new("RGBA", layer.size, "white"), layer).convert("RGB")
    return image.convert("RGB")


def _square(image: PillowImage.Image, size: int, resize: Resize) -> PillowImage.Image:
    bilinear = PillowImage.Resampling.BILINEAR
    if resize == "crop":
        return ImageOps.fit(image, (size, size), bilinear)
    if resize == "pad":
        return ImageOps.pad(image, (size, size), bilinear, color=PAD_COLOUR)
    return image.resize((size, size), bilinear, reducing_gap=3.0)
