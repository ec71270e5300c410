"""Lock trials against other processes on all machines that share the folder: one lock for each trial.

The system lets go of a lock when its process ends, however it ends; so a run that reads RUNNING, was started from this
lock folder and whose lock is free belongs to a dead process.
"""

import os
import re
import uuid
from contextlib import AbstractContextManager
from pathlib import Path

from src.common.errors import ThawError, one_line
from src.common.events import EventHandler, ignore
from src.common.files import atomic_write, exclusive_lock, exclusive_lock_if_free
from src.tracking import schema

_ID_FILE = "workplace"


def default_lock_folder(project: Path) -> "LockFolder | None":
    """Return the default lock folder, in THAW_WORK_DIR or the project; None if it is missing or not accessible."""
    return _existing(default_work_dir(project) / "locks")


def made_lock_folder(project: Path) -> "LockFolder":
    """Return the default lock folder, which is made if it is missing.

    Raises:
        ThawError: it cannot be written.
    """
    return LockFolder(default_work_dir(project))


def default_work_dir(project: Path) -> Path:
    """Return the default `runtime.work_dir`: THAW_WORK_DIR, or in the project."""
    return Path(os.environ.get("THAW_WORK_DIR") or project / ".thaw" / "work").expanduser()


def unsent_folder(work_dir: Path) -> Path:
    """Return the folder, in `runtime.work_dir`, of what a server that did not answer is to be given."""
    return work_dir / "unsent"


def known_lock_folder(locks: str, identity: str | None) -> "LockFolder | None":
    """Return the lock folder at `locks`, as a run names it; None where it no longer exists.

    A folder with another id is another's, on this machine or since: its locks say nothing of the run.
    """
    lock_folder = _existing(Path(locks)) if locks else None
    return lock_folder if lock_folder and lock_folder.id == identity else None


def _existing(locks: Path) -> "LockFolder | None":
    try:
        return LockFolder(locks.parent) if (locks / _ID_FILE).exists() else None
    except (ThawError, OSError):
        return None


class LockFolder:
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

    @property
    def unsent(self) -> Path:
        """Return the folder of what runs from here measured while their server did not answer."""
        return unsent_folder(self.folder.parent)

    @property
    def tags(self) -> dict[str, str]:
        """Return the tags of the lock folder, by which others find out whether the run's process lives."""
        return schema.LOCK_FOLDER_ID.of(self.id) | schema.LOCK_FOLDER_PATH.of(str(self.folder.absolute()))

    def lock(self, name: str, emit: EventHandler = ignore, waiting: str = "") -> AbstractContextManager[None]:
        """Hold the lock `name` (a trial's or a study's key); emit `waiting` while another process has it."""
        return exclusive_lock(self.folder / name, emit, waiting)

    def lock_if_free(self, name: str) -> AbstractContextManager[bool]:
        """Hold the lock `name` if no process has it, and yield whether this one does."""
        return exclusive_lock_if_free(self.folder / name)

    def _read_id(self) -> str:
        """Return the folder's id; make one where it is missing or damaged."""
        path = self.folder / _ID_FILE
        with exclusive_lock(self.folder / "workplace.lock"):
            content = path.read_bytes() if path.exists() else b""
            if not re.fullmatch(rb"[0-9a-f]{32}", content):
                content = uuid.uuid4().hex.encode()
                atomic_write(path, content)
            return content.decode()
