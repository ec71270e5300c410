"""Arrays on disk by key: given back as they were, within their bound, and nothing of dead processes for long."""

import contextlib
import os
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest

from src.common.events import Event, Warned
from src.common.file_store import ArrayWriter, FileStore
from src.common.project import PROJECT

SIZE = 10_000


def store_of(folder: Path, files: float) -> FileStore:
    """Return a store with room for so many files."""
    return FileStore(folder, files * SIZE / 1e9, pytest.fail, "files", "going on")


def write(store: FileStore, key: str, minutes_ago: float = 0.0) -> None:
    array = np.zeros(SIZE - 1000, np.uint8)
    store.write({key: SIZE}, lambda files: files[key].add({"zeros": array}))
    os.utime(store.path(key), (0, time.time() - minutes_ago * 60))


def keys(folder: Path) -> list[str]:
    return sorted(path.name.removesuffix(".npz") for path in folder.iterdir() if path.suffix != ".lock")


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
    store = store_of(tmp_path, 2)
    write(store, "a")
    (tmp_path / ".dead.npz.1.unfinished").write_bytes(bytes(SIZE))

    def write_another(files: Mapping[str, ArrayWriter]) -> None:
        (unfinished,) = tmp_path.glob(".b.npz.*.unfinished")
        assert unfinished.stat().st_size == SIZE  # reserved before anything is written
        write(store_of(tmp_path, 2), "c")

    store.write({"b": SIZE}, write_another)
    assert keys(tmp_path) == ["b", "c"]


HOLDER = """
import sys, time
from pathlib import Path
from src.common.events import ignore
from src.common.file_store import ArrayWriter, FileStore
from src.common.project import PROJECT
arrays = FileStore(Path(sys.argv[1]), 1.0, ignore, "files", "going on").open("used")
print(arrays["zeros"].size, flush=True)
sys.stdin.readline()
print(int(arrays["zeros"].sum()), flush=True)
"""


def test_a_file_that_another_process_uses_stays_until_that_is_done(tmp_path: Path) -> None:
    warnings: list[Event] = []
    store = FileStore(tmp_path, 2.5 * SIZE / 1e9, warnings.append, "files", "going on")
    write(store, "used", minutes_ago=9)
    write(store, "other", minutes_ago=5)
    command = [sys.executable, "-c", HOLDER, str(tmp_path)]
    with subprocess.Popen(command, cwd=PROJECT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout is not None
        assert int(holder.stdout.readline()) == SIZE - 1000
        os.utime(store.path("used"), (0, time.time() - 600))
        write(store, "new", minutes_ago=1)
        assert keys(tmp_path) == ["new", "used"]
        store.write({"large": 2 * SIZE}, lambda _: pytest.fail("written"))
        assert keys(tmp_path) == ["used"]
        assert holder.communicate("\n")[0] == "0\n"
    (warned,) = warnings
    assert isinstance(warned, Warned)
    assert "in use; going on" in warned.text
    store.write({"large": 2 * SIZE}, lambda files: files["large"].add({"zeros": np.zeros(3)}))
    assert keys(tmp_path) == ["large"]


def test_a_file_without_a_substitute_is_written_beyond_the_bound_rather_than_in_place_of_one_in_use(
    tmp_path: Path,
) -> None:
    store = FileStore(tmp_path, 1.5 * SIZE / 1e9, pytest.fail, "images")
    write(store, "used")
    in_use = store.open("used")
    write(store, "new")
    assert keys(tmp_path) == ["new", "used"]
    del in_use
    write(store, "newer")
    assert keys(tmp_path) == ["newer"]


def test_a_folder_of_an_earlier_version_counts_and_goes(tmp_path: Path) -> None:
    earlier = tmp_path / ("0" * 32)
    earlier.mkdir()
    (earlier / "pixels.npy").write_bytes(bytes(SIZE))
    store = store_of(tmp_path, 2)
    write(store, "a")
    assert keys(tmp_path) == ["0" * 32, "a"]
    write(store, "b")
    assert len(keys(tmp_path)) == 2
    assert "b" in keys(tmp_path)


WRITER = """
import sys, time
from pathlib import Path
import numpy as np
from src.common.file_store import ArrayWriter, FileStore
from src.common.project import PROJECT
store = FileStore(Path(sys.argv[1]), 2.5e-3, lambda event: None, "files", "going on")
for turn in range(20):
    def fill(files):
        with files[key].stream("a", (10, 100_000), np.uint8) as append:
            for _ in range(10):
                append(np.zeros((1, 100_000), np.uint8))
                time.sleep(0.0005)
    key = f"{sys.argv[2]}-{turn}"
    store.write({key: 1e6}, fill)
"""


def test_the_bound_holds_while_several_processes_write(tmp_path: Path) -> None:
    writers = [
        subprocess.Popen([sys.executable, "-c", WRITER, str(tmp_path), str(number)], cwd=PROJECT) for number in range(3)
    ]
    most = 0
    while any(writer.poll() is None for writer in writers):
        sizes = [status.st_size for path in tmp_path.glob("*.npz") if (status := _status(path))]
        most = max(most, sum(sizes))
    assert [writer.returncode for writer in writers] == [0, 0, 0]
    assert 1e6 < most <= 2.51e6


def _status(path: Path) -> os.stat_result | None:
    with contextlib.suppress(OSError):
        return path.stat()
    return None
