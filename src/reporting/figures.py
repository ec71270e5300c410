"""A trial's figures: learning curves, confusion matrix, worst mistakes. Drawn without a display."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from src.errors import one_line
from src.reporting.style import FIT, TRAIN, VAL, WIDTH, framed, save_figure, tidy

if TYPE_CHECKING:  # a study is drawn without TensorFlow
    from src.data.dataset import Dataset
    from src.data.listing import Image
    from src.training.evaluation import Predictions
    from src.training.records import PhaseResult

_LONGEST_NAME = 18
_MOST_CLASSES = 40
_MOST_NUMBERS = 250
_NAME_INCHES = 1.25


def draw_curves(phases: "Sequence[PhaseResult]", path: Path) -> None:
    """Accuracy and loss by epoch: fit (training mode), val, and train (inference mode) where it was measured."""
    figure = framed(3.4, WIDTH, left=0.55, bottom=0.45)
    for axes, name in zip(figure.subplots(1, 2), ("accuracy", "loss"), strict=True):
        _curve(axes, phases, name)
    save_figure(figure, path)


def draw_confusion(predictions: "Predictions", class_names: Sequence[str], path: Path) -> None:
    """Validation photos by true class (rows) and predicted class (columns)."""
    matrix = predictions.confusion()
    side = min(12.0, 3 + 0.28 * len(class_names))
    figure = framed(side, side, left=_NAME_INCHES + 0.2, bottom=_NAME_INCHES + 0.2, top=0.1)
    axes = figure.subplots()
    axes.imshow(matrix, cmap="Greens")
    _name_classes(axes, class_names)
    cells = np.argwhere(matrix)
    if len(class_names) <= 30 and len(cells) <= _MOST_NUMBERS:
        for row, column in cells:
            light = matrix[row, column] > matrix.max() / 2
            axes.text(
                column, row, str(matrix[row, column]), ha="center", va="center", size=7, color="w" if light else "k"
            )
    axes.set(xlabel="predicted", ylabel="true")
    axes.tick_params(length=0)
    save_figure(figure, path)


def draw_mistakes(predictions: "Predictions", dataset: "Dataset", path: Path, count: int = 12) -> None:
    """The validation photos that were misread with most confidence."""
    worst = predictions.worst(count)
    photos = [dataset.pixels[predictions.indices[position]] for position in worst]
    captions = [_caption(predictions, dataset.class_names, int(position)) for position in worst]
    _contact_sheet(photos, captions, 4, path, "No mistake on the validation photos")


def draw_classes(predictions: "Predictions", dataset: "Dataset", path: Path) -> None:
    """Training photos of each class, and the share of its validation photos that is read right; rarest first."""
    counts, matrix = dataset.class_counts("train"), predictions.confusion()
    order = sorted(range(len(dataset.class_names)), key=lambda k: counts[dataset.class_names[k]])
    if len(order) > _MOST_CLASSES:
        order = order[: _MOST_CLASSES // 2] + order[-_MOST_CLASSES // 2 :]
    figure = framed(1.0 + 0.19 * len(order), WIDTH, left=_NAME_INCHES, bottom=0.5, top=0.15)
    left, right = figure.subplots(1, 2, sharey=True)
    names = [dataset.class_names[k] for k in order]
    left.barh(range(len(order)), [counts[name] for name in names], color=FIT, height=0.65)
    photos, right_ones = matrix.sum(axis=1)[order], matrix.diagonal()[order]
    known = np.flatnonzero(photos)
    right.plot(right_ones[known] / photos[known], known, "o", color=VAL, ms=5)
    left.set_yticks(range(len(order)), [_short(name) for name in names], parse_math=False)
    left.invert_yaxis()
    left.set_xlabel("training photos")
    right.set(xlabel="share of the validation photos read right", xlim=(-0.03, 1.03))
    for axes in (left, right):
        tidy(axes, grid="x")
    save_figure(figure, path)


def draw_near_duplicates(dataset: "Dataset", path: Path, count: int = 12) -> None:
    """The nearest pairs across splits, side by side."""
    pairs = dataset.near_duplicates.examples[:count]
    photos = [np.hstack([dataset.pixels[pair.first], dataset.pixels[pair.second]]) for pair in pairs]
    captions = [
        f"{pair.first_split} {_end(pair.first_name)}\n{pair.second_split} {_end(pair.second_name)}" for pair in pairs
    ]
    _contact_sheet(photos, captions, 3, path, "No near-equal photos across splits")


def _contact_sheet(
    photos: "Sequence[Image]", captions: Sequence[str], columns: int, path: Path, otherwise: str
) -> None:
    """`photos` of one size in rows of `columns`, each below its caption; one picture, since axes cost more."""
    rows = max(1, -(-len(photos) // columns))
    height, width = photos[0].shape[:2] if photos else (64, 64)
    gap, above = max(1, width // 12), max(2, height * 3 // 10)
    sheet = np.full((rows * (height + above), columns * (width + gap), 3), 255, np.uint8)
    figure = framed(WIDTH * sheet.shape[0] / sheet.shape[1], WIDTH, left=0, bottom=0, top=0, right=0)
    axes = figure.subplots()
    for place, (photo, caption) in enumerate(zip(photos, captions, strict=True)):
        top, left = place // columns * (height + above) + above, place % columns * (width + gap) + gap // 2
        sheet[top : top + height, left : left + width] = photo
        axes.text(left + width / 2, top - above / 8, caption, size=8, ha="center", va="bottom", parse_math=False)
    if not photos:
        axes.text(0.5, 0.5, otherwise, ha="center", va="center", transform=axes.transAxes)
    axes.imshow(sheet)
    axes.set_axis_off()
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
    axes.legend(fontsize=7, frameon=False)
    tidy(axes)


def _name_classes(axes: Axes, class_names: Sequence[str]) -> None:
    ticks = np.arange(len(class_names))[:: max(1, len(class_names) // 40)]
    shown = [_short(class_names[k]) for k in ticks]
    axes.set_xticks(ticks, shown, rotation=90, size=7, parse_math=False)
    axes.set_yticks(ticks, shown, size=7, parse_math=False)


def _caption(predictions: "Predictions", class_names: Sequence[str], position: int) -> str:
    true, guess = predictions.labels[position], predictions.predicted[position]
    confidence = predictions.probabilities[position, guess]
    return f"{_short(class_names[true])}\nread as {_short(class_names[guess])}, {confidence:.0%}"


def _short(name: str) -> str:
    return one_line(name, _LONGEST_NAME)


def _end(name: str) -> str:
    """A path's end, where photos differ."""
    shown = one_line(name, 1000)
    return shown if len(shown) <= 2 * _LONGEST_NAME else "…" + shown[1 - 2 * _LONGEST_NAME :]
