"""Near-equal photos across splits: found after what cameras and tools do to copies, and nowhere else."""

import io
import shutil
import time
from collections.abc import Callable
from itertools import combinations
from pathlib import Path

import numpy as np
import pytest
from PIL import Image as PillowImage

from src.common.errors import ThawError
from src.data.dataset import Dataset
from src.data.duplicates import RADIUS, NearDuplicates, near_duplicates, perceptual_hash
from src.data.listing import Image
from src.data.split import Splits
from src.demo.trees.tree import draw_tree
from tests.conftest import Compose, make_photos, read_dataset

TREES = [draw_tree(species, number, seed=0, size=96, difficulty=0.5) for species in range(23) for number in range(4)]


def bits(one: Image, other: Image) -> int:
    return int(np.bitwise_count(perceptual_hash(one) ^ perceptual_hash(other)).sum())


def recompressed(image: Image) -> Image:
    file = io.BytesIO()
    PillowImage.fromarray(image).save(file, "JPEG", quality=30)
    return np.asarray(PillowImage.open(file))


def cropped(image: Image) -> Image:
    side, edge = len(image), round(0.01 * len(image))
    inner = PillowImage.fromarray(image[edge : side - edge, edge : side - edge])
    return np.asarray(inner.resize((side, side)))


def noisy(image: Image) -> Image:
    noise = np.random.default_rng(0).normal(0, 10, image.shape)
    return (image + noise).clip(0, 255).astype(np.uint8)


def halved(image: Image) -> Image:
    side = len(image) // 2
    return np.asarray(PillowImage.fromarray(image).resize((side, side)))


@pytest.mark.parametrize(
    "copied", [np.copy, recompressed, cropped, noisy, halved, lambda image: (0.8 * image).astype(np.uint8)],
    ids=["copied", "recompressed", "cropped", "noisy", "halved", "darker"],
)  # fmt: skip
def test_copies_are_near(copied: Callable[[Image], Image]) -> None:
    assert max(bits(tree, copied(tree)) for tree in TREES) <= RADIUS


def test_other_trees_of_the_same_species_are_not_near() -> None:
    assert min(bits(one, other) for one, other in combinations(TREES, 2)) > RADIUS + 10


def look(hashes: np.ndarray[tuple[int, int], np.dtype[np.uint64]], splits: Splits, folder: Path) -> NearDuplicates:
    return near_duplicates(hashes, splits, [f"photo {i}" for i in range(len(hashes))], folder / "memo.json")


def random_hashes(count: int) -> np.ndarray[tuple[int, int], np.dtype[np.uint64]]:
    return np.random.default_rng(0).integers(0, 2**64, (count, 4), dtype=np.uint64)


def as_splits(*parts: list[int]) -> Splits:
    return Splits(*(np.array(part, np.int64) for part in parts))


def test_pairs_are_what_counting_bit_by_bit_finds(tmp_path: Path) -> None:
    rng, hashes = np.random.default_rng(2), random_hashes(60)
    for copy, original in zip(range(30, 60), rng.integers(0, 30, 30), strict=True):
        turned = np.packbits(rng.permutation(256) < rng.integers(0, 2 * RADIUS)).view(np.uint64)
        hashes[copy] = hashes[original] ^ turned
    parts = [part.tolist() for part in np.array_split(rng.permutation(60), 3)]
    of = {photo: split for split, part in zip(("train", "val", "test"), parts, strict=True) for photo in part}
    expected = {
        frozenset((i, j)) for i, j in combinations(range(60), 2)
        if of[i] != of[j] and sum(bin(int(word)).count("1") for word in hashes[i] ^ hashes[j]) <= RADIUS
    }  # fmt: skip
    found = look(hashes, as_splits(*parts), tmp_path)
    assert found.pairs == len(expected) > 5
    assert found.photos == len({photo for pair in expected for photo in pair if of[photo] != "train"})
    assert {frozenset((pair.first, pair.second)) for pair in found.examples} <= expected
    for pair in found.examples:
        assert (pair.first_split, pair.second_split) == (of[pair.first], of[pair.second])
        assert pair.first_name == f"photo {pair.first}"


def test_what_was_looked_for_is_remembered(tmp_path: Path) -> None:
    hashes, splits = random_hashes(4), as_splits([0, 1], [2], [3])
    hashes[2] = hashes[0]
    found = look(hashes, splits, tmp_path)
    assert found.pairs == 1
    assert look(np.zeros_like(hashes), splits, tmp_path) == found
    (tmp_path / "memo.json").write_text("{")
    assert look(random_hashes(4), splits, tmp_path).pairs == 0


def test_no_test_split_and_no_photo_alike(tmp_path: Path) -> None:
    assert look(random_hashes(3), as_splits([0, 1], [2], []), tmp_path) == NearDuplicates()


def test_twenty_thousand_photos_take_seconds(tmp_path: Path) -> None:
    order = np.random.default_rng(1).permutation(20_000).tolist()
    hashes = random_hashes(20_000)
    parts = order[:12_000], order[12_000:16_000], order[16_000:]
    hashes[parts[1][:50]] = hashes[parts[0][:50]]
    began = time.perf_counter()
    found = look(hashes, as_splits(*parts), tmp_path)
    assert time.perf_counter() - began < 20
    assert (found.pairs, found.photos) == (50, 50)


def test_a_data_set_of_copies_fits_into_memory_and_time(tmp_path: Path) -> None:
    hashes = np.repeat(random_hashes(1), 9000, axis=0)
    began = time.perf_counter()
    found = look(hashes, as_splits(list(range(6000)), list(range(6000, 9000)), []), tmp_path)
    assert time.perf_counter() - began < 20
    assert (found.pairs, found.photos, len(found.examples)) == (18_000_000, 3000, 12)


@pytest.fixture
def leaking(tmp_path: Path) -> Path:
    """Photos of which one of train is in val too, recompressed."""
    root = make_photos(tmp_path / "p", {"train": 6, "val": 3})
    for k, tree in enumerate(TREES[:3]):
        PillowImage.fromarray(tree).save(root / "train" / "ash" / f"tree{k}.png")
    PillowImage.fromarray(recompressed(TREES[0])).save(root / "val" / "ash" / "copy.png")
    return root


def test_what_has_its_like_in_a_later_split_is_left_out_on_demand(
    composed: Compose, leaking: Path, tmp_path: Path
) -> None:
    def load(drop: str) -> Dataset:
        config = composed("data=folder", f"data.root={leaking}", f"data.near_duplicates={drop}").data
        return read_dataset(config, 64, tmp_path / "cache")

    kept, dropped = load("keep"), load("drop")
    (gone,) = set(kept.splits.train) - set(dropped.splits.train)
    assert kept.names[gone] == "train/ash/tree0.png"
    assert dropped.splits.val.tolist() == kept.splits.val.tolist()
    assert dropped.near_duplicates.pairs == 0
    assert dropped.fingerprint != kept.fingerprint
    assert dropped.warnings == ("left out: 1 photos with a near-duplicate in a later split",)


def test_a_class_that_has_no_photo_left_is_named(composed: Compose, leaking: Path, tmp_path: Path) -> None:
    shutil.rmtree(leaking / "val" / "birch")
    shutil.copytree(leaking / "train" / "birch", leaking / "val" / "birch")
    config = composed("data=folder", f"data.root={leaking}", "data.near_duplicates=drop").data
    with pytest.raises(ThawError, match=r"data\.near_duplicates=drop leaves no photo of birch in train"):
        read_dataset(config, 64, tmp_path / "cache")


def test_nothing_left_to_train_on_is_told(composed: Compose, tmp_path: Path) -> None:
    root = make_photos(tmp_path / "p", {"train": 3})
    shutil.copytree(root / "train", root / "val")
    config = composed("data=folder", f"data.root={root}", "data.near_duplicates=drop").data
    with pytest.raises(ThawError, match=r"data\.near_duplicates=drop: no photo of train"):
        read_dataset(config, 64, tmp_path / "cache")


def test_a_photo_of_train_in_val_is_warned_of_by_name(composed: Compose, leaking: Path, tmp_path: Path) -> None:
    config = composed("data=folder", f"data.root={leaking}").data
    dataset = read_dataset(config, 64, tmp_path / "cache")
    assert dataset.near_duplicates.pairs == 1
    (warning,) = [line for line in dataset.warnings if "near-equal" in line]
    assert "train/ash/tree0.png and val/ash/copy.png; name such groups" in warning
