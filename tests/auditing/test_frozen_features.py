"""Frozen features of many images: read a block at a time, of the images that are asked for."""

import tracemalloc
from pathlib import Path

import numpy as np
from numpy.lib.format import open_memmap
from numpy.typing import NDArray

from src.auditing.frozen_features import Features, frozen_features
from src.common.events import ignore
from src.config import TrialConfig
from src.models import runtime  # noqa: F401 - what TensorFlow's import takes is not the audit's
from src.trial.plan import pretrained_of
from tests.conftest import Compose


def features(trial: TrialConfig, pixels: NDArray[np.uint8], indices: NDArray[np.int64]) -> Features:
    spec, weights, _ = pretrained_of(trial)
    return frozen_features(pixels, indices, spec, weights, trial.runtime, ignore)


def test_the_pixels_of_20_000_images_are_not_copied_into_memory(
    composed: Compose, tiny: tuple[str, ...], tmp_path: Path
) -> None:
    pixels = open_memmap(tmp_path / "pixels.npy", "w+", np.uint8, (20_000, 32, 32, 3))
    trial = composed(*tiny)
    tracemalloc.start()
    found = features(trial, pixels, np.arange(len(pixels)))
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert most - 3 * found.nbytes < pixels.nbytes / 2
    assert found.shape[0] == len(pixels)


def test_features_are_of_the_images_that_are_asked_for(composed: Compose, tiny: tuple[str, ...]) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (6, 32, 32, 3)).astype(np.uint8)
    some = np.array([1, 4, 5])
    trial = composed(*tiny)
    np.testing.assert_array_equal(features(trial, pixels, some), features(trial, pixels, np.arange(6))[some])
