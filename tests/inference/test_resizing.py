"""The resizing that a kept model has inside is Pillow's, value by value."""

from functools import cache
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from src.common.keras_setup import keras
from src.data.decode import Resize, to_square
from src.inference.resizing import resizing

SIDE = 24
SIZES = [(24, 24), (20, 17), (61, 57), (80, 36), (24, 110), (28, 52), (400, 150), (143, 145), (145, 433), (601, 451),
         (3, 340), (340, 1), (1, 1)]  # fmt: skip
"""Width, height: Pillow averages the large ones first, and takes the passes of some in another order."""


@cache
def graph(resize: Resize) -> keras.Model:
    return resizing(SIDE, resize)


@pytest.mark.parametrize("resize", ["stretch", "crop", "pad"])
@pytest.mark.parametrize("size", SIZES)
def test_images_of_every_size_become_what_training_decodes(resize: Resize, size: tuple[int, int]) -> None:
    """Noise: the hardest image."""
    pixels = np.random.default_rng(0).integers(0, 256, (*size[::-1], 3)).astype(np.uint8)
    expected = to_square(Image.fromarray(pixels), SIDE, resize)
    np.testing.assert_array_equal(graph(resize).predict_on_batch(pixels[np.newaxis])[0], expected)


def test_floats_are_rounded_to_whole_levels() -> None:
    pixels = np.random.default_rng(0).integers(1, 255, (2, 40, 50, 3))
    found = graph("stretch").predict_on_batch(pixels + 0.4)
    np.testing.assert_array_equal(found, graph("stretch").predict_on_batch(pixels.astype(np.uint8)))


def test_it_is_saved_and_loaded_without_code(tmp_path: Path) -> None:
    graph("stretch").save(tmp_path / "resizing.keras")
    loaded = keras.saving.load_model(tmp_path / "resizing.keras", safe_mode=True)
    pixels = np.random.default_rng(0).integers(0, 256, (1, 90, 31, 3)).astype(np.uint8)
    np.testing.assert_array_equal(loaded.predict_on_batch(pixels), graph("stretch").predict_on_batch(pixels))
