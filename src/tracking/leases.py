"""Leases in the tracking store: hosts that share no lock folder do not train one trial at the same time.

A run holds its trial's lease while it reads RUNNING and its process raises a counter in its tag. Others that find the
run watch the counter: where it stands still for the lease's time by the watcher's own monotonic clock, the process is
dead or cut off, and its run is closed. No two clocks are compared, so a host's time may be wrong; and no lease expires
while the store does not answer.

A run is also the claim, made before its process looks for others (as in L. Lamport's bakery algorithm, 1974): of two
that begin at once, at least one sees the other. The claim with the least id stays; the others are withdrawn.
"""

import contextlib
import threading
import time
from collections.abc import Iterator

import mlflow
from mlflow.entities import Run as FoundRun
from mlflow.exceptions import MlflowException

from src.common.errors import ThawError
from src.common.events import EventHandler, Waiting
from src.tracking import schema
from src.tracking.locks import LockFolder
from src.tracking.mlflow_run import run_tags
from src.tracking.mlflow_store import brief_calls, store_kind
from src.tracking.trial_runs import all_experiments

_RENEWALS, _LOOKS, _CLAIMS = 4, 12, 120
"""In a lease's time: how often it is renewed, watched, and looked at while several claim it."""
_ANSWERS_WITHIN = 5
"""Seconds that a trial waits at its end to hear whether its lease still holds."""
_EXPIRED = "its lease expired: its process is dead, or cut off from the store"


class LeaseTakenError(ThawError):
    """Another host trains the trial."""


def need_leases(client: mlflow.MlflowClient) -> bool:
    """Return whether hosts that share no folder may use the store, which is so where it is no file."""
    return store_kind(str(client.tracking_uri)) != "file"


def what_locks(client: mlflow.MlflowClient, lock_folder: LockFolder, seconds: int) -> str:
    """Return in a line what keeps two processes from training the same trial; `seconds`: of a lease."""
    others = f"; for hosts without that folder, leases in the store ({seconds} s)" if need_leases(client) else ""
    return f"files in {lock_folder.folder}{others}"


class Leases:
    """A process's lease of the trial that it trains, and what it sees of those of other hosts.

    A lease that is not renewed for `seconds` expires.
    """

    def __init__(self, client: mlflow.MlflowClient, lock_folder: LockFolder, seconds: int) -> None:
        self.client, self.lock_folder, self.seconds = client, lock_folder, seconds
        self._renewals, self._is_lost = 0, False
        self._are_needed = need_leases(client)

    def tags(self) -> dict[str, str]:
        """Return the tag by which a new run claims its trial; none where the store needs no leases."""
        self._renewals = 0
        return self._tag() if self._are_needed else {}

    def wait(self, key: str, emit: EventHandler, waiting: str) -> None:
        """Return once no other host trains the trial `key`; emit `waiting` where one does, and close what expired."""
        watch, has_emitted = _Watch(), False
        while others := self._others(key):
            if not has_emitted:
                emit(Waiting(waiting))
            has_emitted = True
            self._close_expired(others, watch)
            time.sleep(self.seconds / _LOOKS)

    @contextlib.contextmanager
    def held(self, key: str, run_id: str) -> Iterator[None]:
        """Hold the lease of the trial `key` for the block, by its new run.

        Raises:
            LeaseTakenError: another host has it or, when the block is left, has taken it over.
        """
        if not self._are_needed:
            yield
            return
        self._acquire(key, run_id)
        over = threading.Event()
        threading.Thread(target=self._keep, args=(run_id, over), daemon=True).start()
        try:
            yield
            with brief_calls(_ANSWERS_WITHIN):
                self._renew(run_id)
            self.check()
        finally:
            over.set()

    def check(self) -> None:
        """Raise LeaseTakenError if the lease of the trial under way was taken over."""
        if self._is_lost:
            raise LeaseTakenError("another host has taken the trial over, as this one was cut off from the store")

    def _acquire(self, key: str, run_id: str) -> None:
        """Return when no other run claims the trial; withdraw `run_id` where another one comes first."""
        watch = _Watch()
        while others := self._others(key, but=run_id):
            if any(_lease(run)[0] or run.info.run_id < run_id for run in others):
                self.client.delete_run(run_id)
                raise LeaseTakenError("another host has just begun the trial")
            self._close_expired(others, watch)
            time.sleep(self.seconds / _CLAIMS)
        self._is_lost = False
        self._renew(run_id)

    def _keep(self, run_id: str, over: threading.Event) -> None:
        while not over.wait(self.seconds / _RENEWALS):
            self._renew(run_id)

    def _renew(self, run_id: str) -> None:
        """Raise the run's counter, unless it was closed; a store that does not answer is asked the next time."""
        self._renewals += 1
        with contextlib.suppress(MlflowException, OSError):
            self._is_lost = self.client.get_run(run_id).info.status != "RUNNING"
            if not self._is_lost:
                self.client.log_batch(run_id, tags=run_tags(self._tag()))

    def _tag(self) -> dict[str, str]:
        return schema.LEASE.of({"renewals": self._renewals, "seconds": self.seconds})

    def _others(self, key: str, but: str = "") -> list[FoundRun]:
        """Return the runs of other lock folders that claim or hold the trial; locks tell of those of this folder."""
        if not self._are_needed:
            return []
        query = f"tags.{schema.TRIAL_KEY} = '{key}' and attributes.status = 'RUNNING'"
        runs = self.client.search_runs(all_experiments(self.client), query, max_results=1000)
        return [run for run in runs if run.info.run_id != but and self._is_foreign(run)]

    def _is_foreign(self, run: FoundRun) -> bool:
        tags = run.data.tags
        return schema.LEASE.read(tags) is not None and schema.LOCK_FOLDER_ID.read(tags) != self.lock_folder.id

    def _close_expired(self, runs: list[FoundRun], watch: "_Watch") -> None:
        for run in runs:
            if watch.has_expired(run):
                self.client.log_batch(run.info.run_id, tags=run_tags(schema.ERROR.of(_EXPIRED)))
                self.client.set_terminated(run.info.run_id, "KILLED")


class _Watch:
    """Sees which leases stand still for their time, by looks of which none came late, as after an outage."""

    def __init__(self) -> None:
        self._seen: dict[str, tuple[int, float, float]] = {}

    def has_expired(self, run: FoundRun) -> bool:
        """Return whether the lease of `run`, as it is seen now, stood still for so long."""
        renewals, seconds = _lease(run)
        now = time.monotonic()
        known, since, last = self._seen.get(run.info.run_id, (renewals, now, now))
        if renewals != known or now - last > seconds / 2:
            since = now
        self._seen[run.info.run_id] = (renewals, since, now)
        return now - since > seconds


def _lease(run: FoundRun) -> tuple[int, int]:
    """Return how often the lease of `run` was renewed, and after how many seconds it expires."""
    lease = schema.LEASE.read(run.data.tags) or {}
    return lease.get("renewals", 0), lease.get("seconds", 0)
