"""A pipe that nobody reads any more, as of `| head -1`: every command ends quietly, with SIGPIPE's status."""

import os
import shlex
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from src.common.project import PROJECT
from tests.conftest import make_photos
from tests.stores import client_in, runs_of
from tests.typist import Typed, Typist

PIPE_STATUS = 128 + signal.SIGPIPE
QUICK = "data=folder data.root=photos backbone=lenet5 image_size=32 hydra.run.dir=out runtime.work_dir=work"
TRIAL = f"{QUICK} epochs=1 batch_size=8 tracking.save_model=false"


def places(here: Path) -> dict[str, str]:
    """The variables of places that are the test's own."""
    return {"THAW_CACHE_DIR": str(here / "cache"), "MLFLOW_TRACKING_URI": f"sqlite:///{here}/mlflow.db"}


@pytest.fixture
def into_a_closed_pipe(heavy_typist: Typist, here: Path) -> Callable[..., Typed]:
    """Return a function that runs ``python -m COMMAND`` with output, or errors as well, piped to what has ended."""

    def run(command: str, *, errors: bool = False) -> Typed:
        return heavy_typist(*shlex.split(command), cwd=here, closed=(1, 2) if errors else (1,), **places(here))

    return run


def statuses(here: Path) -> list[str]:
    return [run.info.status for run in runs_of(client_in(here))]


@pytest.fixture
def here(tmp_path: Path) -> Path:
    make_photos(tmp_path / "photos", {"train": 4, "val": 2})
    return tmp_path


@pytest.mark.parametrize("command", [f"src.audit {QUICK}", "src.audit --help", "src.report --help", "src"])
def test_a_command_whose_output_nobody_reads_ends_quietly(
    into_a_closed_pipe: Callable[..., Typed], command: str
) -> None:
    done = into_a_closed_pipe(f"{command} runtime.progress=false" if "src.audit data" in command else command)
    assert done.status == PIPE_STATUS, done.err
    assert [line for line in done.err.splitlines() if not line.startswith("warning: weights=random")] == []


def test_a_trial_is_kept_though_nobody_reads_its_result(here: Path, into_a_closed_pipe: Callable[..., Typed]) -> None:
    done = into_a_closed_pipe(f"src.train {TRIAL} runtime.progress=false")
    assert (done.status, done.err) == (PIPE_STATUS, "")
    assert statuses(here) == ["FINISHED"]


@pytest.mark.slow
def test_a_report_and_a_sweep_end_quietly_too(here: Path, into_a_closed_pipe: Callable[..., Typed]) -> None:
    done = into_a_closed_pipe(f"src.train -m {TRIAL} unfrozen=0,2 study=mine hydra.sweep.dir=s")
    assert done.status == PIPE_STATUS
    assert "Broken pipe" not in done.err
    assert set(statuses(here)) <= {"FINISHED", "KILLED"}
    done = into_a_closed_pipe("src.report --study mine")
    assert (done.status, done.err) == (PIPE_STATUS, "")
    assert (here / "report" / "report.html").exists()


@pytest.mark.slow
def test_a_trial_whose_progress_nobody_reads_is_killed_and_goes_on_later(
    here: Path, into_a_closed_pipe: Callable[..., Typed]
) -> None:
    assert into_a_closed_pipe(f"src.train {TRIAL}", errors=True).status == PIPE_STATUS
    assert not (here / "mlflow.db").exists() or set(statuses(here)) == {"KILLED"}
    assert into_a_closed_pipe(f"src.train {TRIAL} runtime.progress=false").status == PIPE_STATUS
    assert "FINISHED" in statuses(here)


def test_an_output_that_is_closed_or_full_is_told_in_a_line_or_not_at_all(here: Path) -> None:
    for where, status, says in ((">&-", 0, ""), (">/dev/full", 1, "thaw: the disk: No space left on device")):
        command = f"{shlex.quote(sys.executable)} -m src.audit {QUICK} runtime.progress=false {where}"
        done = subprocess.run(
            ["bash", "-c", command], cwd=here, env={**os.environ, **places(here), "PYTHONPATH": str(PROJECT)},
            capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert done.returncode == status, done.stderr
        assert done.stderr.splitlines()[-1].startswith(says or "warning: weights=random")
