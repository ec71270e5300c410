"""A process in which a launcher runs a sweep's jobs: it gets what it lacks there, and ends with its sweep."""

import contextlib
import functools
import os
import tempfile
import threading
import time
import uuid
from collections.abc import Callable, Mapping
from fcntl import LOCK_EX, LOCK_NB, LOCK_SH, flock
from pathlib import Path
from typing import IO, Any

from hydra.core.hydra_config import HydraConfig
from hydra.types import TaskFunction
from omegaconf import DictConfig

from src.cli.composition import prepare
from src.common.files import atomic_write

_POLL_SECONDS = 1.0
_GPUS = "CUDA_VISIBLE_DEVICES"
_RUN_ID = "MLFLOW_RUN_ID"
_HANDED_ON = ("MLFLOW_", "THAW_", "AWS_")

_held: list[IO[bytes]] = []
"""Locks of this process, held until it ends."""


class WorkerTask:
    """A sweep's task, as it is sent to the processes that run its jobs.

    Args:
        task: runs a job.
        environment: variables to set where it runs: of launchers that do not hand on those of the sweep's process.
    """

    def __init__(self, task: TaskFunction, environment: Mapping[str, str] | None = None) -> None:
        self._task, self._environment = task, environment or {}
        self._alive: Path | None = None
        self._study = ""

    def begin(self, folder: Path) -> None:
        """Let the jobs of the sweep in `folder`, whose process is this one, end with it and know their study."""
        self._alive = lock_until_end(folder)
        with contextlib.suppress(FileNotFoundError):
            self._study = _study_file(folder).read_text("utf-8")

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Let Hydra resolve a configuration where the task arrives: launchers do so before they call it."""
        _prepare_once()
        self.__dict__ |= state

    def __call__(self, composed: DictConfig) -> Any:
        """Run the job."""
        os.environ.update(self._environment)
        os.environ.pop(_RUN_ID, None)
        hydra = HydraConfig.get()
        study = _study_file(Path(hydra.runtime.cwd, hydra.sweep.dir))
        if not study.exists() and self._study:  # a host that does not share the sweep's folder
            atomic_write(study, self._study)
        if self._alive:
            end_with(self._alive)
        take_gpu()
        return self._task(composed)


def _study_file(folder: Path) -> Path:
    from src.tracking.study import CONTEXT_FILE  # and MLflow, once the environment is set

    return folder / CONTEXT_FILE


_prepare_once: Callable[[], None] = functools.cache(prepare)


def handed_on() -> dict[str, str]:
    """Return the variables of this process that its jobs need elsewhere: which store, and who asks."""
    return {name: value for name, value in os.environ.items() if name.startswith(_HANDED_ON) and name != _RUN_ID}


@functools.cache
def lock_until_end(folder: Path) -> Path:
    """Return a new file in `folder` that this process holds locked until it ends, however it ends."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f".{uuid.uuid4().hex}.alive"
    file = path.open("xb")
    flock(file, LOCK_EX)
    _held.append(file)
    return path


@functools.cache
def end_with(lock: Path) -> None:
    """End this process within a second or so after the one that holds `lock`; do nothing where there is no such file.

    It ends as by a kill: nobody waits for what it does any more, and the next one must find its locks free. A host that
    does not share the folder does not have the file.
    """

    def watch() -> None:
        while _is_held(lock):
            time.sleep(_POLL_SECONDS)
        os._exit(1)

    if lock.exists():
        threading.Thread(target=watch, daemon=True).start()


def _is_held(lock: Path) -> bool:
    try:
        with lock.open("rb") as file:
            flock(file, LOCK_SH | LOCK_NB)
    except FileNotFoundError:
        return False
    except OSError:  # held; or a file system that fails for a moment, and says nothing
        return True
    return False


def visible_gpus() -> list[str]:
    """Return this host's GPUs that the process may use, as CUDA_VISIBLE_DEVICES names them; without TensorFlow."""
    visible = os.environ.get(_GPUS)
    if visible is not None:
        return [gpu for gpu in (part.strip() for part in visible.split(",")) if gpu not in {"", "-1"}]
    return [str(index) for index, _ in enumerate(Path("/dev").glob("nvidia[0-9]*"))]


@functools.cache
def take_gpu() -> None:
    """Let this process see one of several GPUs: one that no other worker of the host has taken, if there is one."""
    gpus = visible_gpus()
    if len(gpus) > 1:
        free = next((gpu for gpu in gpus if _has_taken(gpu)), None)
        os.environ[_GPUS] = free or gpus[os.getpid() % len(gpus)]


def _has_taken(gpu: str) -> bool:
    file = Path(tempfile.gettempdir(), f"thaw-{os.getuid()}-gpu-{gpu}.lock").open("ab")  # noqa: SIM115
    try:
        flock(file, LOCK_EX | LOCK_NB)
    except OSError:
        file.close()
        return False
    _held.append(file)
    return True
