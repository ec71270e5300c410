"""Photos of each class against how well it is read, from the table that every trial leaves."""

import csv
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from src.common.errors import one_line
from src.reporting.style import FIT, LONGEST_NAME, NAME_INCHES, VAL, WIDTH, framed, save_figure, tidy

TABLE = "per_class.csv"
_MOST_CLASSES = 40
_MOST_PHOTOS = 10**9


@dataclass(frozen=True)
class ClassRow:
    """A class: its photos in train and in val, and the share of the latter that is read right (0–1)."""

    name: str
    training_photos: int
    photos: int
    recall: float


def write_classes(rows: Sequence[Mapping[str, float | str]], folder: Path) -> None:
    """Write per_class.csv, a row for each class, to `folder`."""
    with (folder / TABLE).open("w", newline="", encoding="utf-8", errors="backslashreplace") as file:
        table = csv.DictWriter(file, fieldnames=list(rows[0]))
        table.writeheader()
        table.writerows(rows)


def read_classes(table: bytes) -> list[ClassRow]:
    """Return the rows of a trial's per_class.csv.

    Raises:
        ValueError: it is no such table, or of no class.
        KeyError: a column lacks.
    """
    try:
        rows = list(csv.DictReader(io.StringIO(table.decode("utf-8"), newline="")))
    except csv.Error as error:
        raise ValueError(str(error)) from error
    classes = [
        ClassRow(row["class"], int(row["training_photos"]), int(row["photos"]), float(row["recall"])) for row in rows
    ]
    if not classes or not all(_is_possible(row) for row in classes):
        raise ValueError("no classes, or numbers that cannot be")
    return classes


def _is_possible(row: ClassRow) -> bool:
    return 0 <= row.training_photos < _MOST_PHOTOS and 0 <= row.photos < _MOST_PHOTOS and 0 <= row.recall <= 1


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
