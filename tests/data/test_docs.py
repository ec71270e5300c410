"""What docs/data.md says of data, typed and held against the code."""

import re
import shlex
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from src.common.project import PROJECT
from src.data.columns import _USUAL
from src.data.names import split_called
from tests.conftest import Compose, make_photos, read_dataset, save_photo

PAGE = (PROJECT / "docs" / "data.md").read_text("utf-8")
COMMANDS = re.findall(r"^    python -m src\.train (.+)$", PAGE, re.MULTILINE)
CLASSES = ("healthy", "rust", "scab")


def page_data(folder: Path) -> None:
    """What the page's commands read."""
    make_photos(folder / "photos", {"train": 4, "val": 2, "test": 2}, CLASSES)
    make_photos(folder / "deep", {"train": 4, "val": 2}, CLASSES)
    for path in (folder / "deep").rglob("*.png"):
        Image.fromarray(np.asarray(Image.open(path).convert("L"), np.uint16) * 8).save(path)
    tables: dict[str, list[str]] = {"photos": ["path,label"], "train": ["id,breed"], "table": ["where,kind"]}
    tables["onehot"] = [f"image,{','.join(CLASSES)},note"]
    for k, name in enumerate(CLASSES):
        for i in range(8):
            save_photo(folder / "train" / f"{name}{i}.jpg", (200, 40 * k, 40), seed=10 * k + i)
            file, ones = f"train/{name}{i}.jpg", ",".join(str(int(name == other)) for other in CLASSES)
            tables["photos"].append(f"{file},{name}")
            tables["train"].append(f"{name}{i},{name}")
            tables["table"].append(f"{file},{name}")
            tables["onehot"].append(f"{file},{ones},0.5")
    for name, rows in tables.items():
        (folder / f"{name}.csv").write_text("\n".join(rows))


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_of_the_page_finds_its_data(
    composed: Compose, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, command: str
) -> None:
    page_data(tmp_path)
    monkeypatch.chdir(tmp_path)
    dataset = read_dataset(composed(*shlex.split(command)).data, 32, tmp_path / "cache")
    assert dataset.class_names == CLASSES


def _rows(head: str) -> list[tuple[str, list[str]]]:
    table = PAGE.split(f"| {head} |\n|---|---|\n")[1].split("\n\n")[0]
    cells = [line.strip("| ").split(" | ") for line in table.splitlines()]
    return [(name, words.split(", ")) for name, words in cells]


def test_the_names_of_splits_on_the_page_are_those_of_the_code() -> None:
    for split, words in _rows("split | names"):
        assert [split_called(word) for word in words] == [split] * len(words)


def test_the_usual_names_of_columns_on_the_page_are_those_of_the_code() -> None:
    assert _rows("column | usual names") == [(role, names.split()) for role, rows in _USUAL.items() for names in rows]
