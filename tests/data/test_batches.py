"""Batches: every image once an epoch, in an order that follows from seed and epoch alone."""

from pathlib import Path

import numpy as np
import pytest

from src.config import AugmentConfig
from src.data.batches import epoch_order, evaluation_batches, steps, training_batches
from src.data.dataset import Dataset, load_dataset
from tests.conftest import Compose
from tests.data.test_augment import STRONG, config


@pytest.fixture(scope="module")
def dataset(composed: Compose, photos: Path, tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    folder = composed("data=folder", f"data.root={photos}").data
    return load_dataset(folder, 32, tmp_path_factory.mktemp("cache"), 2, lambda *_: None)


def _epochs(dataset: Dataset, augment: AugmentConfig, first: int, epochs: int, seed: int = 0) -> list[np.ndarray]:
    return [images.numpy() for images, _ in training_batches(dataset, augment, 10, seed, first, epochs)]


def test_every_image_comes_once_an_epoch_with_its_label(dataset: Dataset) -> None:
    batches = list(training_batches(dataset, config(), 10, 0, 0, 1))
    assert [len(images) for images, _ in batches] == [10, 10, 4]
    images = np.concatenate([images.numpy() for images, _ in batches])
    labels = np.concatenate([labels.numpy() for _, labels in batches]).argmax(axis=1)
    train = dataset.splits.train
    position = [int(np.flatnonzero((dataset.pixels[train] == image).all(axis=(1, 2, 3)))[0]) for image in images]
    assert sorted(position) == list(range(24))
    assert labels.tolist() == dataset.labels[train[position]].tolist()


@pytest.mark.parametrize("augment", [config(), STRONG], ids=["plain", "strong"])
def test_a_later_epoch_can_be_had_alone(dataset: Dataset, augment: AugmentConfig) -> None:
    whole = _epochs(dataset, augment, 0, 3)
    for ahead, alone in zip(whole[6:], _epochs(dataset, augment, 2, 1), strict=True):
        np.testing.assert_array_equal(ahead, alone)


def test_epochs_and_seeds_differ_in_order(dataset: Dataset) -> None:
    first, second = _epochs(dataset, config(), 0, 1), _epochs(dataset, config(), 1, 1)
    assert not np.array_equal(first[0], second[0])
    assert not np.array_equal(first[0], _epochs(dataset, config(), 0, 1, seed=1)[0])


def test_two_views_come_back_every_other_epoch(dataset: Dataset) -> None:
    augment = STRONG.model_copy(update={"views": 2})
    sums = [
        sorted(round(float(x.sum())) for batch in _epochs(dataset, augment, epoch, 1) for x in batch)
        for epoch in range(3)
    ]
    assert sums[0] == sums[2] != sums[1]


def test_flipped_images_are_flipped_images(dataset: Dataset) -> None:
    shown = np.concatenate(_epochs(dataset, config(flip=True), 0, 1))
    originals = {image.tobytes() for image in dataset.pixels[dataset.splits.train]}
    mirrored = {image[:, ::-1].tobytes() for image in dataset.pixels[dataset.splits.train]}
    kinds = {image.round().astype(np.uint8).tobytes() for image in shown}
    assert kinds <= originals | mirrored
    assert kinds & originals
    assert kinds & mirrored


def test_evaluation_keeps_the_order_and_the_pixels(dataset: Dataset) -> None:
    images = np.concatenate([images.numpy() for images, _ in evaluation_batches(dataset, "val", 5)])
    np.testing.assert_array_equal(images, dataset.pixels[dataset.splits.val].astype(np.float32))


def test_order_is_a_permutation_and_steps_round_up() -> None:
    assert sorted(epoch_order(100, 3, 5)) == list(range(100))
    assert [steps(count, 32) for count in (1, 32, 33)] == [1, 1, 2]
