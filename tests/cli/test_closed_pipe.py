"""A pipe that nobody reads any more, as of `| head -1`: every command ends quietly, with SIGPIPE's status."""

import os
import shlex
import signal
import subprocess
import sys
from pathlib import Path

import mlflow
import pytest

from src.common.project import PROJECT
from tests.conftest import make_photos

PIPE_STATUS = 128 + signal.SIGPIPE
QUICK = "data=folder data.root=photos backbone=lenet5 image_size=32 hydra.run.dir=out runtime.work_dir=work"
TRIAL = f"{QUICK} epochs=1 batch_size=8 tracking.save_model=false"


def environment(here: Path) -> dict[str, str]:
    """A user's, with places of the test's own."""
    users = {name: value for name, value in os.environ.items() if name != "PYTHONUNBUFFERED"}
    places = {"THAW_CACHE_DIR": str(here / "cache"), "MLFLOW_TRACKING_URI": f"sqlite:///{here}/mlflow.db"}
    return {**users, **places, "PYTHONPATH": str(PROJECT)}


def into_a_closed_pipe(here: Path, command: str, *, errors: bool = False) -> subprocess.CompletedProcess[str]:
    """Run ``python -m COMMAND`` with standard output, or standard error as well, piped to what has ended already."""
    reading, writing = os.pipe()
    os.close(reading)
    try:
        return subprocess.run(
            [sys.executable, "-m", *shlex.split(command)], cwd=here, stdout=writing,
            stderr=subprocess.STDOUT if errors else subprocess.PIPE, text=True, timeout=280, check=False,
            env=environment(here),
        )  # fmt: skip
    finally:
        os.close(writing)


def statuses(here: Path) -> list[str]:
    client = mlflow.MlflowClient(f"sqlite:///{here}/mlflow.db")
    found = client.search_runs([each.experiment_id for each in client.search_experiments()])
    return [run.info.status for run in found]


@pytest.fixture
def here(tmp_path: Path) -> Path:
    make_photos(tmp_path / "photos", {"train": 4, "val": 2})
    return tmp_path


@pytest.mark.parametrize("command", [f"src.audit {QUICK}", "src.audit --help", "src.report --help", "src"])
def test_a_command_whose_output_nobody_reads_ends_quietly(here: Path, command: str) -> None:
    done = into_a_closed_pipe(here, f"{command} runtime.progress=false" if "src.audit data" in command else command)
    assert done.returncode == PIPE_STATUS, done.stderr
    assert [line for line in done.stderr.splitlines() if not line.startswith("warning: weights=random")] == []


def test_a_trial_is_kept_though_nobody_reads_its_result(here: Path) -> None:
    done = into_a_closed_pipe(here, f"src.train {TRIAL} runtime.progress=false")
    assert (done.returncode, done.stderr) == (PIPE_STATUS, "")
    assert statuses(here) == ["FINISHED"]


@pytest.mark.slow
def test_a_report_and_a_sweep_end_quietly_too(here: Path) -> None:
    done = into_a_closed_pipe(here, f"src.train -m {TRIAL} unfrozen=0,2 study=mine hydra.sweep.dir=s")
    assert done.returncode == PIPE_STATUS
    assert "Broken pipe" not in done.stderr
    assert set(statuses(here)) <= {"FINISHED", "KILLED"}
    done = into_a_closed_pipe(here, "src.report --study mine")
    assert (done.returncode, done.stderr) == (PIPE_STATUS, "")
    assert (here / "report" / "report.html").exists()


@pytest.mark.slow
def test_a_trial_whose_progress_nobody_reads_is_killed_and_goes_on_later(here: Path) -> None:
    assert into_a_closed_pipe(here, f"src.train {TRIAL}", errors=True).returncode == PIPE_STATUS
    assert not (here / "mlflow.db").exists() or set(statuses(here)) == {"KILLED"}
    assert into_a_closed_pipe(here, f"src.train {TRIAL} runtime.progress=false").returncode == PIPE_STATUS
    assert "FINISHED" in statuses(here)


def test_an_output_that_is_closed_or_full_is_told_in_a_line_or_not_at_all(here: Path) -> None:
    for where, status, says in ((">&-", 0, ""), (">/dev/full", 1, "thaw: the disk: No space left on device")):
        command = f"{shlex.quote(sys.executable)} -m src.audit {QUICK} runtime.progress=false {where}"
        done = subprocess.run(
            ["bash", "-c", command], cwd=here, env=environment(here), capture_output=True, text=True, check=False
        )
        assert done.returncode == status, done.stderr
        assert done.stderr.splitlines()[-1].startswith(says or "warning: weights=random")
