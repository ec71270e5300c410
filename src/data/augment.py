"""Random views of an image: a pure function of seed, image and view, not of the batch or process."""

import numpy as np
from numpy.typing import NDArray

from src.config import AugmentConfig

AS_THEY_ARE = AugmentConfig(flip=False, rotation=0, zoom=0, crop=0, shift=0, brightness=0, views=1)


def view_number(config: AugmentConfig, epoch: int) -> int:
    """Return the number of the view at epoch `epoch` (0, 1, …): a new one each epoch, or `config.views` in turn."""
    return epoch if config.views is None else epoch % config.views


def view_parameters(
    config: AugmentConfig, image_size: int, seed: int, digests: NDArray[np.uint64], view: int
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return the parameters of view `view` for images of `image_size` px.

    Args:
        config: how far views may differ from the image.
        image_size: of the images, px.
        seed: the trial's.
        digests: uint64 [images], what names each image.
        view: 0, 1, …

    Returns:
        Projective transforms float32 [images, 8], from output to input pixels as in TensorFlow's
        ImageProjectiveTransformV3, and brightness factors float32 [images].
    """
    draws = np.stack([_uniform(seed, int(digest), view) for digest in digests])
    flip, angle, scale, window, left, top, across, down, light = draws.T
    mirror = np.where(flip < 0 if config.flip else np.zeros(len(draws), bool), -1.0, 1.0)
    radians = np.deg2rad(config.rotation) * angle
    window_size = 1 - config.crop * (window + 1) / 2
    size = window_size / (1 + config.zoom * scale)
    cosine, sine = size * np.cos(radians), size * np.sin(radians)
    room, centre = (1 - window_size) * image_size / 2, (image_size - 1) / 2
    centre_x = centre + room * left - config.shift * image_size * across
    centre_y = centre + room * top - config.shift * image_size * down
    rows = [
        mirror * cosine, -sine, centre_x - centre * (mirror * cosine - sine),
        mirror * sine, cosine, centre_y - centre * (mirror * sine + cosine),
        np.zeros(len(draws)), np.zeros(len(draws)),
    ]  # fmt: skip
    return np.stack(rows, axis=1).astype(np.float32), (1 + config.brightness * light).astype(np.float32)


def _uniform(seed: int, digest: int, view: int) -> NDArray[np.float64]:
    """Return nine numbers in [-1, 1) that follow from the arguments alone (counter-based: Salmon et al. 2011)."""
    generator = np.random.Generator(np.random.Philox(key=np.array([seed, digest], np.uint64), counter=view))
    return generator.uniform(-1, 1, 9)
