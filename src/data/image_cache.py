"""Images decoded once: uint8 on disk, memory-mapped, so that neither memory nor the next trial pays for them."""

import hashlib
import json
import math
import shutil
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from src.common.errors import ThawError, one_line
from src.common.events import Advanced, EventHandler
from src.common.file_store import Arrays, ArrayWriter, FileStore, as_array, from_array
from src.config import RuntimeConfig
from src.data.duplicates import Hashes, perceptual_hash
from src.data.listing import Image, Listing, UnreadableImageError
from src.data.remarks import collected_remarks

LAYOUT_VERSION = 2
"""Part of every store's key: raise it when the same stamps would give other pixels."""


@dataclass(frozen=True)
class ImageCache:
    """The images of a listing.

    Attributes:
        pixels: uint8 [images, side, side, 3], memory-mapped; zeros where a file was unreadable.
        digests: uint64 [images], a hash of each image's pixels.
        hashes: uint64 [images, 4], a hash that near-equal images nearly share.
        unreadable: why, by index, for files that are no image.
        remarks: what the decoder said, by index, of files that it read all the same.
        folder: for what else is computed of them.
    """

    pixels: NDArray[np.uint8]
    digests: NDArray[np.uint64]
    hashes: Hashes
    unreadable: dict[int, str]
    remarks: dict[int, str]
    folder: Path


def cache_images(listing: Listing, image_size: int, machine: RuntimeConfig, emit: EventHandler) -> ImageCache:
    """Return the images of `listing` as squares of `image_size` px, from `machine.cache_dir` if they are there.

    Safe with several processes at once: one decodes, the others wait. What a killed process left is never read.

    Raises:
        ThawError: the disk is full or the folder cannot be written.
    """
    store = FileStore(machine.cache_dir / "images", machine.images_max_gb, emit, "images")
    key = _key(listing, image_size)
    try:
        # Without a lock: a complete file may be on a read-only disk.
        return _find(store, key) or _find_or_decode(store, key, listing, image_size, machine.decoding_threads)
    except OSError as error:
        raise ThawError(
            f"decoded photos cannot be kept in {machine.cache_dir}: {error.strerror or error}; give another folder "
            "with runtime.cache_dir or THAW_CACHE_DIR"
        ) from error


def _key(listing: Listing, image_size: int) -> str:
    text = json.dumps([LAYOUT_VERSION, image_size, *listing.stamps])
    return hashlib.blake2b(text.encode("utf-8", "surrogateescape"), digest_size=16).hexdigest()


def _find_or_decode(store: FileStore, key: str, listing: Listing, image_size: int, threads: int) -> ImageCache:
    with store.exclusive(key):
        if not _find(store, key):
            shutil.rmtree(store.folder / key, ignore_errors=True)  # images were a folder of files once
            _decode(store, key, listing, image_size, threads)
        cache = _find(store, key)  # before another process may make room
    if not cache:
        raise OSError("what was written reads back otherwise")
    return cache


def _find(store: FileStore, key: str) -> ImageCache | None:
    arrays = store.open(key) or {}
    if not arrays.keys() >= {"pixels", "digests", "hashes", "unreadable", "remarks"}:
        return None
    unreadable, remarks = _by_index(arrays["unreadable"]), _by_index(arrays["remarks"])
    return ImageCache(arrays["pixels"], arrays["digests"], arrays["hashes"], unreadable, remarks, store.folder / key)


def _by_index(texts: NDArray[np.uint8]) -> dict[int, str]:
    return {int(index): text for index, text in from_array(texts).items()}


def _decode(store: FileStore, key: str, listing: Listing, image_size: int, threads: int) -> None:
    shape = (len(listing.samples), image_size, image_size, 3)
    activity = f"reading images at {image_size} px"

    def write(files: Mapping[str, ArrayWriter]) -> None:
        with files[key].stream("pixels", shape, np.uint8) as append:
            facts = _Facts(len(listing.samples))
            for index, decoded in enumerate(_decoded(listing, image_size, threads)):
                append(facts.take(index, *decoded, image_size))
                store.emit(Advanced(activity, index + 1, len(listing.samples)))
        files[key].add(facts.arrays())

    store.write({key: math.prod(shape)}, write)


class _Facts:
    """Arrays that are kept beside the pixels of images."""

    def __init__(self, count: int) -> None:
        self.digests, self.hashes = np.zeros(count, np.uint64), np.zeros((count, 4), np.uint64)
        self.unreadable: dict[int, str] = {}
        self.remarks: dict[int, str] = {}

    def take(self, index: int, decoded: Image | UnreadableImageError, said: Sequence[str], image_size: int) -> Image:
        """Note what is to be known of image `index`, and return its pixels."""
        if isinstance(decoded, UnreadableImageError):
            self.unreadable[index] = one_line(decoded, 200)
            decoded = np.zeros((image_size, image_size, 3), np.uint8)
        elif said:
            self.remarks[index] = "; ".join(said)
        self.digests[index] = int.from_bytes(hashlib.blake2b(decoded.tobytes(), digest_size=8).digest(), "little")
        self.hashes[index] = perceptual_hash(decoded)
        return decoded

    def arrays(self) -> Arrays:
        """Return all of it by name."""
        texts = {"unreadable": as_array(self.unreadable), "remarks": as_array(self.remarks)}
        return {"digests": self.digests, "hashes": self.hashes, **texts}


_Decoded = tuple[Image | UnreadableImageError, list[str]]


def _decoded(listing: Listing, image_size: int, threads: int) -> Iterator[_Decoded]:
    """Yield all images in order, each with its decoder's warnings; decode a bounded number ahead of the reader."""

    def read(index: int) -> _Decoded:
        try:
            return listing.read(index, image_size), take()
        except UnreadableImageError as error:
            return error, take()

    ahead: deque[Future[_Decoded]] = deque()
    with collected_remarks() as take, ThreadPoolExecutor(threads) as pool:
        for index in range(len(listing.samples)):
            ahead.append(pool.submit(read, index))
            if len(ahead) > 4 * threads:
                yield ahead.popleft().result()
        while ahead:
            yield ahead.popleft().result()
