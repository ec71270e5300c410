"""The figure of classes: from the table that a trial leaves, whatever the classes are called."""

from pathlib import Path

import pytest
from PIL import Image

from src.reporting.class_table import TABLE, ClassRow, read_classes, write_classes
from src.reporting.classes import draw_classes

NAMES = ("<b>$\\frac{1$", "a,b\n\x1b[31m", "\U0001f333" * 40, '"plain"')


def table(folder: Path, count: int) -> bytes:
    names = [*NAMES, *(f"class {k}" for k in range(56))][:count]
    rows = [
        {"class": name, "precision": 0.5, "recall": 0.25, "f1": 1 / 3, "photos": k % 2, "training_photos": 9 - k % 9}
        for k, name in enumerate(names)
    ]
    write_classes(rows, folder)
    return (folder / TABLE).read_bytes()


def test_what_is_written_is_read(tmp_path: Path) -> None:
    rows = read_classes(table(tmp_path, 4))
    assert [row.name for row in rows] == list(NAMES)
    assert rows[1] == ClassRow(NAMES[1], training_photos=8, photos=1, recall=0.25)


HEADER = b"class,training_photos,photos,recall\n"
DAMAGED = {
    "empty": b"", "no text": b"\xff", "other columns": b"a,b\n1,2\n", "no number": HEADER + b"x,y,1,1\n",
    "endless": HEADER + b'"' + bytes(200_000), "too many": HEADER + b"x," + b"9" * 400 + b",1,1\n",
    "no share": HEADER + b"x,1,1,inf\n", "negative": HEADER + b"x,-1,1,1\n",
}  # fmt: skip


@pytest.mark.parametrize("content", DAMAGED.values(), ids=DAMAGED)
def test_what_is_no_table_is_not_taken_for_one(content: bytes) -> None:
    with pytest.raises((ValueError, KeyError)):
        read_classes(content)


@pytest.mark.parametrize("count", [2, 4, 60])
def test_classes(tmp_path: Path, count: int) -> None:
    draw_classes(read_classes(table(tmp_path, count)), tmp_path / "classes.png")
    with Image.open(tmp_path / "classes.png") as image:
        assert 100 < image.height < 1300
