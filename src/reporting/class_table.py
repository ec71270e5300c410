"""The table of classes that every trial leaves: images of each class, and how well it is read."""

import csv
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

TABLE = "per_class.csv"
_MOST_PHOTOS = 10**9


@dataclass(frozen=True)
class ClassRow:
    """A class: its photos in train and in val, and the share of the latter that is read right (0–1)."""

    name: str
    training_photos: int
    photos: int
    recall: float


def write_classes(rows: Sequence[Mapping[str, float | str]], folder: Path) -> None:
    """Write per_class.csv, a row for each class, to `folder`, which is made."""
    folder.mkdir(parents=True, exist_ok=True)
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
