"""Files that are whole or not there."""

import errno
import os
import time
from pathlib import Path

import pytest

from src.common.files import atomic_file, atomic_write, prune


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


def test_the_least_recently_used_goes_first(tmp_path: Path) -> None:
    for age, name in enumerate("abcd"):
        (tmp_path / f"{name}.npz").write_bytes(bytes(10))
        os.utime(tmp_path / f"{name}.npz", (0, time.time() - age * 60))
    (tmp_path / "other.txt").write_bytes(bytes(1000))
    prune(tmp_path, "*.npz", 25)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.npz", "b.npz", "other.txt"]


def test_what_dead_processes_left_unfinished_goes_after_a_day(tmp_path: Path) -> None:
    for name, age in (("old", 90_000), ("new", 60)):
        path = tmp_path / f".{name}.unfinished"
        path.touch()
        os.utime(path, (0, time.time() - age))
    prune(tmp_path, "*.npz", 25)
    assert [path.name for path in tmp_path.iterdir()] == [".new.unfinished"]


def test_what_is_being_written_counts(tmp_path: Path) -> None:
    (tmp_path / ".new.unfinished").write_bytes(bytes(20))
    for age, name in enumerate("ab"):
        (tmp_path / f"{name}.npz").write_bytes(bytes(10))
        os.utime(tmp_path / f"{name}.npz", (0, time.time() - age * 60))
    prune(tmp_path, "*.npz", 35)
    assert sorted(path.name for path in tmp_path.iterdir()) == [".new.unfinished", "a.npz"]
