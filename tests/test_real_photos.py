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
