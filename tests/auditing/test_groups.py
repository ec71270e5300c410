"""Bursts: by look, by capture time, by what the data state; and patterns of names that fit them."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from src.auditing.groups import Groups, find_groups, infer_pattern
from src.auditing.image_facts import AuditedImages, load_images
from src.common.events import ignore
from src.data.duplicates import near_pairs
from src.demo.trees.tree import draw_tree
from tests.conftest import Compose, machine


def save(path: Path, scene: int, light: float = 1.0, taken: str = "") -> None:
    tree = draw_tree(scene % 23, scene, seed=0, size=64, difficulty=0.5)
    image = Image.fromarray((tree * light).astype(np.uint8))
    exif = Image.Exif()
    if taken:
        exif.get_ifd(0x8769)[0x9003] = taken
    path.parent.mkdir(parents=True, exist_ok=True)
    image.save(path, quality=90, exif=exif)


def grouped(composed: Compose, root: Path, cache: Path, *overrides: str) -> tuple[AuditedImages, Groups]:
    config = composed("data=folder", f"data.root={root}", *overrides).data
    images = load_images(config, 64, machine(cache), ignore)
    readable = images.readable
    pairs = near_pairs(images.store.hashes[readable])
    return images, find_groups(images, np.column_stack([readable[pairs[:, :2]], pairs[:, 2]]))


def names(images: AuditedImages, groups: Groups) -> set[frozenset[str]]:
    return {frozenset(images.samples[i].name for i in group) for group in groups.members}


@pytest.fixture
def bursts(tmp_path: Path) -> Path:
    """Two classes of five scenes, each taken three times in another light."""
    for k, label in enumerate(("ash", "birch")):
        for scene in range(5):
            for shot in range(3):
                save(tmp_path / "p" / label / f"{label}_{scene}_{shot:03}.jpg", 5 * k + scene, 1 - 0.05 * shot)
    return tmp_path / "p"


def test_the_pattern_that_fits_the_names_is_inferred_and_can_be_used(
    composed: Compose, bursts: Path, tmp_path: Path
) -> None:
    images, groups = grouped(composed, bursts, tmp_path / "cache")
    assert {len(group) for group in groups.members} == {3}
    pattern = infer_pattern(images, groups)
    assert pattern is not None
    assert (pattern.kept_together, pattern.groups) == (1.0, 10)
    again, _ = grouped(composed, bursts, tmp_path / "cache", f"data.group_pattern='{pattern.text}'")
    assert {sample.group for sample in again.samples} == {f"{k}/{k}_{s}" for k in ("ash", "birch") for s in range(5)}


def test_no_pattern_is_offered_that_parts_its_groups_over_stated_splits(
    composed: Compose, bursts: Path, tmp_path: Path
) -> None:
    for label in ("ash", "birch"):
        for split, shots in (("train", "01"), ("val", "2")):
            for path in sorted((bursts / label).glob("*.jpg")):
                if path.stem[-1] in shots:
                    target = tmp_path / "split" / split / label / path.name
                    target.parent.mkdir(parents=True, exist_ok=True)
                    target.write_bytes(path.read_bytes())
    images, groups = grouped(composed, tmp_path / "split", tmp_path / "cache")
    assert len(groups.members) == 10
    assert infer_pattern(images, groups) is None


def test_images_taken_within_two_seconds_are_a_burst(composed: Compose, tmp_path: Path) -> None:
    for label, first in (("ash", 0), ("birch", 10)):
        for i, seconds in enumerate((0, 1, 30, 50, 0)):
            taken = f"2024:05:01 12:00:{seconds:02}" if i < 4 else "0000:00:00 00:00:00"
            save(tmp_path / "p" / label / f"{i}.jpg", first + i, taken=taken)
    images, groups = grouped(composed, tmp_path / "p", tmp_path / "cache")
    assert names(images, groups) == {frozenset({f"{label}/0.jpg", f"{label}/1.jpg"}) for label in ("ash", "birch")}
