"""The listing of generated trees: how many, which ones, and always the same ones."""

from pathlib import Path

import numpy as np
import pytest

from src.common.errors import ThawError
from src.demo.trees.trees_listing import list_trees
from tests.conftest import Command, Compose, read_dataset


def test_the_full_set_has_the_posts_number_of_images_in_every_species(composed: Compose) -> None:
    listing = list_trees(composed("data=trees_full").data, 96)  # type: ignore[arg-type]
    labels, counts = np.unique([sample.label for sample in listing.samples], return_counts=True)
    assert (len(listing.samples), len(labels)) == (4804, 23)
    assert set(counts) == {208, 209}


def test_more_images_leave_the_first_as_they_were(composed: Compose) -> None:
    few = list_trees(composed("data.train_images=2").data, 32)  # type: ignore[arg-type]
    many = list_trees(composed("data.train_images=5").data, 32)  # type: ignore[arg-type]
    assert set(few.stamps) < set(many.stamps)
    i, j = (listing.stamps.index(few.stamps[3]) for listing in (few, many))
    np.testing.assert_array_equal(few.read(i, 32), many.read(j, 32))


def test_splits_share_no_tree(composed: Compose) -> None:
    listing = list_trees(composed("data.classes=3").data, 32)  # type: ignore[arg-type]
    assert len(set(listing.stamps)) == len(listing.samples) == 3 * 49


@pytest.mark.parametrize("side", [31, 513])
def test_a_size_out_of_range_is_refused(composed: Compose, side: int) -> None:
    with pytest.raises(ThawError, match="trees are drawn at 32 to 512 px"):
        list_trees(composed().data, side)  # type: ignore[arg-type]


FEW = ("data.classes=2", "data.train_images=4", "data.val_images=2", "data.test_images=1")


def test_the_core_finds_the_lister_by_its_name(composed: Compose, tmp_path: Path) -> None:
    dataset = read_dataset(composed(*FEW).data, 32, tmp_path)
    assert dataset.describe() == "trees drawn by formula: 2 classes, 8 train, 4 val, 2 test"
    assert dataset.names[:2] == ("train/english-oak/00000", "train/english-oak/00001")


@pytest.mark.slow
def test_worker_processes_draw_trees(thaw: Command, tmp_path: Path) -> None:
    result = thaw(
        "src.train", "-m", "backbone=lenet5", "image_size=32", "epochs=1", "fine_tune_epochs=1", "seed=0,1", *FEW,
        "hydra/launcher=joblib", "hydra.launcher.n_jobs=2", "runtime.threads=1", "tracking.save_model=false",
        f"runtime.cache_dir={tmp_path / 'cache'}", f"runtime.work_dir={tmp_path / 'work'}",
        f"tracking.uri=sqlite:///{tmp_path / 'mlflow.db'}", f"hydra.sweep.dir={tmp_path / 'out'}",
    )  # fmt: skip
    assert result.returncode == 0, result.stderr
    assert len(list(tmp_path.glob("out/*/summary.json"))) == 2


def test_the_drawing_has_not_changed_under_its_version(composed: Compose) -> None:
    """Cached pixels are found by version: if this fails, raise DRAWING_VERSION and put the new numbers here."""
    image = list_trees(composed().data, 32).read(40, 32)  # type: ignore[arg-type]
    corners = image.reshape(2, 16, 2, 16, 3).mean(axis=(1, 3)).round().astype(int)
    assert np.abs(corners - GOLDEN).max() <= 2


GOLDEN = np.array([[[150, 187, 212], [152, 184, 178]], [[144, 144, 125], [137, 137, 117]]])
