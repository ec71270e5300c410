"""Files, folders and globs of a command: what is there is found once, and what is not is named once."""

import os
from pathlib import Path

import pytest

from src.deployment.image_files import image_files


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with images, a note, a link that leads nowhere and an empty folder; commands are typed in it."""
    for name in ("photos/ash/0.jpg", "photos/ash/more/1.jpg", "photos/birch/2.jpg", "photos/birch/notes.txt"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    (tmp_path / "photos" / "birch" / "gone.jpg").symlink_to("nowhere.jpg")
    (tmp_path / "photos" / "empty").mkdir()
    monkeypatch.chdir(tmp_path)
    return tmp_path


ASH, BIRCH = ["photos/ash/0.jpg", "photos/ash/more/1.jpg"], ["photos/birch/2.jpg"]
GONE = {"photos/birch/gone.jpg": "a link that leads to no file"}
EMPTY = {"photos/empty": "no images in this folder"}


@pytest.mark.parametrize(
    ("words", "paths", "missing", "skipped"),
    [
        (["photos"], ASH + BIRCH, GONE, ["photos/birch/notes.txt"]),
        (["photos/*"], ASH + BIRCH, GONE | EMPTY, ["photos/birch/notes.txt"]),
        (["photos/birch", "photos/*", "photos/birch/2.jpg"], BIRCH + ASH, GONE | EMPTY, ["photos/birch/notes.txt"]),
        (["photos/ash", "photos/ash/more/*"], ASH, {}, []),
        (["photos/birch/*.jpg"], BIRCH, GONE, []),
        (["photos/birch/gone.jpg"], [], GONE, []),
        (["photos/birch/notes.txt", "photos/birch/2.jpg"], ["photos/birch/notes.txt", *BIRCH], {}, []),
        (["photos/emp*"], [], {"photos/emp*": "no images there"}, []),
        (["photos/empty"], [], EMPTY, []),
        (["photos/yew*"], [], {"photos/yew*": "no such file"}, []),
        (["yew.jpg"], [], {"yew.jpg": "no such file"}, []),
    ],
)
def test_what_words_name_is_found_once_and_the_rest_named_once(
    here: Path, words: list[str], paths: list[str], missing: dict[str, str], skipped: list[str]
) -> None:
    found = image_files(words)
    assert list(map(str, found.paths)) == paths
    assert found.missing == missing
    assert list(map(str, found.skipped)) == skipped


def test_a_glob_names_the_folder_that_cannot_be_read(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    if not os.geteuid():  # nothing is closed to root
        from src.data import class_folders

        walk = class_folders.walk

        def refuse_ash(folder: Path) -> object:
            if folder.name == "ash":
                raise PermissionError(13, "Permission denied", str(folder))
            return walk(folder)

        monkeypatch.setattr(class_folders, "walk", refuse_ash)
    else:
        (here / "photos" / "ash").chmod(0)
    found = image_files(["photos/[ab]*"])
    assert list(map(str, found.paths)) == BIRCH
    assert "Permission denied" in found.missing["photos/ash"]
    if os.geteuid():
        (here / "photos" / "ash").chmod(0o755)


def test_a_pipe_and_a_link_to_a_folder_above(here: Path) -> None:
    os.mkfifo(here / "photos" / "ash" / "pipe.jpg")
    (here / "photos" / "ash" / "above").symlink_to("..")
    found = image_files(["photos/ash"])
    assert found.missing == {"photos/ash/pipe.jpg": "a pipe or a device, not a file"}
    assert list(map(str, found.paths)) == ASH
