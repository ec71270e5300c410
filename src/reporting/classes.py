"""Draw photos of each class against how well it is read, from the table that every trial leaves."""

from collections.abc import Sequence
from pathlib import Path

from src.common.errors import one_line
from src.reporting.class_table import ClassRow
from src.reporting.style import FIT, LONGEST_NAME, NAME_INCHES, VAL, WIDTH, framed, save_figure, tidy

_MOST_CLASSES = 40


def draw_classes(rows: Sequence[ClassRow], path: Path) -> None:
    """Draw training photos of each class, and the share of its validation photos that is read right; rarest first."""
    shown = sorted(rows, key=lambda row: row.training_photos)
    if len(shown) > _MOST_CLASSES:
        shown = shown[: _MOST_CLASSES // 2] + shown[-_MOST_CLASSES // 2 :]
    figure = framed(1.0 + 0.19 * len(shown), WIDTH, left=NAME_INCHES, bottom=0.5, top=0.15)
    left, right = figure.subplots(1, 2, sharey=True)
    left.barh(range(len(shown)), [row.training_photos for row in shown], color=FIT, height=0.65)
    known = [position for position, row in enumerate(shown) if row.photos]
    right.plot([shown[position].recall for position in known], known, "o", color=VAL, ms=5)
    left.set_yticks(range(len(shown)), [one_line(row.name, LONGEST_NAME) for row in shown], parse_math=False)
    left.invert_yaxis()
    left.set_xlabel("training photos")
    right.set(xlabel="share of the validation photos read right", xlim=(-0.03, 1.03))
    for axes in (left, right):
        tidy(axes, grid="x")
    save_figure(figure, path)
