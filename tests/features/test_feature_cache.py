"""Features on disk: whole or not there, never trusted when damaged, within their bound, and never in the way."""

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from src.common import file_store
from src.common.events import Event, Warned
from src.common.project import PROJECT
from src.features.feature_cache import FeatureCache
from tests.conftest import check_that_the_second_waits

ROWS = np.random.default_rng(0).normal(size=(50, 7)).astype(np.float32)
SHAPE = (50, 7)


@pytest.fixture
def store(tmp_path: Path) -> FeatureCache:
    (tmp_path / "features").mkdir()
    return FeatureCache(tmp_path / "features", 1.0, pytest.fail)


def blocks(*keys: str, rows: NDArray[np.float32] = ROWS) -> Iterator[Mapping[str, NDArray[np.float32]]]:
    for first in range(0, len(rows), 16):
        yield dict.fromkeys(keys, rows[first : first + 16])


def fill(store: FeatureCache, *keys: str, dtype: str = "float32") -> None:
    store.fill(dict.fromkeys(keys, SHAPE), dtype, blocks(*keys))


@pytest.mark.parametrize("dtype", ["float32", "float16"])
def test_what_is_filled_can_be_opened(store: FeatureCache, dtype: str) -> None:
    assert store.read("a", SHAPE, dtype) is None
    fill(store, "a", "b", dtype=dtype)
    for key in ("a", "b"):
        rows = store.read(key, SHAPE, dtype)
        assert isinstance(rows, np.memmap)
        np.testing.assert_array_equal(rows, ROWS.astype(dtype))
    assert store.read("a", (50, 8), dtype) is None


def test_what_is_damaged_is_not_opened(store: FeatureCache, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(file_store, "_SOUND", {})
    fill(store, "a")
    path = store.path("a")
    whole = path.read_bytes()
    for content in (b"", whole[:100], whole[:-1], whole[:-500]):
        path.write_bytes(content)
        assert store.read("a", SHAPE, "float32") is None
    for bit in np.random.default_rng(1).integers(8 * len(whole), size=300):
        damaged = bytearray(whole)
        damaged[bit // 8] ^= 1 << bit % 8
        path.write_bytes(damaged)
        file_store._SOUND.clear()  # a file is replaced, never changed
        rows = store.read("a", SHAPE, "float32")
        assert rows is None or np.array_equal(rows, ROWS)  # the header has a bit or two that mean nothing
    path.write_bytes(whole)
    assert store.read("a", SHAPE, "float32") is not None


def test_a_file_is_read_back_once_and_again_when_it_was_replaced(
    store: FeatureCache, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(file_store, "_SOUND", {})
    fill(store, "a")
    for _ in range(2):
        assert store.read("a", SHAPE, "float32") is not None
        assert len(file_store._SOUND) == 1
    other = store.folder / "other"
    whole = store.path("a").read_bytes()
    other.write_bytes(whole[:300] + bytes(4) + whole[304:])
    other.replace(store.path("a"))
    assert store.read("a", SHAPE, "float32") is None


def test_the_least_recently_used_goes_first(tmp_path: Path) -> None:
    size = ROWS.nbytes + 400
    (tmp_path / "features").mkdir()
    store = FeatureCache(tmp_path / "features", 2.5 * size / 1e9, pytest.fail)
    for age, key in ((300, "old"), (200, "used")):
        fill(store, key)
        os.utime(store.path(key), (time.time() - age,) * 2)
    assert store.read("old", SHAPE, "float32") is not None
    fill(store, "new")
    assert sorted(path.stem for path in store.folder.glob("*.npz")) == ["new", "old"]
    assert store.holds(2 * size)
    assert not store.holds(3 * size)


def test_a_stretch_that_fails_leaves_nothing(store: FeatureCache) -> None:
    def failing() -> Iterator[Mapping[str, NDArray[np.float32]]]:
        yield {"a": ROWS[:16]}
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        store.fill({"a": SHAPE}, "float32", failing())
    assert not list(store.folder.glob("*a.npz*"))


def test_a_folder_that_cannot_be_written_turns_it_off_with_one_warning(tmp_path: Path) -> None:
    told: list[Event] = []
    (tmp_path / "features").write_text("no folder")
    store = FeatureCache(tmp_path / "features", 1.0, told.append)
    with store.exclusive("a"):
        assert not store.works
    store.fill({"a": SHAPE}, "float32", blocks("a"))
    (warned,) = told
    assert isinstance(warned, Warned)
    assert "features cannot be kept" in warned.text


def test_a_full_disk_turns_it_off_with_a_warning(small_disk: Callable[[str], Path]) -> None:
    told: list[Event] = []
    disk = small_disk("64k")
    store = FeatureCache(disk, 1.0, told.append)
    wide = np.zeros((50, 1000), np.float32)
    store.fill({"a": wide.shape}, "float32", blocks("a", rows=wide))
    assert not store.works
    (warned,) = told
    assert isinstance(warned, Warned)
    assert "No space left on device; computing frozen layers at each epoch" in warned.text
    assert not list(disk.glob("*a.npz*"))


def test_one_at_a_time_computes(store: FeatureCache) -> None:
    check_that_the_second_waits(lambda emit: FeatureCache(store.folder, 1.0, emit).exclusive("a"))


KILLED = """
import os, signal, sys
import numpy as np
from pathlib import Path
from src.features.feature_cache import FeatureCache
def blocks():
    yield {"a": np.ones((16, 7), np.float32)}
    os.kill(os.getpid(), signal.SIGKILL)
FeatureCache(Path(sys.argv[1]), 1.0, print).fill({"a": (50, 7)}, "float32", blocks())
"""


def test_what_a_killed_process_left_is_not_opened_and_goes_with_the_next_filling(store: FeatureCache) -> None:
    subprocess.run([sys.executable, "-c", KILLED, store.folder], cwd=PROJECT, check=False)
    assert len(list(store.folder.glob(".a.npz.*.unfinished"))) == 1
    assert store.read("a", SHAPE, "float32") is None
    fill(store, "a")
    assert store.read("a", SHAPE, "float32") is not None
    assert not list(store.folder.glob("*.unfinished"))
