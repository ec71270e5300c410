"""Two hosts that share a server and no folder: one trains a trial, the other waits, or takes over from the dead."""

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import mlflow
import pytest

from src.tracking import schema
from tests.processes import wait_for
from tests.stores import runs_of
from tests.typist import Started, Typist

AHEAD = """
import runpy, sys, time
real, ahead = time.time, float(sys.argv.pop(1))
time.time = lambda: real() + ahead
sys.argv[0] = "src.train"
runpy.run_module("src.train", run_name="__main__", alter_sys=True)
"""
"""A trial on a host whose clock is so many seconds ahead."""

Trial = Callable[..., Started]


@pytest.fixture
def server(tmp_path: Path) -> Iterator[str]:
    """The address of an MLflow server on a free port."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [
        sys.executable, "-m", "mlflow", "server", "--host", "127.0.0.1", "--port", str(port), "--workers", "1",
        "--backend-store-uri", f"sqlite:///{tmp_path}/mlflow.db", "--artifacts-destination", f"{tmp_path}/artifacts",
    ]  # fmt: skip
    with subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        try:
            wait_for(lambda: can_connect(port), 120)
            yield f"http://127.0.0.1:{port}"
        finally:
            process.terminate()


def can_connect(port: int) -> bool:
    with socket.socket() as tried:
        return tried.connect_ex(("127.0.0.1", port)) == 0


@pytest.fixture
def trial(server: str, photos: Path, heavy_typist: Typist, tmp_path: Path) -> Iterator[Trial]:
    """Return a function that starts a trial on a host with folders and a clock of its own."""
    script, started = tmp_path / "ahead.py", list[Started]()
    script.write_text(AHEAD)

    def run(host: str, seconds_ahead: int, *overrides: str) -> Started:
        folders = (f"runtime.work_dir={tmp_path}/{host}", f"runtime.cache_dir={tmp_path}/{host}/cache",
                   f"hydra.run.dir={tmp_path}/{host}/out")  # fmt: skip
        words = (
            "backbone=lenet5", "data=folder", f"data.root={photos}", "image_size=32", "batch_size=8", "epochs=2",
            "fine_tune_epochs=2", "schedule=two_phase", f"tracking.uri={server}", "tracking.artifacts=none",
            "tracking.lease_seconds=5", *folders, *overrides,
        )  # fmt: skip
        started.append(heavy_typist.start(str(script), str(seconds_ahead), *words, cwd=tmp_path))
        return started[-1]

    yield run
    for each in started:
        if each.pid in heavy_typist.running:
            os.kill(each.pid, signal.SIGKILL)
            each.wait()


def trials(server: str, status: str) -> list[Any]:
    return runs_of(mlflow.MlflowClient(server), f"tags.trial_key != '' and attributes.status = '{status}'")


@pytest.mark.slow
def test_the_other_host_waits_and_takes_over_from_a_dead_one(server: str, trial: Trial) -> None:
    long = ("epochs=3000", "schedule.feature_extraction.patience=null")
    dead = trial("one", 600, *long)
    wait_for(lambda: trials(server, "RUNNING"), 120)
    other = trial("two", -600, "fine_tune_epochs=2", *long)
    wait_for(lambda: "another host trains this trial; waiting" in other.err.read_text(), 120)
    assert len(trials(server, "RUNNING")) == 1, other.err.read_text()
    os.kill(dead.pid, signal.SIGKILL)
    wait_for(lambda: trials(server, "KILLED"), 60)
    (killed,) = trials(server, "KILLED")
    assert "lease expired" in (schema.ERROR.read(killed.data.tags) or "")
    wait_for(lambda: trials(server, "RUNNING"), 60)


@pytest.mark.slow
def test_of_two_hosts_that_begin_at_once_one_trains_and_the_other_reuses(server: str, trial: Trial) -> None:
    both = trial("one", 600), trial("two", -600)
    ends = [process.wait(200) for process in both]
    assert [done.status for done in ends] == [0, 0], ends
    assert len(trials(server, "FINISHED")) == 1
    assert not trials(server, "RUNNING")
    assert sum("reused from the run" in done.said for done in ends) == 1
