"""A trial's figures: learning curves, confusion matrix, worst mistakes. Drawn without a display."""

import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from src.errors import one_line

if TYPE_CHECKING:  # a study is drawn without TensorFlow
    from src.data.dataset import Dataset
    from src.training.evaluation import Predictions
    from src.training.records import PhaseResult

_LONGEST_NAME = 18
FIT, VAL, TRAIN = "#888888", "#0b6e4f", "#c8553d"


def draw_curves(phases: "Sequence[PhaseResult]", path: Path) -> None:
    """Accuracy and loss by epoch: fit (training mode), val, and train (inference mode) where it was measured."""
    figure = Figure(figsize=(9, 3.6), layout="constrained")
    for axes, name in zip(figure.subplots(1, 2), ("accuracy", "loss"), strict=True):
        _curve(axes, phases, name)
    save_figure(figure, path)


def draw_confusion(predictions: "Predictions", class_names: Sequence[str], path: Path) -> None:
    """Validation photos by true class (rows) and predicted class (columns)."""
    matrix = predictions.confusion()
    side = min(12.0, 3 + 0.28 * len(class_names))
    figure = Figure(figsize=(side, side), layout="constrained")
    axes = figure.subplots()
    axes.imshow(matrix, cmap="Greens")
    _name_classes(axes, class_names)
    if len(class_names) <= 30:
        for row, column in np.argwhere(matrix):
            light = matrix[row, column] > matrix.max() / 2
            axes.text(
                column, row, str(matrix[row, column]), ha="center", va="center", size=7, color="w" if light else "k"
            )
    axes.set(xlabel="predicted", ylabel="true", title="Validation")
    save_figure(figure, path)


def draw_mistakes(predictions: "Predictions", dataset: "Dataset", path: Path, count: int = 12) -> None:
    """The validation photos that were misread with most confidence."""
    worst = predictions.worst(count)
    figure = Figure(figsize=(9, 2.5 * max(1, -(-worst.size // 4))), layout="constrained")
    if not worst.size:
        figure.text(0.5, 0.5, "No mistake on the validation photos", ha="center", va="center")
    grid = np.ravel(figure.subplots(max(1, -(-worst.size // 4)), 4))
    for axes in grid:
        axes.set_axis_off()
    for axes, position in zip(grid, worst, strict=False):
        axes.imshow(dataset.pixels[predictions.indices[position]])
        axes.set_title(_caption(predictions, dataset.class_names, int(position)), size=8, parse_math=False)
    save_figure(figure, path)


def _curve(axes: Axes, phases: "Sequence[PhaseResult]", name: str) -> None:
    records = [record for phase in phases for record in phase.epochs]
    epochs = [record.epoch for record in records]
    axes.plot(epochs, [r.metrics[f"fit/{name}"] for r in records], color=FIT, marker=".", label="fit (training mode)")
    axes.plot(epochs, [r.metrics[f"val/{name}"] for r in records], color=VAL, marker=".", label="val")
    measured = sorted((epoch, values[f"train/{name}"]) for phase in phases for epoch, values in phase.train.items())
    axes.plot(*zip(*measured, strict=True), "D", color=TRAIN, label="train (inference mode)")
    for phase in phases:
        start = phase.epochs[0].epoch - 0.5
        axes.axvline(start, color="k", linewidth=0.5, linestyle=":")
        label = _short(phase.name.replace("_", " "))
        axes.text(start, 1.01, f" {label}", transform=axes.get_xaxis_transform(), size=7, parse_math=False)
    axes.axvline(phases[-1].best_epoch, color=VAL, linewidth=0.5)
    axes.set(xlabel="epoch", ylabel=name)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.legend(fontsize=7)


def _name_classes(axes: Axes, class_names: Sequence[str]) -> None:
    ticks = np.arange(len(class_names))[:: max(1, len(class_names) // 40)]
    shown = [_short(class_names[k]) for k in ticks]
    axes.set_xticks(ticks, shown, rotation=90, size=7, parse_math=False)
    axes.set_yticks(ticks, shown, size=7, parse_math=False)


def _caption(predictions: "Predictions", class_names: Sequence[str], position: int) -> str:
    true, guess = predictions.labels[position], predictions.predicted[position]
    confidence = predictions.probabilities[position, guess]
    return f"{_short(class_names[true])}\nread as {_short(class_names[guess])}, {confidence:.0%}"


def save_figure(figure: Figure, path: Path) -> None:
    """Write `figure` to `path`, without a word on characters that no font has."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Glyph")  # a class may be called by an emoji that no font has
        figure.savefig(path)


def _short(name: str) -> str:
    return one_line(name, _LONGEST_NAME)
