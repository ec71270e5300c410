"""Arrays on disk by key, for what takes long to compute: bounded, locked and checksummed.

A file is NumPy's own .npz without compression: named arrays, each with the checksum of zip. It is written under another
name, read back once by each process that uses it, and mapped into memory. What a killed process left, or a disk has
damaged, is not trusted but computed anew.
"""

import json
import os
import time
import zipfile
from collections.abc import Callable, Iterable, Iterator, Mapping, MutableMapping
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import IO, Any

import numpy as np
from cachetools import LRUCache
from numpy.lib import format as npy
from numpy.typing import DTypeLike, NDArray

from src.common.errors import one_line
from src.common.events import EventHandler, Warned
from src.common.files import atomic_file, exclusive_lock

Arrays = Mapping[str, NDArray[Any]]

_FILES = "*.np[yz]"
"""Features were .npy files once: they count until they are removed."""

_LOCAL_HEADER, _LENGTHS = 30, 26
"""Of a zip's member: bytes before its name, and where the lengths of name and extra field stand."""

_SOUND: MutableMapping[str, int] = LRUCache(maxsize=4096)
"""Inodes of the files that this process has read back, by path: a file is replaced, never changed."""

_DAY = 86_400
_WAITING = "another process computes the same; waiting for its result"


class ArrayWriter:
    """Writes named arrays into one file."""

    def __init__(self, archive: zipfile.ZipFile) -> None:
        self._archive = archive

    @contextmanager
    def stream(self, name: str, shape: tuple[int, ...], dtype: DTypeLike) -> Iterator[Callable[[NDArray[Any]], object]]:
        """Write the array `name` as the function that this gives is called with its rows."""
        with self._archive.open(zipfile.ZipInfo(f"{name}.npy"), "w", force_zip64=True) as member:
            descr = npy.dtype_to_descr(np.dtype(dtype))
            npy.write_array_header_1_0(member, {"descr": descr, "fortran_order": False, "shape": shape})
            yield lambda values: member.write(np.ascontiguousarray(values, dtype).data)

    def add(self, arrays: Arrays) -> None:
        """Write whole arrays."""
        for name, array in arrays.items():
            with self.stream(name, array.shape, array.dtype) as append:
                append(array)


class FileStore:
    """A folder of files by key, of `max_gb` at the most: the files used least recently make room.

    Where a file cannot be written, the store warns once of what cannot be kept and what happens `instead`, and from
    then on keeps nothing; without `instead` it raises OSError.
    """

    def __init__(self, folder: Path, max_gb: float, emit: EventHandler, what: str, instead: str = "") -> None:
        self.folder, self.max_bytes, self.emit, self.what, self.instead = folder, max_gb * 1e9, emit, what, instead
        self.works, self._has_warned = max_gb > 0 or not instead, False

    def holds(self, size: float) -> bool:
        """Return whether `size` bytes are within the bound."""
        return self.works and size <= self.max_bytes

    def path(self, key: str) -> Path:
        """Return where the file `key` is, or would be."""
        return self.folder / f"{key}.npz"

    @contextmanager
    def exclusive(self, key: str) -> Iterator[None]:
        """Let one process at a time compute what `key` names."""
        with ExitStack() as held:
            if self.works:
                with self._giving_up():
                    self.folder.mkdir(parents=True, exist_ok=True)
                    held.enter_context(exclusive_lock(self.folder / f"{key}.lock", self.emit, _WAITING))
            yield

    def open(self, key: str) -> Arrays | None:
        """Return the arrays under `key`, mapped into memory; None where there is no sound file."""
        path = self.path(key)
        try:
            with path.open("rb") as file:
                arrays = _sound_arrays(file, path)
        except Exception:  # a damaged file fails in every way; what cannot be read is not known
            return None
        with suppress(OSError):  # it may be another user's
            os.utime(path)
        return arrays

    def write(self, sizes: Mapping[str, float], fill: Callable[[Mapping[str, ArrayWriter]], None]) -> None:
        """Have `fill` write the files of `sizes` (bytes), by key; all or none. Whoever writes holds the key's lock."""
        if not self.works or (self.instead and not self._is_within_bound(sum(sizes.values()))):
            return
        with self._giving_up(), ExitStack() as files:
            self._make_room(sizes)
            fill({key: files.enter_context(self._writer(self.path(key))) for key in sizes})

    def _is_within_bound(self, size: float) -> bool:
        if not self.holds(size) and not self._has_warned:
            self._has_warned = True
            bound = f"{self.max_bytes / 1e9:g} GB"
            self.emit(Warned(f"{self.what} of {size / 1e9:.1f} GB are not kept, the bound is {bound}; {self.instead}"))
        return self.holds(size)

    def _make_room(self, sizes: Mapping[str, float]) -> None:
        """Remove what dead processes left unfinished, and the files used least recently until `sizes` fit in."""
        paths = {self.path(key) for key in sizes}
        remaining = self.max_bytes - sum(sizes.values())
        for last_use, size, path in _files_by_use(self.folder.glob(".*.unfinished")):
            if path.name.startswith(tuple(f".{target.name}." for target in paths)) or last_use < time.time() - _DAY:
                _remove(path)
            else:
                remaining -= size
        for _, size, path in sorted(_files_by_use({*self.folder.glob(_FILES)} - paths), reverse=True):
            remaining -= size
            if remaining < 0:
                _remove(path)

    @contextmanager
    def _writer(self, path: Path) -> Iterator[ArrayWriter]:
        _SOUND.pop(str(path), None)
        with atomic_file(path) as file, zipfile.ZipFile(file, "w") as archive:
            yield ArrayWriter(archive)

    @contextmanager
    def _giving_up(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            if not self.instead:
                raise
            if self.works:
                reason = one_line(error.strerror or error)
                self.emit(Warned(f"{self.what} cannot be kept in {self.folder}: {reason}; {self.instead}"))
            self.works = False


def as_array(value: object) -> NDArray[np.uint8]:
    """Return what JSON can say as an array that a store takes; see :func:`from_array`."""
    return np.frombuffer(json.dumps(value).encode(), np.uint8)


def from_array(array: NDArray[np.uint8]) -> Any:
    """Return the value that :func:`as_array` was given."""
    return json.loads(array.tobytes())


def _sound_arrays(file: IO[bytes], path: Path) -> Arrays:
    inode = os.fstat(file.fileno()).st_ino
    with zipfile.ZipFile(file) as archive:
        if _SOUND.get(str(path)) != inode and archive.testzip():
            raise ValueError(f"{path} is damaged")
        _SOUND[str(path)] = inode
        content = np.memmap(file, np.uint8, "r")
        members = archive.infolist()
        return {member.filename.removesuffix(".npy"): _mapped(content, archive, member) for member in members}


def _mapped(content: NDArray[np.uint8], archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> NDArray[Any]:
    with archive.open(member) as member_file:
        npy.read_magic(member_file)
        shape, is_fortran, dtype = npy.read_array_header_1_0(member_file)
        header = member_file.tell()
    lengths = content[member.header_offset + _LENGTHS : member.header_offset + _LOCAL_HEADER].view("<u2")
    start = member.header_offset + _LOCAL_HEADER + int(lengths.sum())
    values = content[start + header : start + member.file_size].view(dtype)
    return values.reshape(shape, order="F" if is_fortran else "C")


def _remove(path: Path) -> None:
    with suppress(PermissionError):  # another user's
        path.unlink(missing_ok=True)


def _files_by_use(paths: Iterable[Path]) -> Iterator[tuple[float, int, Path]]:
    """Yield the last use, size in bytes and path of those that another process has not just removed."""
    for path in paths:
        with suppress(OSError):
            status = path.stat()
            yield status.st_mtime, status.st_size, path
