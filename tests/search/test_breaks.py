"""Sweeps that are broken for real: a worker killed, disks full, folders shared, odd or not to be written."""

import csv
import io
import os
import signal
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import mlflow
import pytest

from tests.processes import wait_for
from tests.search.launched import runs
from tests.typist import Started, Typist

SHORT = (
    "-m", "backbone=lenet5", "schedule=two_phase", "data=folder", "image_size=32", "batch_size=8", "epochs=1",
    "fine_tune_epochs=1", "tracking.save_model=false", "runtime.threads=1",
)  # fmt: skip
TWO_WORKERS = ("hydra/launcher=joblib", "hydra.launcher.n_jobs=2")
"""A sweep goes on without them: a worker imports all anew."""

Start = Callable[..., Started]


@pytest.fixture
def start(heavy_typist: Typist, photos: Path, tmp_path: Path) -> Start:
    """Starts a sweep of tiny trials with everything that it keeps below the test's own folder."""

    def run(*overrides: str) -> Started:
        places = (
            f"data.root={photos}", f"tracking.uri=sqlite:///{tmp_path}/mlflow.db", f"runtime.work_dir={tmp_path}/work",
            f"runtime.cache_dir={tmp_path}/cache", f"hydra.sweep.dir={tmp_path}/sweep",
        )  # fmt: skip
        named = {each.split("=")[0] for each in overrides}
        kept = [each for each in (*SHORT, *places) if each.split("=")[0] not in named]
        return heavy_typist.start("src.train", *kept, *overrides, cwd=tmp_path)

    return run


def finished(process: Started) -> tuple[int, str, str]:
    done = process.wait(200)
    assert "Traceback" not in done.err, done.err
    return done.status, done.out, done.err


def study(folder: Path, name: str) -> tuple[Any, list[dict[str, str]]]:
    """The parent run of the study, and the rows of its table."""
    (found,) = [run for run in runs(folder) if run.data.tags.get("study") == name]
    client = mlflow.MlflowClient(f"sqlite:///{folder}/mlflow.db")
    text = Path(client.download_artifacts(found.info.run_id, "trials.csv")).read_text()
    return found, list(csv.DictReader(io.StringIO(text)))


def counts(parent: Any) -> dict[str, int]:
    return {name: int(parent.data.metrics[f"trials/{name}"]) for name in ("finished", "reused", "failed", "killed")}


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="needs proc(5) to find the workers")
def test_a_killed_worker_takes_no_trial_along_that_had_not_begun(start: Start, tmp_path: Path) -> None:
    overrides = ("epochs=40", "schedule.feature_extraction.patience=null", "seed=1,2,3", "study=broken")
    process = start(*TWO_WORKERS, *overrides)
    wait_for(lambda: len(runs(tmp_path, "attributes.status = 'RUNNING' and tags.trial_key != ''")) == 2)
    os.kill(workers(process.pid)[0], signal.SIGKILL)
    status, out, errors = finished(process)
    assert status == 1
    told = [line for line in errors.splitlines() if "KILLED: its process ended without an error message" in line]
    assert len(told) == 2, errors
    assert "3 of 3 trials done, 2 killed" in out
    parent, rows = study(tmp_path, "broken")
    assert parent.info.status == "FAILED"
    assert Counter(row["status"] for row in rows) == {"FINISHED": 1, "KILLED": 2}
    assert counts(parent) == {"finished": 1, "reused": 0, "failed": 0, "killed": 2}
    status, out, _ = finished(start(*overrides))
    assert status == 0
    assert "3 of 3 trials done, 1 reused" in out
    parent, rows = study(tmp_path, "broken")
    assert parent.info.status == "FINISHED"
    assert [row["status"] for row in rows] == ["FINISHED"] * 3
    assert counts(parent) == {"finished": 3, "reused": 1, "failed": 0, "killed": 0}
    assert not runs(tmp_path, "attributes.status = 'RUNNING'")


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="needs proc(5) to find the workers")
def test_a_search_waits_for_the_scores_of_killed_trials(start: Start, tmp_path: Path) -> None:
    overrides = (
        "epochs=40", "schedule.feature_extraction.patience=null", "hydra/sweeper=keras_tuner",
        "hydra.sweeper.oracle=random", "hydra.sweeper.max_trials=4", "hydra.sweeper.batch_size=2",
        "dropout=interval(0.1,0.6)", "study=searching",
    )  # fmt: skip
    process = start(*TWO_WORKERS, *overrides)
    wait_for(lambda: len(runs(tmp_path, "attributes.status = 'RUNNING' and tags.trial_key != ''")) == 2)
    os.kill(workers(process.pid)[0], signal.SIGKILL)
    status, out, errors = finished(process)
    assert status == 1
    assert "2 of 4 trials done, 2 killed, 2 left" in out, errors
    status, out, errors = finished(start(*overrides))
    assert (status, "4 of 4 trials done" in out) == (0, True), errors
    assert [row["status"] for row in study(tmp_path, "searching")[1]] == ["FINISHED"] * 4


@pytest.mark.slow
def test_workers_end_with_a_sweep_that_is_killed_and_the_next_one_finds_their_trials_free(
    start: Start, tmp_path: Path
) -> None:
    overrides = (*TWO_WORKERS, "epochs=3000", "schedule.feature_extraction.patience=null", "seed=1,2", "study=orphans")
    process = start(*overrides)
    wait_for(lambda: len(runs(tmp_path, "attributes.status = 'RUNNING' and tags.trial_key != ''")) == 2)
    both = workers(process.pid)
    os.kill(process.pid, signal.SIGKILL)
    wait_for(lambda: not any("popen_loky" in text(pid, "cmdline") for pid in both), 15)
    assert finished(start("seed=1,2", "study=others"))[0] == 0
    assert not runs(tmp_path, "attributes.status = 'RUNNING'")


def workers(parent: int) -> list[int]:
    """The worker processes of joblib that `parent` started."""
    found = [int(path.name) for path in Path("/proc").iterdir() if path.name.isdigit()]
    return [
        pid for pid in found if f"PPid:\t{parent}\n" in text(pid, "status") and "popen_loky" in text(pid, "cmdline")
    ]


def text(pid: int, name: str) -> str:
    try:
        return Path(f"/proc/{pid}/{name}").read_text()
    except OSError:
        return ""


@pytest.mark.slow
def test_two_sweeps_in_one_folder_keep_their_trials_apart(start: Start, tmp_path: Path) -> None:
    one, two = start("seed=1,2", "study=one"), start("seed=3,4", "study=two")
    ends = [finished(one), finished(two)]
    assert [status for status, *_ in ends] == [0, 0]
    assert sum("another sweep uses the folder; waiting" in errors for *_, errors in ends) == 1
    for name, seeds in (("one", {"1", "2"}), ("two", {"3", "4"})):
        assert {row["seed"] for row in study(tmp_path, name)[1]} == seeds


@pytest.fixture
def disk(small_disk: Callable[[str], Path]) -> Path:
    return small_disk("4m")


def fill(disk: Path) -> None:
    """Leave not a byte on it."""
    with (disk / "filler").open("wb", buffering=0) as file:
        for size in (4096, 1):
            try:
                while True:
                    file.write(bytes(size))
            except OSError:
                continue


@pytest.mark.slow
def test_a_store_on_a_full_disk_is_told_and_the_study_goes_on_later(start: Start, tmp_path: Path, disk: Path) -> None:
    overrides = (
        f"tracking.uri=sqlite:///{disk}/mlflow.db", "epochs=60", "schedule.feature_extraction.patience=null",
        "seed=1,2", "study=full",
    )  # fmt: skip
    process = start(*overrides)
    wait_for(lambda: bool(runs(disk, "attributes.status = 'RUNNING' and tags.trial_key != ''")))
    fill(disk)
    status, out, errors = finished(process)
    assert status == 1
    failed = [line for line in errors.splitlines() if "FAILED: MLflow" in line]
    assert len(failed) == 2, errors
    assert all("disk is full" in line or f"{disk}/mlruns" in line for line in failed), errors
    assert "2 of 2 trials done, 2 failed" in out
    status, _, errors = finished(start(*overrides))
    assert status == 1
    assert errors.splitlines()[-1].startswith("thaw: MLflow")
    (disk / "filler").unlink()
    status, out, errors = finished(start(*overrides))
    assert (status, "2 of 2 trials done" in out) == (0, True), errors
    parent, rows = study(disk, "full")
    assert (parent.info.status, [row["status"] for row in rows]) == ("FINISHED", ["FINISHED", "FINISHED"])
    assert not runs(disk, "attributes.status = 'RUNNING'")


@pytest.mark.slow
@pytest.mark.parametrize("launcher", ["basic", "joblib"])
def test_a_sweep_in_a_full_folder_counts_what_failed(start: Start, tmp_path: Path, disk: Path, launcher: str) -> None:
    overrides = (f"hydra.sweep.dir={disk}/sweep", "seed=1,2", "study=full")
    process = start("epochs=60", "schedule.feature_extraction.patience=null", f"hydra/launcher={launcher}", *overrides)
    wait_for(lambda: bool(runs(tmp_path, "attributes.status = 'RUNNING' and tags.trial_key != ''")))
    fill(disk)
    status, out, errors = finished(process)
    assert status == 1
    failed = [line for line in errors.splitlines() if "FAILED: " in line]
    assert len(failed) == 2, errors
    assert all(f"FAILED: {disk}/sweep" in line and "No space left" in line for line in failed), errors
    assert "2 of 2 trials done, 2 failed" in out
    assert study(tmp_path, "full")[0].info.status == "FAILED"
    assert not runs(tmp_path, "attributes.status = 'RUNNING'")
    (disk / "filler").unlink()
    assert finished(start(*overrides))[0] == 0


def test_a_folder_that_takes_no_sweep_is_told_in_a_line(start: Start, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    status, out, errors = finished(start(f"hydra.sweep.dir={tmp_path}/file", "seed=1,2", "study=never"))
    assert (status, out) == (1, "")
    assert errors == f"thaw: hydra.sweep.dir={tmp_path}/file: File exists\n"
    assert not runs(tmp_path)


@pytest.mark.slow
def test_any_name_of_a_folder_will_do(start: Start, tmp_path: Path) -> None:
    folder = "a b 'q' #% ü 🌲"
    quoted = folder.replace("'", "\\'")
    overrides = (f"hydra.sweep.dir='{quoted}'", "hydra.job.chdir=true", "seed=1,2", "study=odd")
    status, out, errors = finished(start(*overrides))
    assert status == 0, errors
    assert "2 of 2 trials done" in out
    assert f"page: {tmp_path / folder}/report/report.html" in out
    assert len(study(tmp_path, "odd")[1]) == 2
