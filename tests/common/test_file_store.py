"""Arrays on disk by key: given back as they were, within their bound, and nothing of dead processes for long."""

import os
import time
from pathlib import Path

import numpy as np
import pytest

from src.common.events import Event, Warned
from src.common.file_store import FileStore

SIZE = 10_000


def store_of(folder: Path, files: float) -> FileStore:
    """Return a store with room for so many files."""
    return FileStore(folder, files * SIZE / 1e9, pytest.fail, "files", "going on")


def write(store: FileStore, key: str, minutes_ago: float = 0.0) -> None:
    array = np.zeros(SIZE - 1000, np.uint8)
    store.write({key: SIZE}, lambda files: files[key].add({"zeros": array}))
    os.utime(store.path(key), (0, time.time() - minutes_ago * 60))


def keys(folder: Path) -> list[str]:
    return sorted(path.name.removesuffix(".npz") for path in folder.iterdir())


@pytest.mark.parametrize(
    "array",
    [
        np.arange(6, dtype=np.float32).reshape(2, 3), np.array(7), np.zeros((0, 3), np.float16),
        np.asfortranarray(np.arange(6.0).reshape(2, 3)), np.array([True, False]),
    ],
)  # fmt: skip
def test_arrays_come_back_as_they_were(tmp_path: Path, array: np.ndarray) -> None:  # type: ignore[type-arg]
    store = store_of(tmp_path, 1)
    store.write({"key": SIZE}, lambda files: files["key"].add({"a": np.zeros(3, np.uint8), "b/c": array}))
    np.savez(tmp_path / "numpys.npz", **{"a": np.zeros(3, np.uint8), "b/c": array})
    for key in ("key", "numpys"):
        found = store.open(key)
        assert found is not None
        np.testing.assert_array_equal(found["b/c"], array, strict=True)
    with np.load(store.path("key")) as read_by_numpy:
        np.testing.assert_array_equal(read_by_numpy["b/c"], array, strict=True)


def test_the_least_recently_used_makes_room(tmp_path: Path) -> None:
    store = store_of(tmp_path, 3)
    (tmp_path / "other.txt").write_bytes(bytes(1000))
    (tmp_path / "earlier.npy").write_bytes(bytes(SIZE - 1000))
    os.utime(tmp_path / "earlier.npy", (0, 0))
    for age, key in enumerate("cba"):
        write(store, key, 10 - age)
    assert keys(tmp_path) == ["a", "b", "c", "other.txt"]
    assert store.open("c") is not None
    write(store, "d")
    assert keys(tmp_path) == ["a", "c", "d", "other.txt"]


def test_a_file_that_is_written_again_takes_no_room_from_others(tmp_path: Path) -> None:
    store = store_of(tmp_path, 2)
    for key in ("a", "b", "b"):
        write(store, key)
    assert keys(tmp_path) == ["a", "b"]


def test_a_file_beyond_the_bound_is_not_written_and_that_is_said_once(tmp_path: Path) -> None:
    warnings: list[Event] = []
    store = FileStore(tmp_path, SIZE / 1e9, warnings.append, "files", "going on")
    write(store, "a")
    for _ in range(2):
        store.write({"large": 2e9}, lambda _: pytest.fail("written"))
    assert keys(tmp_path) == ["a"]
    assert warnings == [Warned("files of 2.0 GB are not kept, the bound is 1e-05 GB; going on")]


def test_what_is_being_written_counts_and_what_the_dead_left_goes(tmp_path: Path) -> None:
    for name, age in ((".old.npz.1.unfinished", 90_000), (".new.npz.1.unfinished", 60), (".b.npz.1.unfinished", 60)):
        (tmp_path / name).write_bytes(bytes(SIZE))
        os.utime(tmp_path / name, (0, time.time() - age))
    store = store_of(tmp_path, 2)
    write(store, "a", 5)
    assert keys(tmp_path) == [".b.npz.1.unfinished", ".new.npz.1.unfinished", "a"]
    write(store, "b")
    assert keys(tmp_path) == [".new.npz.1.unfinished", "b"]
