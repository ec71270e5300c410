"""Which image comes when, and how it looks then: functions of seed, epoch and view alone."""

from pathlib import Path

import numpy as np
import pytest

from src.config import AugmentConfig
from src.data.batches import epoch_order, images_shown
from src.data.dataset import Dataset
from tests.conftest import Compose, read_dataset
from tests.data.test_augment import STRONG, config


@pytest.fixture(scope="module")
def dataset(composed: Compose, photos: Path, tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    folder = composed("data=folder", f"data.root={photos}").data
    return read_dataset(folder, 32, tmp_path_factory.mktemp("cache"))


def _shown(dataset: Dataset, augment: AugmentConfig, view: int, seed: int = 0) -> np.ndarray:
    return images_shown(dataset, dataset.splits.train, augment, seed, view)


def test_an_image_that_no_view_changes_is_its_pixels(dataset: Dataset) -> None:
    indices = dataset.splits.val[[3, 0, 3]]
    images = images_shown(dataset, indices, config(), 0, 7)
    assert images.dtype == np.float32
    np.testing.assert_array_equal(images, dataset.pixels[indices])


def test_a_view_is_the_same_in_whatever_company(dataset: Dataset) -> None:
    together = _shown(dataset, STRONG, 2)
    for place in (0, 5, 23):
        alone = images_shown(dataset, dataset.splits.train[[place]], STRONG, 0, 2)
        np.testing.assert_array_equal(alone[0], together[place])


def test_views_and_seeds_differ(dataset: Dataset) -> None:
    first = _shown(dataset, STRONG, 0)
    np.testing.assert_array_equal(first, _shown(dataset, STRONG, 0))
    assert not np.array_equal(first, _shown(dataset, STRONG, 1))
    assert not np.array_equal(first, _shown(dataset, STRONG, 0, seed=1))


def test_flipped_images_are_flipped_images(dataset: Dataset) -> None:
    shown = _shown(dataset, config(flip=True), 0)
    originals = {image.tobytes() for image in dataset.pixels[dataset.splits.train]}
    mirrored = {image[:, ::-1].tobytes() for image in dataset.pixels[dataset.splits.train]}
    kinds = {image.round().astype(np.uint8).tobytes() for image in shown}
    assert kinds <= originals | mirrored
    assert kinds & originals
    assert kinds & mirrored


def test_orders_are_permutations_that_differ_by_epoch_and_seed() -> None:
    assert sorted(epoch_order(100, 3, 5)) == list(range(100))
    assert len({tuple(epoch_order(100, seed, epoch)) for seed in (0, 1) for epoch in (0, 1)}) == 4
