"""Features on disk: an array of rows under a key that names all they follow from.

A file is written under another name, read back against its checksum by each process that uses it, and mapped into
memory. What a killed process left, and what a disk has damaged, is not trusted but made anew.
"""

import contextlib
import os
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import IO

import numpy as np
from numpy.lib import format as npy
from numpy.typing import NDArray

from src.common.errors import one_line
from src.common.files import atomic_file, exclusive_lock_where_possible, prune

Rows = NDArray[np.floating]
"""Features, float32 or float16 [images, values of one image]."""

_CHECKSUM_BYTES = 4
_BLOCK = 1 << 24
_SOUND: set[tuple[str, int]] = set()
"""Files that this process has read back, by path and inode: a file is replaced, never changed."""


class FeatureCache:
    """A folder of features. `max_gb` bounds it, least recently used first; `warn` is told once if it cannot serve."""

    def __init__(self, folder: Path, max_gb: float, warn: Callable[[str], None]) -> None:
        self.folder, self.max_bytes, self.warn = folder, max_gb * 1e9, warn
        self.works = max_gb > 0

    def holds(self, size: float) -> bool:
        """Return whether `size` bytes are within the bound."""
        return self.works and size <= self.max_bytes

    @contextlib.contextmanager
    def exclusive(self, key: str, waits: Callable[[], None]) -> Iterator[None]:
        """One process at a time may compute what `key` names; `waits` is told when another one does."""
        with exclusive_lock_where_possible(self.folder / f"{key}.lock", waits, self._give_up):
            yield

    def open(self, key: str, shape: tuple[int, int], dtype: str) -> Rows | None:
        """The rows under `key`, mapped into memory, or None."""
        path = self._path(key)
        try:
            rows = np.load(path, mmap_mode="r")
            if (rows.shape, rows.dtype) != (shape, np.dtype(dtype)) or not _is_sound(path):
                return None
        except Exception:  # a damaged file fails in every way; whatever cannot be read is not known
            return None
        with contextlib.suppress(OSError):  # it may be another user's
            os.utime(path)
        return rows  # type: ignore[no-any-return]

    def fill(self, shapes: Mapping[str, tuple[int, int]], dtype: str, blocks: Iterator[Mapping[str, Rows]]) -> None:
        """Write the arrays of `shapes` (images, values), by key, as `blocks` of their rows come; all or none.

        A disk that is full turns the store off, with a warning.
        """
        size = sum(count * width for count, width in shapes.values()) * np.dtype(dtype).itemsize
        try:
            self._forget_unfinished(shapes)
            prune(self.folder, "*.npy", self.max_bytes - size)
            with contextlib.ExitStack() as files:
                open_files = {
                    key: _Writer(files.enter_context(atomic_file(self._path(key))), shape, dtype)
                    for key, shape in shapes.items()
                }
                for block in blocks:
                    for key, writer in open_files.items():
                        writer.append(block[key])
                for writer in open_files.values():
                    writer.end()
        except OSError as error:
            self._give_up(error)

    def _path(self, key: str) -> Path:
        return self.folder / f"{key}.npy"

    def _forget_unfinished(self, keys: Iterable[str]) -> None:
        """Remove what processes left that were killed while they wrote; who fills is alone."""
        for key in keys:
            for path in self.folder.glob(f".{key}.npy.*.unfinished"):
                path.unlink(missing_ok=True)

    def _give_up(self, error: OSError) -> None:
        if self.works:
            reason = one_line(error.strerror or error)
            self.warn(f"features cannot be kept in {self.folder}: {reason}; computing frozen layers at each epoch")
        self.works = False


class _Writer:
    """One file while it is written: NumPy's own format, and a checksum behind it."""

    def __init__(self, file: IO[bytes], shape: tuple[int, int], dtype: str) -> None:
        self.file, self.dtype, self.checksum = file, dtype, 0
        npy.write_array_header_1_0(
            file, {"descr": npy.dtype_to_descr(np.dtype(dtype)), "fortran_order": False, "shape": shape}
        )

    def append(self, rows: Rows) -> None:
        content = np.ascontiguousarray(rows, self.dtype).data
        self.checksum = zlib.crc32(content, self.checksum)
        self.file.write(content)

    def end(self) -> None:
        self.file.write(self.checksum.to_bytes(_CHECKSUM_BYTES, "little"))


def _is_sound(path: Path) -> bool:
    known = (str(path), path.stat().st_ino)
    if known in _SOUND:
        return True
    with path.open("rb") as file:
        npy.read_magic(file)
        npy.read_array_header_1_0(file)
        left = path.stat().st_size - file.tell() - _CHECKSUM_BYTES
        checksum = 0
        while left > 0:
            block = file.read(min(left, _BLOCK))
            left -= len(block)
            checksum = zlib.crc32(block, checksum)
        sound = file.read() == checksum.to_bytes(_CHECKSUM_BYTES, "little")
    if sound:
        _SOUND.add(known)
    return sound
