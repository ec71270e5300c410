"""Files that are whole or not there, and locks beside them."""

import mmap
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Any

import numpy as np
from filelock import FileLock, Timeout
from numpy.typing import NDArray

from src.common.events import EventHandler, Waiting, ignore

_MAPPED_AT_MOST = 64e6


@contextmanager
def atomic_file(path: Path) -> Iterator[IO[bytes]]:
    """Yield a file that replaces `path` when the block ends without an error; its folder is made if it is missing.

    Several processes may do so at once: the last one's content stays, never a mixture.

    Raises:
        OSError: the disk is full, or takes no file there; it names `path`.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_name(f".{path.name}.{uuid.uuid4().hex}.unfinished")
    try:
        with unfinished.open("xb") as file:
            yield file
            file.flush()
            unfinished.replace(path)  # before a lock on it goes with its closing
    except BaseException as error:
        unfinished.unlink(missing_ok=True)
        if isinstance(error, OSError) and error.filename in {None, str(unfinished)}:
            error.filename = str(path)  # a full disk names none
        raise


def atomic_write(path: Path, content: str | bytes) -> None:
    """Write all of `content` to `path` or nothing; see :func:`atomic_file`."""
    with atomic_file(path) as file:
        file.write(content if isinstance(content, bytes) else content.encode("utf-8", "backslashreplace"))


@contextmanager
def path_in_errors(path: Path) -> Iterator[None]:
    """Name `path` in an error of the disk that names no file, as that of a full one does."""
    try:
        yield
    except OSError as error:
        error.filename = error.filename or str(path)
        raise


@contextmanager
def exclusive_lock(path: Path, emit: EventHandler = ignore, waiting: str = "") -> Iterator[None]:
    """Hold the lock `path` for the block; where another process has it, emit :class:`Waiting`, once.

    The system lets go of it when the process ends, however it ends.

    Raises:
        OSError: the file cannot be made.
    """
    with exclusive_lock_if_free(path) as is_free:
        if is_free:
            yield
            return
    emit(Waiting(waiting))
    with FileLock(path):
        yield


@contextmanager
def exclusive_lock_if_free(path: Path) -> Iterator[bool]:
    """Hold the lock `path` for the block if no other process has it, and yield whether this one does."""
    path.touch()  # fails at once where a lock would wait for ever
    lock = FileLock(path)
    with suppress(Timeout):
        lock.acquire(timeout=0)
    try:
        yield lock.is_locked
    finally:
        lock.release()


def gather(array: NDArray[Any], indices: NDArray[np.int64]) -> NDArray[Any]:
    """Return `array[indices]`; of a large mapped file, no page stays in the process's memory."""
    values = np.asarray(array[indices])
    base: object = array
    while isinstance(base, np.ndarray):
        base = base.base
    if isinstance(base, mmap.mmap) and array.nbytes > _MAPPED_AT_MOST:
        base.madvise(mmap.MADV_DONTNEED)  # the system keeps the pages for others
    return values


def folder_name(name: str) -> str:
    """Return a folder's name for any name: MLflow and studies take names that no file system does."""
    return "".join(c if c.isalnum() or c in "-_" else f"%{ord(c):x}" for c in name)[:120]
