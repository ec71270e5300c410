"""Files that are whole or not there."""

import errno
from pathlib import Path

import pytest

from src.common.files import atomic_file, atomic_write


def test_what_is_written_replaces_what_was(tmp_path: Path) -> None:
    path = tmp_path / "new" / "file.txt"
    atomic_write(path, "one")
    atomic_write(path, b"two")
    assert path.read_text() == "two"
    assert list(path.parent.iterdir()) == [path]


def test_an_error_leaves_what_was(tmp_path: Path) -> None:
    path = tmp_path / "file.txt"
    atomic_write(path, "one")
    with pytest.raises(TypeError), atomic_file(path) as file:
        file.write("half of it is no bytes")  # type: ignore[arg-type]
    assert path.read_text() == "one"
    assert list(tmp_path.iterdir()) == [path]


def test_a_full_disk_names_the_file(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="No space left") as refusal, atomic_file(tmp_path / "file.txt"):
        raise OSError(errno.ENOSPC, "No space left on device")
    assert refusal.value.filename == str(tmp_path / "file.txt")
    (tmp_path / "plain").touch()
    with pytest.raises(OSError, match="plain") as refusal:
        atomic_write(tmp_path / "plain" / "file.txt", "one")


def test_surrogates_of_file_names_are_written_escaped(tmp_path: Path) -> None:
    atomic_write(tmp_path / "file.txt", "caf\udce9")
    assert (tmp_path / "file.txt").read_text() == "caf\\udce9"
