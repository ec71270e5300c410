"""Figures: drawn whatever the classes are called, and in little time."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from PIL import Image

from src.data.duplicates import NearDuplicates, Pair
from src.reporting.figures import draw_confusion, draw_curves, draw_mistakes, draw_near_duplicates
from src.training.evaluation import Predictions
from src.training.phase import EpochRecord, PhaseResult

NAMES = ("<b>$\\frac{1$", "a,b\n\x1b[31m", "\U0001f333" * 40, "plain")


def predictions(right: bool) -> Predictions:
    generator = np.random.default_rng(0)
    labels = generator.integers(0, 4, 40)
    probabilities = generator.dirichlet(np.ones(4), 40).astype(np.float32)
    if right:
        probabilities = np.eye(4, dtype=np.float32)[labels]
    return Predictions(np.arange(40), labels, probabilities)


@pytest.mark.parametrize("right", [False, True], ids=["mistakes", "no mistake"])
def test_confusion_and_mistakes(tmp_path: Path, right: bool) -> None:
    dataset: Any = SimpleNamespace(pixels=np.zeros((40, 32, 32, 3), np.uint8), class_names=NAMES)
    draw_confusion(predictions(right), NAMES, tmp_path / "confusion.png")
    draw_mistakes(predictions(right), dataset, tmp_path / "mistakes.png")
    for name in ("confusion", "mistakes"):
        with Image.open(tmp_path / f"{name}.png") as image:
            assert min(image.size) > 200
            assert len(image.convert("RGB").getcolors(2**20) or []) > 2


@pytest.mark.parametrize("count", [1, 3, 12])
def test_near_duplicates(tmp_path: Path, count: int) -> None:
    pairs = tuple(Pair(k, k + 1, f"train/{NAMES[k % 4]}" * 9, "b.jpg", "train", "val") for k in range(count))
    near = NearDuplicates(count, count, pairs)
    dataset: Any = SimpleNamespace(pixels=np.zeros((40, 32, 32, 3), np.uint8), near_duplicates=near)
    draw_near_duplicates(dataset, tmp_path / "near.png")
    with Image.open(tmp_path / "near.png") as image:
        assert image.width > 700


@pytest.mark.parametrize("epochs", [1, 12])
def test_curves(tmp_path: Path, epochs: int) -> None:
    record = {"fit/accuracy": 0.5, "fit/loss": 1.0, "val/accuracy": 0.4, "val/loss": 1.2}
    depth: Any = None
    phases = [
        PhaseResult(
            "one_$phase", depth, tuple(EpochRecord(e, 0, record, 1.0) for e in range(epochs)), 0, {0: _train()}
        ),
        PhaseResult("two", depth, (EpochRecord(epochs, 1, record, 1.0),), epochs, {epochs: _train()}),
    ]
    draw_curves(phases, tmp_path / "curves.png")
    with Image.open(tmp_path / "curves.png") as image:
        assert image.width > image.height > 200


def _train() -> dict[str, float]:
    return {"train/accuracy": 0.6, "train/loss": 0.9}
