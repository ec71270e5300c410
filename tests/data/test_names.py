"""The class of a file by the folders above it."""

import unicodedata
from pathlib import Path

import pytest

from src.data.names import classes_of_folders

KNOWN = ["ash", "Birch", "birch", "élan", "Silver Fir"]


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("/photos/test/ash/a.jpg", "ash"),
        ("/photos/ash/2024/may/a.jpg", "ash"),
        ("/photos/ASH /a.jpg", "ash"),
        ("/photos/birch/a.jpg", "birch"),
        ("/photos/BIRCH/a.jpg", None),
        ("/photos/silver  fir/a.jpg", "Silver Fir"),
        (f"/photos/{unicodedata.normalize('NFD', 'élan')}/a.jpg", "élan"),
        ("/photos/ash/birch/a.jpg", "birch"),
        ("/photos/ashes/a.jpg", None),
        ("/photos/ash.jpg", None),
    ],
)
def test_the_nearest_folder_that_is_called_like_a_class_says_it(path: str, name: str | None) -> None:
    assert classes_of_folders([Path(path)], KNOWN) == [name]


def test_a_path_counts_from_where_it_is_typed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "ash" / "more").mkdir(parents=True)
    monkeypatch.chdir(tmp_path / "ash" / "more")
    typed = [Path("a.jpg"), Path("../a.jpg"), Path("../../yew/a.jpg"), Path("../../birch/a.jpg")]
    assert classes_of_folders(typed, ["ash", "birch"]) == ["ash", "ash", None, "birch"]
