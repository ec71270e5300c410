"""Figures: drawn whatever the classes are called, and in little time."""

from itertools import combinations
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from PIL import Image

from src.data.duplicates import NearDuplicates, Pair
from src.reporting.trial_figures import draw_confusion, draw_curves, draw_mistakes, draw_near_duplicates
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


@pytest.mark.parametrize("count", [2, 3, 20, 60])
def test_class_names_are_whole_and_clear_of_one_another(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, count: int
) -> None:
    drawn: list[Figure] = []
    monkeypatch.setattr(Figure, "savefig", lambda figure, *_, **__: drawn.append(figure))
    found = Predictions(np.arange(count), np.arange(count), np.eye(count, dtype=np.float32))
    draw_confusion(found, [f"{k:02} WIDE CLASS NAME" for k in range(count)], tmp_path / "confusion.png")
    FigureCanvasAgg(drawn[0]).draw()
    (axes,) = drawn[0].axes
    names = [text for text in axes.texts if "WIDE" in text.get_text()]
    boxes = [text.get_window_extent() for text in (*names, axes.xaxis.label, axes.yaxis.label)]
    assert len(names) == 2 * count
    whole = drawn[0].bbox
    assert all(whole.x0 <= box.x0 and whole.y0 <= box.y0 and box.x1 <= whole.x1 and box.y1 <= whole.y1 for box in boxes)
    assert not any(one.overlaps(other) for one, other in combinations([*boxes, axes.get_window_extent()], 2))


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
