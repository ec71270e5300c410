"""On real photos and ImageNet weights: the accuracy that a first user sees, and the post's trap."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import Command


def _train(thaw: Command, photos: Path, weights: Path, output: Path, *overrides: str) -> dict[str, Any]:
    done = thaw(
        "src.train", "backbone=mobilenetv2", "data=folder", f"data.root={photos}", "weights=file",
        f"weights.path={weights}", "weights.alpha=0.35", "image_size=96", f"tracking.uri=sqlite:///{output}/mlflow.db",
        f"hydra.run.dir={output}", "tracking.save_model=false", *overrides,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "val has no photo of 1 of 23 classes: Soy-Milk" in done.stderr
    summary: dict[str, Any] = json.loads((output / "summary.json").read_text())
    return summary


@pytest.mark.slow
def test_two_layers_unfrozen_reach_60_percent(
    thaw: Command, real_photos: Path, real_weights: Path, tmp_path: Path
) -> None:
    summary = _train(thaw, real_photos, real_weights, tmp_path, "unfrozen=2")
    assert summary["best/val_accuracy"] >= 0.60
    assert summary["test/accuracy"] >= 0.60
    assert abs(summary["gap/mode"]) < 0.1


@pytest.mark.slow
def test_the_posts_recipe_misreads_its_own_training_photos(
    thaw: Command, real_photos: Path, real_weights: Path, tmp_path: Path
) -> None:
    trap = ("batchnorm=train", "schedule=post", "learning_rate=0.003", "unfrozen=11")
    summary = _train(thaw, real_photos, real_weights, tmp_path, *trap)
    assert summary["gap/mode"] > 0.15
    assert summary["best/fit_accuracy"] > 0.9


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_the_posts_recipe_has_its_gap_from_mode_and_the_cure_from_generalization(
    thaw: Command, real_photos: Path, real_weights: Path, tmp_path: Path
) -> None:
    done = thaw(
        "src.train", "-cn", "posts_recipe", "data=folder", f"data.root={_without_test(real_photos, tmp_path)}",
        "data.fraction=0.5", "weights=file", f"weights.path={real_weights}", "weights.alpha=0.35", "image_size=96",
        "unfrozen=0,2,11", "seed=0,1,2", "fine_tune_epochs=5", "tracking.save_model=false",
        f"tracking.uri=sqlite:///{tmp_path}/mlflow.db", f"hydra.sweep.dir={tmp_path}/sweep",
        f"runtime.cache_dir={tmp_path}/cache", f"runtime.work_dir={tmp_path}/work", seconds=880,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    report = tmp_path / "sweep" / "report"
    verdict = json.loads((report / "verdict.json").read_text())
    gaps = {each["facet"]: {row["depth"]: row for row in each["gaps"]} for each in verdict["verdicts"]}
    assert [row["mainly"] for row in gaps["batchnorm=train"].values()] == ["generalization", "mode", "mode"]
    assert [row["mainly"] for row in gaps["batchnorm=inference"].values()] == ["generalization"] * 3
    deepest = gaps["batchnorm=train"][11]
    assert deepest["mode"]["estimate"] > 2 * deepest["generalization"]["estimate"]
    page = (report / "report.html").read_text()
    assert "What unfreezing adds to it is mainly mode at 2 and 11 layers (" in page
    assert "The gap between fit and validation is mainly generalization at 0 layers (" in page
    assert "The gap between fit and validation is mainly generalization at 0, 2 and 11 layers (" in page
    assert {"confusion.png", "mistakes.png", "classes.png"} <= set(verdict["figures"])
    assert {"batchnorm_mismatch", "class_imbalance"} <= {finding["name"] for finding in verdict["findings"]}


def _without_test(photos: Path, folder: Path) -> Path:
    """The photos' folder without its test photos, which are most of them and have no say here."""
    root = folder / "photos"
    root.mkdir()
    for split in ("train", "val"):
        (root / split).symlink_to(photos / split)
    return root
