"""The load of trials on their store: ``python -m benchmarks.store_load --runs 200 --processes 4``.

Processes do all that a trial does with its store, by the same functions, as fast as the store takes it; nothing trains.
It prints runs and requests a second. Where no ``--to`` names a server, it starts one in a temporary folder, and prints
what a run costs there, too: time of processors, commits, and bytes of PostgreSQL's log and database.
"""

import argparse
import hashlib
import os
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import psutil
import requests

_SIZES = """SELECT xact_commit, pg_current_wal_lsn() - '0/0', pg_database_size(datname)
FROM pg_stat_database WHERE datname = 'mlflow'"""
_DATA: Any = SimpleNamespace(
    source="photos", fingerprint="0" * 64, class_names=["a", "b"],
    splits={split: SimpleNamespace(size=100) for split in ("train", "val", "test")},
)  # fmt: skip


@dataclass(frozen=True)
class Load:
    """What each process logs: `runs` runs, with a request for each of `epochs` epochs."""

    uri: str
    folder: Path
    runs: int
    epochs: int


@dataclass(frozen=True)
class Logged:
    """What came of a process: when its runs began and ended, s, the requests it sent, and its processor's seconds."""

    times: list[tuple[float, float]]
    requests: int
    seconds: float


def log_runs(load: Load, process: int) -> Logged:
    """Log the runs of one process, which is a host of its own."""
    from src.tracking import mlflow_run
    from src.tracking.locks import LockFolder

    mlflow_run._FLUSH_SECONDS = 0.0
    sent, locks, times = count_requests(), LockFolder(load.folder / str(process)), []
    began_at = time.process_time()
    for number in range(load.runs):
        began = time.time()
        _trial(load, locks, hashlib.blake2b(f"{began} {process} {number}".encode(), digest_size=16).hexdigest())
        times.append((began, time.time()))
    return Logged(times, len(sent), time.process_time() - began_at)


def count_requests() -> list[str]:
    """Return a list to which the address of every request of this process is added."""
    sent, send = list[str](), requests.Session.send

    def count(session: requests.Session, request: requests.PreparedRequest, **options: Any) -> requests.Response:
        sent.append(str(request.url))
        return send(session, request, **options)

    requests.Session.send = count  # type: ignore[method-assign]
    return sent


def _trial(load: Load, locks: Any, key: str) -> None:
    """Do with the store what `src.trial.run` does."""
    from src.common.events import ignore
    from src.config import TrackingConfig
    from src.tracking import schema
    from src.tracking.leases import Leases
    from src.tracking.mlflow_run import started_run
    from src.tracking.mlflow_store import open_store
    from src.tracking.trial_runs import TrialRuns

    store = TrackingConfig(uri=load.uri, experiment="load", run_name=None, save_model=False)
    client, experiment = open_store(store, Path.cwd())
    trial_runs, leases = TrialRuns(client), Leases(client, locks, seconds=60)
    trial_runs.finished(key)
    with locks.lock(key):
        trial_runs.close_dead(locks, mine=key)
        leases.wait(key, ignore, "")
        trial_runs.finished(key)
        tags = schema.TRIAL_KEY.of(key) | locks.tags | leases.tags()
        with (
            started_run(client, experiment, "load", int(time.time() * 1000), tags, locks.unsent) as run,
            leases.held(key, run.run_id),
        ):
            _log(run, load.epochs)


def _log(run: Any, epochs: int) -> None:
    from src.tracking.mlflow_run import TrialFacts

    values = {f"key{number}": "value" for number in range(40)}
    run.describe(TrialFacts(values, dict(list(values.items())[:20])), _DATA, {f"t{n}": "value" for n in range(10)})
    run.text("key: value\n" * 300, "config.yaml")
    run.text("package==1.0\n" * 300, "packages.txt")
    run.tags({f"machine{number}": "value" for number in range(10)})
    for epoch in range(epochs):
        run.metrics({f"val/m{number}": epoch / (number + 1) for number in range(12)}, epoch)
    with tempfile.TemporaryDirectory() as folder:
        for name, files in {"predictions": ("val", "test", "probabilities"), "figures": ("classes",)}.items():
            (Path(folder) / name).mkdir()
            for file in files:
                (Path(folder) / name / file).write_bytes(b"x" * 10_000)
            run.files(Path(folder) / name, name)
    run.text("{}" * 5000, "summary.json")
    run.metrics({f"best/m{number}": number / 40 for number in range(40)}, epochs)


@contextmanager
def served(uri: str | None, workers: int) -> Iterator[tuple[str, Callable[[], dict[str, float]]]]:
    """Yield a store's address, and what returns what a server that is started for it has used so far."""
    from src.tracking.mlflow_server import ServerSettings, store_server

    if uri:
        yield uri, dict
        return
    with tempfile.TemporaryDirectory(prefix="thaw-load-") as folder:
        Path(folder).chmod(0o755)  # PostgreSQL runs as another user
        with store_server(ServerSettings(Path(folder), workers=workers)) as server:
            yield server.uri, partial(used, server)


def used(server: Any) -> dict[str, float]:
    """Return what a server has used: milliseconds of processors, commits, kB of log and of the database."""
    import psycopg2

    with psycopg2.connect(server.cluster.uri("mlflow")) as connection, connection.cursor() as cursor:
        cursor.execute(_SIZES)
        commits, log, database = cursor.fetchone()
    return {
        "ms of MLflow's server": 1000 * busy(psutil.Process(server.process.pid)),
        "ms of PostgreSQL": 1000 * busy(psutil.Process(server.cluster.process.pid)),
        "commits": float(commits),
        "kB of PostgreSQL's log": float(log) / 1000,
        "kB of the database": float(database) / 1000,
    }


def busy(process: psutil.Process) -> float:
    """Return the seconds of processors that a process and those that it started took, ended ones included."""
    taken = [each.cpu_times() for each in (process, *process.children(recursive=True))]
    return sum(times.user + times.system + times.children_user + times.children_system for times in taken)


def main() -> None:
    """Log the runs and print what came of it."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.store_load", description=__doc__)
    parser.add_argument("--to", metavar="URI", help="the store; without it, one is started")
    parser.add_argument("--workers", type=int, default=2, help="of the server that is started")
    parser.add_argument("--runs", type=int, default=2000)
    parser.add_argument("--processes", type=int, default=16)
    parser.add_argument("--epochs", type=int, default=20)
    options = parser.parse_args()
    with served(options.to, options.workers) as (uri, used_by_server), tempfile.TemporaryDirectory() as folder:
        before = used_by_server()
        load = Load(uri, Path(folder), options.runs // options.processes, options.epochs)
        with ProcessPoolExecutor(options.processes, mp_context=get_context("spawn")) as pool:
            logged = list(pool.map(partial(log_runs, load), range(options.processes)))
        more = {name: value - before[name] for name, value in used_by_server().items()}
    _print(logged, more | {"ms of the processes": 1000 * sum(each.seconds for each in logged)})


def _print(logged: list[Logged], used: dict[str, float]) -> None:
    times = sorted(pair for each in logged for pair in each.times)
    seconds = max(end for _, end in times) - times[0][0]
    sent = sum(each.requests for each in logged)
    print(f"{len(times)} runs by {len(logged)} processes in {seconds:.1f} s; load {os.getloadavg()[0]:.1f}")
    print(f"{sent / len(times):.1f} requests a run; {len(times) / seconds:.2f} runs/s, {sent / seconds:.0f} requests/s")
    fifth = max(len(times) // 5, 1)
    for name, part in (("the first", times[:fifth]), ("the last", times[-fifth:])):
        print(f"{statistics.median(end - began for began, end in part):.2f} s a run in its process, of {name} fifth")
    print("a run takes", ", ".join(f"{value / len(times):.1f} {name}" for name, value in used.items()))


if __name__ == "__main__":
    main()
