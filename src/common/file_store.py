"""Arrays on disk by key, for what takes long to compute: bounded, locked and checksummed.

A file is NumPy's own .npz without compression: named arrays, each with the checksum of zip. It is written under another
name, read back once by each process that uses it, and mapped into memory. What a killed process left, or a disk has
damaged, is not trusted but computed anew.
"""

import json
import os
import re
import shutil
import zipfile
from collections.abc import Callable, Iterator, Mapping, MutableMapping
from contextlib import ExitStack, contextmanager, suppress
from fcntl import LOCK_EX, LOCK_NB, LOCK_SH, flock
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

_UNFINISHED = re.compile(r"\..*\.unfinished")
_FINISHED = re.compile(r".*\.np[yz]|[0-9a-f]{32}")
"""Features were .npy files once, and images a folder of files: such count until they are removed."""

_LOCAL_HEADER, _LENGTHS = 30, 26
"""Of a zip's member: bytes before its name, and where the lengths of name and extra field stand."""

_SOUND: MutableMapping[str, int] = LRUCache(maxsize=4096)
"""Inodes of the files that this process has read back, by path: a file is replaced, never changed."""

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

    A file that a process has mapped or is writing stays: each holds the system's lock (flock) on it, which goes with
    the mapping or the process. One process at a time makes room, and reserves the size of what it is about to write.

    Where a file cannot be written, the store warns once of what cannot be kept and what happens `instead`, and from
    then on keeps nothing; without `instead` it raises OSError, and goes beyond the bound where files in use leave no
    room.
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
                flock(file, LOCK_SH)  # a mapping holds it too, until it is closed
                arrays = _sound_arrays(file, path)
        except Exception:  # a damaged file fails in every way; what cannot be read is not known
            return None
        with suppress(OSError):  # it may be another user's
            os.utime(path)
        return arrays

    def write(self, sizes: Mapping[str, float], fill: Callable[[Mapping[str, ArrayWriter]], None]) -> None:
        """Have `fill` write the files of `sizes` (bytes), by key; all or none. Whoever writes holds the key's lock."""
        size = sum(sizes.values())
        if not self.works or (self.instead and not self._fits(size, self.max_bytes)):
            return
        with self._giving_up(), ExitStack() as files:
            self.folder.mkdir(parents=True, exist_ok=True)
            with exclusive_lock(self.folder / ".room.lock"):
                if not self._fits(size, self._make_room(size, {self.path(key).name for key in sizes})) and self.instead:
                    return
                writers = {key: files.enter_context(self._writer(self.path(key), sizes[key])) for key in sizes}
            fill(writers)

    def _fits(self, size: float, room: float) -> bool:
        """Return whether `size` bytes fit into `room`; warn the first time that they are not kept for it."""
        if size > room and self.instead and not self._has_warned:
            self._has_warned = True
            bound = f"the bound is {self.max_bytes / 1e9:g} GB"
            in_use = f", of which {(self.max_bytes - room) / 1e9:.1f} are in use" if room < self.max_bytes else ""
            self.emit(Warned(f"{self.what} of {size / 1e9:.1f} GB are not kept, {bound}{in_use}; {self.instead}"))
        return size <= room

    def _make_room(self, size: float, replaced: set[str]) -> float:
        """Remove what nobody uses until `size` bytes fit in, and return the bytes that are free.

        What dead processes left unfinished goes first, then the files used least recently.
        """
        unfinished = list(_contents(self.folder, _UNFINISHED))
        in_use = [used for name, used, _ in unfinished if not _removed(self.folder / name)]
        finished = [content for content in _contents(self.folder, _FINISHED) if content[0] not in replaced]
        free = self.max_bytes - sum(in_use) - sum(used for _, used, _ in finished)
        for name, used, _ in sorted(finished, key=lambda content: content[2]):
            if free < size and _removed(self.folder / name):
                free += used
        return free

    @contextmanager
    def _writer(self, path: Path, size: float) -> Iterator[ArrayWriter]:
        _SOUND.pop(str(path), None)
        with atomic_file(path) as file:
            flock(file, LOCK_EX)
            file.truncate(int(size))  # others count it from now on
            with zipfile.ZipFile(file, "w") as archive:
                yield ArrayWriter(archive)
            file.truncate()  # what was reserved beyond it

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


def _removed(path: Path) -> bool:
    """Remove a file that no process uses, or an earlier version's folder; return whether it is gone."""
    try:
        if path.is_dir():
            shutil.rmtree(path)
            return True
        with path.open("rb") as file:
            flock(file, LOCK_EX | LOCK_NB)
            path.unlink()
    except OSError as error:  # in use, or another user's
        return isinstance(error, FileNotFoundError)
    return True


def _contents(folder: Path, names: re.Pattern[str]) -> Iterator[tuple[str, int, float]]:
    """Yield name, size in bytes and last use of files and folders that another process has not just removed.

    Each trial writes some files, and there may be thousands: directory entries take a fraction of the time of paths.
    """
    with os.scandir(folder) as entries:
        for entry in entries:
            if names.fullmatch(entry.name) and ("." in entry.name or entry.is_dir()):
                with suppress(OSError):
                    yield entry.name, *_size_and_last_use(entry)


def _size_and_last_use(entry: os.DirEntry[str]) -> tuple[int, float]:
    if not entry.is_dir():
        return entry.stat().st_size, entry.stat().st_mtime
    with os.scandir(entry) as files:
        statuses = [file.stat() for file in files]
    return sum(status.st_size for status in statuses), max((status.st_mtime for status in statuses), default=0.0)
