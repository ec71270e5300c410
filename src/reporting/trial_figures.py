"""A trial's figures: learning curves, confusion matrix, worst mistakes. Drawn without a display."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator
from matplotlib.transforms import offset_copy

from src.common.errors import one_line
from src.reporting.contact_sheet import write_contact_sheet
from src.reporting.style import FIT, LONGEST_NAME, NAME_INCHES, TRAIN, VAL, WIDTH, framed, save_figure, tidy
from src.tracking import schema

if TYPE_CHECKING:  # a study is drawn without TensorFlow
    from src.data.dataset import Dataset
    from src.training.evaluation import Predictions
    from src.training.history import PhaseResult

_MOST_NUMBERS = 250
_NAME_ASIDE = 4  # points between a matrix and its classes' names, however large its cells


def draw_trial_figures(
    phases: "Sequence[PhaseResult]", predictions: "Predictions", dataset: "Dataset", folder: Path
) -> None:
    """Draw all of a trial's figures into the folder `folder`."""
    draw_curves(phases, folder / "curves.png")
    draw_confusion(predictions, dataset.class_names, folder / "confusion.png")
    draw_mistakes(predictions, dataset, folder / "mistakes.png")
    if dataset.near_duplicates.pairs:
        draw_near_duplicates(dataset, folder / "near_duplicates.png")


def draw_curves(phases: "Sequence[PhaseResult]", path: Path) -> None:
    """Draw accuracy and loss by epoch: fit (training mode), val, and train (inference mode) where it was measured."""
    figure = framed(3.4, WIDTH, left=0.55, bottom=0.45)
    left, right = figure.subplots(1, 2)
    _curve(left, phases, "accuracy")
    _curve(right, phases, "loss")
    left.legend(fontsize=7, frameon=False)
    save_figure(figure, path)


def draw_confusion(predictions: "Predictions", class_names: Sequence[str], path: Path) -> None:
    """Validation photos by true class (rows) and predicted class (columns)."""
    matrix = predictions.confusion()
    inches = min(12.0, 3 + 0.28 * len(class_names))
    figure = framed(inches, inches, left=NAME_INCHES + 0.2, bottom=NAME_INCHES + 0.2, top=0.1)
    axes = figure.subplots()
    axes.imshow(matrix, cmap="Greens", vmin=0)
    _name_classes(axes, class_names)
    cells = np.argwhere(matrix)
    if len(class_names) <= 30 and len(cells) <= _MOST_NUMBERS:
        for row, column in cells:
            light = matrix[row, column] > matrix.max() / 2
            axes.text(
                column, row, str(matrix[row, column]), ha="center", va="center", size=7, color="w" if light else "k"
            )
    axes.set_xlabel("predicted", labelpad=72 * NAME_INCHES)
    axes.set_ylabel("true", labelpad=72 * NAME_INCHES)
    save_figure(figure, path)


def draw_mistakes(predictions: "Predictions", dataset: "Dataset", path: Path, count: int = 12) -> None:
    """Draw the validation photos that were misread with most confidence."""
    worst = predictions.worst(count)
    photos = [dataset.pixels[predictions.indices[position]] for position in worst]
    captions = [_caption(predictions, dataset.class_names, int(position)) for position in worst]
    write_contact_sheet(photos, captions, 4, path, "No mistake on the validation photos")


def draw_near_duplicates(dataset: "Dataset", path: Path, count: int = 12) -> None:
    """Draw the nearest pairs across splits, side by side."""
    pairs = dataset.near_duplicates.examples[:count]
    photos = [np.hstack([dataset.pixels[pair.first], dataset.pixels[pair.second]]) for pair in pairs]
    captions = [
        f"{pair.first_split} {_end(pair.first_name)}\n{pair.second_split} {_end(pair.second_name)}" for pair in pairs
    ]
    write_contact_sheet(photos, captions, 3, path, "No near-equal photos across splits")


def _curve(axes: Axes, phases: "Sequence[PhaseResult]", name: str) -> None:
    records = [record for phase in phases for record in phase.epochs]
    epochs = [record.epoch for record in records]
    fit, train, val = (schema.of_split(split, name) for split in (schema.FIT, schema.TRAIN, schema.VAL))
    axes.plot(epochs, [r.metrics[fit] for r in records], color=FIT, marker=".", label="fit (training mode)")
    axes.plot(epochs, [r.metrics[val] for r in records], color=VAL, marker=".", label="val")
    train_scores = sorted((epoch, values[train]) for phase in phases for epoch, values in phase.train.items())
    axes.plot(*zip(*train_scores, strict=True), "D", color=TRAIN, label="train (inference mode)")
    for phase in phases:
        start = phase.epochs[0].epoch - 0.5
        axes.axvline(start, color="k", linewidth=0.5, linestyle=":")
        label = _short(phase.name.replace("_", " "))
        axes.text(start, 1.01, f" {label}", transform=axes.get_xaxis_transform(), size=7, parse_math=False)
    axes.axvline(phases[-1].best_epoch, color=VAL, linewidth=0.5)
    axes.set(xlabel="epoch", ylabel=name)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True, nbins=6))
    axes.yaxis.set_major_locator(MaxNLocator(nbins=5))
    tidy(axes)


def _name_classes(axes: Axes, class_names: Sequence[str]) -> None:
    """Write the names where ticks would be: each tick costs as much as ten pieces of text."""
    axes.set(xticks=(), yticks=())
    figure, count = axes.get_figure(root=True), len(class_names)
    below = offset_copy(axes.get_xaxis_transform(), figure, y=-_NAME_ASIDE, units="points")
    beside = offset_copy(axes.get_yaxis_transform(), figure, x=-_NAME_ASIDE, units="points")
    for k in range(0, count, max(1, count // 40)):
        name = _short(class_names[k])
        axes.text(k, 0, name, rotation=90, size=7, ha="center", va="top", parse_math=False, transform=below)
        axes.text(0, k, name, size=7, ha="right", va="center", parse_math=False, transform=beside)


def _caption(predictions: "Predictions", class_names: Sequence[str], position: int) -> str:
    true, guess = predictions.labels[position], predictions.predicted[position]
    confidence = predictions.probabilities[position, guess]
    return f"{_short(class_names[true])}\nread as {_short(class_names[guess])}, {confidence:.0%}"


def _short(name: str) -> str:
    return one_line(name, LONGEST_NAME)


def _end(name: str) -> str:
    """Return a path's end, where photos differ."""
    shown = one_line(name, 1000)
    return shown if len(shown) <= 2 * LONGEST_NAME else "…" + shown[1 - 2 * LONGEST_NAME :]
