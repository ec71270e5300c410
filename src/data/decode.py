"""From a file to a square RGB image, whatever its mode, orientation and shape."""

import errno
import warnings
from pathlib import Path
from typing import Literal

import numpy as np
from PIL import Image as PillowImage
from PIL import ImageOps

from src.data.listing import Image, UnreadableImageError
from src.errors import ThawError

Resize = Literal["crop", "stretch", "pad"]

PAD_COLOUR = (128, 128, 128)
_NOT_THE_FILES_FAULT = {errno.EACCES, errno.EPERM, errno.EMFILE, errno.ENFILE, errno.EIO, errno.ENOENT, errno.ENOMEM}

warnings.filterwarnings("ignore", category=PillowImage.DecompressionBombWarning)  # past twice its limit it is an error


def read_image(path: Path, size: int, resize: Resize) -> Image:
    """Decode `path` as uint8 RGB [size, size, 3].

    EXIF orientation is applied; greyscale, palette, CMYK and RGBA become RGB, what is transparent white.

    Raises:
        UnreadableImageError: it is no image, or a damaged or absurdly large one.
    """
    try:
        with PillowImage.open(path) as opened:
            upright = ImageOps.exif_transpose(opened)
            return np.asarray(_square(_to_rgb(upright), size, resize), dtype=np.uint8)
    except Exception as error:  # decoders complain in every way; whatever they cannot read is no image
        if isinstance(error, OSError) and error.errno in _NOT_THE_FILES_FAULT:
            raise ThawError(f"{path}: {error.strerror}") from error
        raise UnreadableImageError(str(error) or type(error).__name__) from error


def _to_rgb(image: PillowImage.Image) -> PillowImage.Image:
    if image.mode == "F":
        raise ValueError("floating-point pixels have no agreed range")
    if image.mode.startswith("I"):
        deep = np.asarray(image)
        image = PillowImage.fromarray((deep >> 8 if deep.max() > 255 else deep).clip(0, 255).astype(np.uint8))
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
