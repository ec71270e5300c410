"""A photo under the map of where a network looked."""

import matplotlib as mpl
import numpy as np
from numpy.typing import NDArray
from PIL import Image as PillowImage

from src.data.listing import Image

_SIDE = 224


def overlaid(square: Image, activation: NDArray[np.float32]) -> PillowImage.Image:
    """Return the image with the map laid over it, warm where the network looked.

    Args:
        square: [side, side, 3], 0–255.
        activation: [height, width], 0–1.
    """
    photo = PillowImage.fromarray(np.asarray(square).clip(0, 255).astype(np.uint8)).resize((_SIDE, _SIDE))
    smooth = PillowImage.fromarray(activation).resize((_SIDE, _SIDE), PillowImage.Resampling.BICUBIC)
    heat = np.asarray(smooth).clip(0, 1)[:, :, np.newaxis]
    colours = 255 * mpl.colormaps["inferno"](heat[:, :, 0])[:, :, :3]
    mixed = np.asarray(photo) * (1 - 0.6 * heat) + colours * 0.6 * heat
    return PillowImage.fromarray(mixed.astype(np.uint8))
