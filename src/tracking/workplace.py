"""Who works on which trial, on this machine or on those that share its folder: a lock for each trial, and no more.

The system lets go of a lock when its process ends, however it ends; so a run that reads RUNNING, was started from this
workplace and whose lock is free is the run of a dead process.
"""

import contextlib
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

from filelock import FileLock, Timeout

from src.errors import ThawError, one_line
from src.files import write_whole


class Workplace:
    """The folder of locks, and an id that says in a run's tags where it was started.

    Raises:
        ThawError: the folder cannot be written.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder / "locks"
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            self.id = self._read_id()
        except OSError as error:
            raise ThawError(f"runtime.work_dir={folder}: {one_line(error.strerror or error)}") from error

    @contextlib.contextmanager
    def claim(self, name: str, waits: Callable[[], None]) -> Iterator[None]:
        """Work on `name` (a trial's or a study's key) alone; `waits` is told when another process has it."""
        lock = self._lock(name)
        try:
            lock.acquire(timeout=0)
        except Timeout:
            waits()
            lock.acquire()
        try:
            yield
        finally:
            lock.release()

    @contextlib.contextmanager
    def claim_if_free(self, name: str) -> Iterator[bool]:
        """Claim `name` if nobody works on it just now, and say whether that was so."""
        lock = self._lock(name)
        try:
            lock.acquire(timeout=0)
        except Timeout:
            yield False
            return
        try:
            yield True
        finally:
            lock.release()

    def _lock(self, name: str) -> FileLock:
        path = self.folder / name
        path.touch()  # fails at once where a lock would wait for ever
        return FileLock(path)

    def _read_id(self) -> str:
        path = self.folder / "workplace"
        with FileLock(self.folder / "workplace.lock"):
            if not path.exists() or not path.read_text("ascii"):
                write_whole(path, uuid.uuid4().hex)
            return path.read_text("ascii")
