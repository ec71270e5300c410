"""Images decoded once: uint8 on disk, memory-mapped, so that neither memory nor the next trial pays for them."""

import hashlib
import json
import os
import shutil
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.lib import format as npy
from numpy.typing import NDArray

from src.common.errors import ThawError, one_line
from src.common.files import exclusive_lock
from src.data.duplicates import Hashes, perceptual_hash
from src.data.listing import Image, Listing, UnreadableImageError
from src.data.remarks import remarks_kept

LAYOUT_VERSION = 2
"""Part of every store's key: raise it when the same stamps would give other pixels."""

_SOUND: set[tuple[str, int]] = set()
"""Files whose pixels this process has held against their digests, by path and inode."""

Progress = Callable[[int, int], None]
"""Told (done, all) as images are decoded."""


@dataclass(frozen=True)
class ImageCache:
    """The images of a listing.

    Attributes:
        pixels: uint8 [images, side, side, 3], memory-mapped; zeros where a file was unreadable.
        digests: uint64 [images], a hash of each image's pixels.
        hashes: uint64 [images, 4], a hash that near-equal images nearly share.
        unreadable: why, by index, for files that are no image.
        remarks: what the decoder said, by index, of files that it read all the same.
        folder: where it all lies.
    """

    pixels: NDArray[np.uint8]
    digests: NDArray[np.uint64]
    hashes: Hashes
    unreadable: dict[int, str]
    remarks: dict[int, str]
    folder: Path


def cache_images(listing: Listing, side: int, cache_dir: Path, threads: int, progress: Progress) -> ImageCache:
    """The images of `listing` as squares of `side` px, from `cache_dir` where they were decoded before.

    Safe with several processes at once: one decodes, the others wait. What a killed process left is never read.

    Raises:
        ThawError: the disk is full or the folder cannot be written.
    """
    folder = cache_dir / "images" / _key(listing, side)
    # Without a lock: a folder is complete or not there, and a complete one may be on a read-only disk.
    if _is_whole(folder, len(listing.samples), side):
        return _open(folder)
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        with exclusive_lock(folder.with_suffix(".lock")):
            if not _is_whole(folder, len(listing.samples), side):
                _fill(folder, listing, side, threads, progress)
        return _open(folder)
    except OSError as error:
        raise ThawError(
            f"decoded photos cannot be kept in {cache_dir}: {error.strerror or error}; give another folder with "
            "runtime.cache_dir or THAW_CACHE_DIR"
        ) from error


def _key(listing: Listing, side: int) -> str:
    text = json.dumps([LAYOUT_VERSION, side, *listing.stamps])
    return hashlib.blake2b(text.encode("utf-8", "surrogateescape"), digest_size=16).hexdigest()


def _is_whole(folder: Path, count: int, side: int) -> bool:
    try:
        store = _open(folder)
        shapes = store.pixels.shape, store.digests.shape, store.hashes.shape
        return shapes == ((count, side, side, 3), (count,), (count, 4)) and _is_sound(store)
    except Exception:  # a damaged file fails in every way
        return False


def _is_sound(store: ImageCache) -> bool:
    """Return whether the pixels match their digest; each process reads them once."""
    path = store.folder / "pixels.npy"
    known = (str(path), path.stat().st_ino)
    if known not in _SOUND:
        with path.open("rb") as file:  # read rather than mapped: it may be larger than memory
            file.seek(store.pixels.offset)  # type: ignore[attr-defined]  # of a memory map
            size = int(np.prod(store.pixels.shape[1:]))
            if any(_digest(file.read(size)) != digest for digest in store.digests.tolist()):
                return False
        _SOUND.add(known)
    return True


def _digest(pixels: bytes) -> int:
    return int.from_bytes(hashlib.blake2b(pixels, digest_size=8).digest(), "little")


def _open(folder: Path) -> ImageCache:
    return ImageCache(
        np.load(folder / "pixels.npy", mmap_mode="r"),
        np.load(folder / "digests.npy"),
        np.load(folder / "hashes.npy"),
        _texts(folder / "unreadable.json"),
        _texts(folder / "remarks.json"),
        folder,
    )


def _texts(path: Path) -> dict[int, str]:
    return {int(index): str(text) for index, text in json.loads(path.read_text("utf-8")).items()}


def _fill(folder: Path, listing: Listing, side: int, threads: int, progress: Progress) -> None:
    unfinished = folder.with_suffix(".unfinished")
    shutil.rmtree(unfinished, ignore_errors=True)
    shutil.rmtree(folder, ignore_errors=True)
    unfinished.mkdir()
    try:
        _write(unfinished, listing, side, threads, progress)
        unfinished.rename(folder)
    except BaseException:
        shutil.rmtree(unfinished, ignore_errors=True)
        raise


def _write(folder: Path, listing: Listing, side: int, threads: int, progress: Progress) -> None:
    count = len(listing.samples)
    blank = np.zeros((side, side, 3), np.uint8)
    digests, hashes = np.zeros(count, np.uint64), np.zeros((count, 4), np.uint64)
    unreadable: dict[int, str] = {}
    remarks: dict[int, str] = {}
    # Plain writes, not a memory map: on a full disk they raise, where a map would end the process.
    with (folder / "pixels.npy").open("wb") as file:
        header = {"descr": "|u1", "fortran_order": False, "shape": (count, side, side, 3)}
        npy.write_array_header_1_0(file, header)
        for index, (decoded, said) in enumerate(_decoded(listing, side, threads)):
            if isinstance(decoded, UnreadableImageError):
                unreadable[index] = one_line(decoded, 200)
            elif said:
                remarks[index] = "; ".join(said)
            image = blank if isinstance(decoded, UnreadableImageError) else decoded
            digests[index] = _digest(image.tobytes())
            hashes[index] = perceptual_hash(image)
            file.write(image.tobytes())
            progress(index + 1, count)
        file.flush()
        os.fsync(file.fileno())
    np.save(folder / "digests.npy", digests)
    np.save(folder / "hashes.npy", hashes)
    (folder / "unreadable.json").write_text(json.dumps(unreadable), "utf-8")
    (folder / "remarks.json").write_text(json.dumps(remarks), "utf-8")


_Decoded = tuple[Image | UnreadableImageError, list[str]]


def _decoded(listing: Listing, side: int, threads: int) -> Iterator[_Decoded]:
    """Yield all images in order, each with its decoder's warnings; decode a bounded number ahead of the reader."""

    def read(index: int) -> _Decoded:
        try:
            return listing.read(index, side), take()
        except UnreadableImageError as error:
            return error, take()

    ahead: deque[Future[_Decoded]] = deque()
    with remarks_kept() as take, ThreadPoolExecutor(threads) as pool:
        for index in range(len(listing.samples)):
            ahead.append(pool.submit(read, index))
            if len(ahead) > 4 * threads:
                yield ahead.popleft().result()
        while ahead:
            yield ahead.popleft().result()
