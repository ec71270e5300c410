"""The store of decoded images: whole or not there, whatever is killed, and cheap in memory."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from src.common.errors import ThawError
from src.common.events import ignore
from src.common.project import PROJECT
from src.data.image_cache import ImageCache, cache_images
from src.data.listing import Image, Listing, Sample, UnreadableImageError
from tests.conftest import machine


def _listing(count: int, read: Callable[[int, int], Image] | None = None, stamp: str = "a") -> Listing:
    def paint(index: int, side: int) -> Image:
        return np.full((side, side, 3), index % 251, np.uint8)

    samples = [Sample(str(i), "ab"[i % 2]) for i in range(count)]
    return Listing("here", samples, read or paint, [f"{stamp}{i}" for i in range(count)])


def _store(listing: Listing, folder: Path, side: int = 8) -> ImageCache:
    return cache_images(listing, side, machine(folder), ignore)


def _never(index: int, side: int) -> Image:
    raise AssertionError("decoded again")


def test_images_keep_their_order_and_are_decoded_once(tmp_path: Path) -> None:
    store = _store(_listing(50), tmp_path)
    assert isinstance(store.pixels, np.memmap)
    assert store.pixels[:, 0, 0, 0].tolist() == list(range(50))
    assert len(set(store.digests.tolist())) == 50
    again = _store(_listing(50, _never), tmp_path)
    assert np.array_equal(again.pixels, store.pixels)


@pytest.mark.parametrize("change", [{"stamp": "b"}, {"count": 5}])
def test_another_listing_is_another_store(tmp_path: Path, change: dict[str, object]) -> None:
    _store(_listing(4), tmp_path)
    with pytest.raises(AssertionError, match="decoded again"):
        _store(_listing(**{"count": 4, "read": _never, **change}), tmp_path)  # type: ignore[arg-type]


def test_another_size_is_another_store(tmp_path: Path) -> None:
    _store(_listing(4), tmp_path, side=8)
    assert _store(_listing(4), tmp_path, side=16).pixels.shape == (4, 16, 16, 3)


@pytest.mark.parametrize("harm", ["truncate", "empty", "delete", "rubbish", "zeros", "no table"])
def test_a_damaged_store_is_made_anew(tmp_path: Path, harm: str) -> None:
    _store(_listing(20), tmp_path)
    (path,) = tmp_path.glob("images/*.npz")
    whole = path.read_bytes()
    path.unlink()  # another process' copy is another file
    {
        "truncate": lambda: path.write_bytes(whole[:-100]),
        "empty": lambda: path.write_bytes(b""),
        "delete": lambda: None,
        "rubbish": lambda: path.write_bytes(whole[:-5000]),
        "zeros": lambda: path.write_bytes(whole[:500] + bytes(100) + whole[600:]),
        "no table": lambda: np.savez(path, pixels=np.zeros((20, 8, 8, 3), np.uint8)),
    }[harm]()
    assert _store(_listing(20), tmp_path).pixels[:, 0, 0, 0].tolist() == list(range(20))


def test_a_failure_while_decoding_leaves_nothing(tmp_path: Path) -> None:
    def fails(index: int, side: int) -> Image:
        if index == 3:
            raise RuntimeError("a bug")
        return np.zeros((side, side, 3), np.uint8)

    with pytest.raises(RuntimeError):
        _store(_listing(9, fails), tmp_path)
    assert {path.suffix for path in (tmp_path / "images").iterdir()} == {".lock"}


def test_what_is_no_image_is_remembered_by_index(tmp_path: Path) -> None:
    def read(index: int, side: int) -> Image:
        if index == 2:
            raise UnreadableImageError("not\nan image")
        return np.full((side, side, 3), 9, np.uint8)

    assert _store(_listing(4, read), tmp_path).unreadable == {2: "not an image"}
    assert _store(_listing(4, _never), tmp_path).unreadable == {2: "not an image"}


_SLOW = """
import sys, time
from pathlib import Path
import tests.data.test_image_cache as t, numpy as np
def slow(i, side):
    time.sleep(0.02)
    return np.full((side, side, 3), i % 251, np.uint8)
store = t._store(t._listing(100, slow), Path(sys.argv[1]))
print(int(store.pixels[:, 0, 0, 0].astype(int).sum()))
"""


def _start(folder: Path) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", _SLOW, str(folder)]
    environment = {**os.environ, "PYTHONPATH": str(PROJECT)}
    return subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True)


def test_a_killed_writer_is_not_trusted_and_not_in_the_way(tmp_path: Path) -> None:
    writer = _start(tmp_path)
    while not list(tmp_path.glob("images/.*.unfinished")):
        assert writer.poll() is None
        time.sleep(0.02)
    writer.send_signal(signal.SIGKILL)
    writer.wait()
    assert not list(tmp_path.glob("images/*.npz"))
    assert _store(_listing(100), tmp_path).pixels[:, 0, 0, 0].tolist() == list(range(100))
    assert not list(tmp_path.glob("images/.*.unfinished"))


def test_two_at_once_agree(tmp_path: Path) -> None:
    both = [_start(tmp_path), _start(tmp_path)]
    assert {process.communicate(timeout=60)[0] for process in both} == {f"{sum(range(100))}\n"}


def test_a_full_disk_is_told_and_leaves_nothing(small_disk: Callable[[str], Path]) -> None:
    disk = small_disk("64k")
    with pytest.raises(ThawError, match="No space left on device"):
        _store(_listing(200), disk, side=32)
    assert not list(disk.glob("images/.*.unfinished"))


def test_memory_stays_bounded(tmp_path: Path) -> None:
    script = """
import resource, sys
from pathlib import Path
import tests.data.test_image_cache as t
base = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
t._store(t._listing(3000), Path(sys.argv[1]), side=128)
print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - base) / 1024)
"""
    environment = {**os.environ, "PYTHONPATH": str(PROJECT)}
    command = [sys.executable, "-c", script, str(tmp_path)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    stored = 3000 * 128 * 128 * 3 / 2**20
    assert float(done.stdout) < stored / 4, "MiB above the start"


def test_images_of_an_earlier_version_are_decoded_again_and_its_folder_goes(tmp_path: Path) -> None:
    store = _store(_listing(4), tmp_path)
    store.folder.with_suffix(".npz").unlink()
    store.folder.mkdir()
    (store.folder / "pixels.npy").write_bytes(b"what was")
    assert _store(_listing(4), tmp_path).pixels.shape == (4, 8, 8, 3)
    assert not store.folder.exists()


def test_images_out_of_use_make_room_and_those_in_use_stay(tmp_path: Path) -> None:
    small = machine(tmp_path).model_copy(update={"images_max_gb": 1e-9})
    first = cache_images(_listing(4), 8, small, ignore)
    second = cache_images(_listing(4, stamp="b"), 8, small, ignore)
    assert first.pixels[3, 0, 0, 0] == 3
    assert {path.stem for path in (tmp_path / "images").glob("*.npz")} == {first.folder.name, second.folder.name}
    del first
    third = cache_images(_listing(4, stamp="c"), 8, small, ignore)
    assert {path.stem for path in (tmp_path / "images").glob("*.npz")} == {second.folder.name, third.folder.name}
