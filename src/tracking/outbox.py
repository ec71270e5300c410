"""Keep what a run measures while its server does not answer, in order, and deliver it later.

A delivery that is repeated changes nothing. Metrics keep the time at which they were measured, and a store keeps one of
two that agree in name, step, time and value; tags, files and the run's end are set, not added.
"""

import json
import shutil
import time
from collections import deque
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import mlflow
from filelock import FileLock
from mlflow.entities import Metric, RunTag
from mlflow.exceptions import MlflowException, RestException

from src.common.errors import one_line
from src.common.events import EventHandler, Noted, Warned, ignore
from src.common.files import atomic_write, exclusive_lock_if_free
from src.tracking.mlflow_store import (
    FAILURES,
    brief_calls,
    over_new_connection,
    public_uri,
    store_kind,
    store_reason,
)

_REFUSALS = {"RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE", "INVALID_STATE", "RESOURCE_ALREADY_EXISTS"}
_ANSWERS_WITHIN = 5
_FIRST_PAUSE, _LONGEST_PAUSE = 2.0, 60.0
_JOURNAL, _RUN = "journal.jsonl", "run.json"


class Step(Protocol):
    """Something to log in a run, any number of times to the same effect."""

    def give(self, client: mlflow.MlflowClient, run_id: str) -> object:
        """Log it."""

    def kept(self, folder: Path) -> dict[str, Any]:
        """Return it as JSON that :func:`_step` reads; files are copied to `folder`."""


@dataclass(frozen=True)
class Batch:
    """Metrics and tags."""

    metrics: tuple[Metric, ...] = ()
    tags: Mapping[str, str] = field(default_factory=dict)

    def give(self, client: mlflow.MlflowClient, run_id: str) -> object:
        """Log them."""
        return client.log_batch(run_id, self.metrics, tags=[RunTag(name, text) for name, text in self.tags.items()])

    def kept(self, folder: Path) -> dict[str, Any]:
        """Return them as JSON."""
        return {"metrics": [_facts(metric) for metric in self.metrics], "tags": dict(self.tags)}


@dataclass(frozen=True)
class Text:
    """A text as the artifact `name`."""

    text: str
    name: str

    def give(self, client: mlflow.MlflowClient, run_id: str) -> object:
        """Log it."""
        return client.log_text(run_id, self.text, self.name)

    def kept(self, folder: Path) -> dict[str, Any]:
        """Return it as JSON."""
        return {"text": self.text, "name": self.name}


@dataclass(frozen=True)
class Files:
    """All files of a folder as artifacts."""

    folder: Path
    under: str | None = None

    def give(self, client: mlflow.MlflowClient, run_id: str) -> object:
        """Log them."""
        return client.log_artifacts(run_id, str(self.folder), self.under)

    def kept(self, folder: Path) -> dict[str, Any]:
        """Return their copy's name, in `folder`, as JSON."""
        copy = folder / f"{time.time_ns()}"
        shutil.copytree(self.folder, copy)
        return {"files": copy.name, "under": self.under}


@dataclass(frozen=True)
class End:
    """The run's status and the time of its end, in milliseconds since 1970."""

    status: str
    time: int

    def give(self, client: mlflow.MlflowClient, run_id: str) -> object:
        """Set it."""
        return client.set_terminated(run_id, self.status, self.time)

    def kept(self, folder: Path) -> dict[str, Any]:
        """Return it as JSON."""
        return {"status": self.status, "time": self.time}


def is_served(client: mlflow.MlflowClient) -> bool:
    """Return whether the store of `client` is a server, which may not answer."""
    return store_kind(str(client.tracking_uri)) == "server"


def is_outage(error: BaseException) -> bool:
    """Return whether a server fails, rather than answers that what is asked for makes no sense."""
    return isinstance(error, FAILURES) and not (isinstance(error, RestException) and error.error_code in _REFUSALS)


class Outbox:
    """Delivers the steps of one run to a store: at once, or where its server does not answer, once it does."""

    def __init__(
        self, client: mlflow.MlflowClient, run_id: str, folder: Path | None, emit: EventHandler = ignore
    ) -> None:
        """Deliver to the run `run_id`; `folder`: of all that could not be delivered; None: a failure is an error."""
        self.client, self.run_id, self.emit = client, run_id, emit
        self.folder = folder / run_id if folder and is_served(client) else None
        self._waiting: deque[Step] = deque()
        self._pause, self._due = _FIRST_PAUSE, 0.0
        self._lock: FileLock | None = None

    def send(self, step: Step) -> None:
        """Log `step` after all that waits; keep it where the server does not answer.

        Raises:
            MlflowException: the store refuses it, or is no server.
            OSError: it cannot be kept, either.
        """
        if self.folder is None:
            step.give(self.client, self.run_id)
            return
        if self._waiting or not self._given(step):
            self._keep(self.folder, step)
            if time.monotonic() >= self._due:
                self.deliver()

    def deliver(self, seconds: int = _ANSWERS_WITHIN) -> bool:
        """Deliver what waits, each step within `seconds`; return whether nothing waits any more."""
        if not self._waiting:
            return True
        while self._waiting and self._given(self._waiting[0], seconds):
            self._waiting.popleft()
        if not self._waiting:
            self._emptied()
        return not self._waiting

    def settle(self) -> None:
        """Deliver what waits as the run ends; where the server still does not answer, say how to do it later."""
        try:
            if not self.deliver(seconds=30):
                later = "once MLflow answers: python -m src.sync"
                self.emit(Warned(f"what the run {self.run_id} measured is kept; {later}"))
        except MlflowException as refusal:
            self.emit(Warned(f"MLflow: {store_reason(refusal)}; what it was not given is in {self.folder}"))
        self.close()

    def close(self) -> None:
        """Leave what waits to :func:`deliver_unsent`."""
        if self._lock:
            self._lock.release()

    @contextmanager
    def tolerance(self, lost: str) -> Iterator[None]:
        """Let the block fail where a server does not answer, and say what is `lost`."""
        try:
            yield
        except FAILURES as error:
            if self.folder is None or not is_outage(error):
                raise
            self.emit(Warned(f"MLflow: {store_reason(error)}: {lost}"))

    def load(self) -> None:
        """Let what an earlier process kept wait for delivery; a line that it did not finish is left out."""
        assert self.folder is not None
        with suppress(OSError, ValueError):
            for line in (self.folder / _JOURNAL).read_text("utf-8").splitlines():
                self._waiting.append(_step(json.loads(line), self.folder))

    def _given(self, step: Step, seconds: int = _ANSWERS_WITHIN) -> bool:
        try:
            with brief_calls(seconds):
                over_new_connection(lambda: self._give(step))
        except FAILURES as error:
            if not is_outage(error):
                raise
            self._failed(error)
            return False
        return True

    def _give(self, step: Step) -> None:
        if isinstance(step, Text | Files):
            self.client.get_run(self.run_id)  # to an upload, a proxy's login page reads as success
        step.give(self.client, self.run_id)

    def _failed(self, error: BaseException) -> None:
        if not self._waiting:
            self.emit(Warned(f"MLflow: {store_reason(error)}; training goes on, and what it measures is kept"))
        self._due = time.monotonic() + self._pause
        self._pause = min(2 * self._pause, _LONGEST_PAUSE)

    def _keep(self, folder: Path, step: Step) -> None:
        if self._lock is None:
            folder.mkdir(parents=True, exist_ok=True)
            self._lock = FileLock(_lock_file(folder))
            self._lock.acquire()
            atomic_write(folder / _RUN, json.dumps({"uri": public_uri(self.client.tracking_uri)}))
        content = step.kept(folder)
        with (folder / _JOURNAL).open("a", encoding="utf-8") as journal:
            journal.write(json.dumps(content) + "\n")
        self._waiting.append(_step(content, folder))

    def _emptied(self) -> None:
        assert self.folder is not None
        shutil.rmtree(self.folder, ignore_errors=True)
        _lock_file(self.folder).unlink(missing_ok=True)
        self.close()
        self._lock, self._pause = None, _FIRST_PAUSE
        self.emit(Noted("MLflow answers again: all that was kept is delivered"))


def unsent_runs(folder: Path) -> dict[str, str]:
    """Return the runs of which something waits in `folder`, each with its store's URI, without a password."""
    uris = {}
    for path in sorted(folder.glob(f"*/{_RUN}")):
        with suppress(OSError, ValueError):
            uris[path.parent.name] = str(json.loads(path.read_text("utf-8"))["uri"])
    return uris


def deliver_unsent(client: mlflow.MlflowClient, folder: Path, emit: EventHandler = ignore) -> list[str]:
    """Deliver what waits in `folder` for the store of `client`; return the runs of which something still waits.

    Those of a trial that runs now are left to it. `emit` receives each run that the store does not know any more. A
    server that starts again is waited for, as by each of MLflow's calls.

    Raises:
        MlflowException: the server still does not answer.
    """
    if not is_served(client):
        return []
    waiting = [run_id for run_id, uri in unsent_runs(folder).items() if uri == public_uri(client.tracking_uri)]
    if waiting:
        client.search_experiments(max_results=1)  # waits; a delivery does not
    return [run_id for run_id in waiting if not _synced(client, folder, run_id, emit)]


def _synced(client: mlflow.MlflowClient, folder: Path, run_id: str, emit: EventHandler) -> bool:
    with exclusive_lock_if_free(_lock_file(folder / run_id)) as is_free:
        if not is_free:
            return False
        outbox = Outbox(client, run_id, folder, emit)
        outbox.load()
        try:
            return outbox.deliver(seconds=30)
        except MlflowException as error:
            emit(Warned(f"run {run_id}: {one_line(error)}; delete {folder / run_id} to give it up"))
            return False


def _lock_file(folder: Path) -> Path:
    return folder.with_name(f"{folder.name}.lock")


def _facts(metric: Metric) -> list[Any]:
    return [metric.key, metric.value, metric.timestamp, metric.step, metric.model_id, metric.dataset_name,
            metric.dataset_digest]  # fmt: skip


def _metric(
    key: str, value: float, timestamp: int, step: int, model_id: str | None, name: str | None, digest: str | None
) -> Metric:
    return Metric(key, value, timestamp, step, model_id=model_id, dataset_name=name, dataset_digest=digest)


def _step(content: Mapping[str, Any], folder: Path) -> Step:
    """Return what :meth:`Step.kept` wrote."""
    match content:
        case {"metrics": metrics, "tags": tags}:
            return Batch(tuple(_metric(*facts) for facts in metrics), tags)
        case {"text": text, "name": name}:
            return Text(text, name)
        case {"files": name, "under": under}:
            return Files(folder / name, under)
        case {"status": status, "time": end}:
            return End(status, end)
    raise ValueError(f"{folder}: {content}")
