"""A job of a sweep: the result that it leaves however it ends, and the mark that tells when it could leave none."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from src.cli.job_results import (
    JobResult,
    SkippedError,
    is_under_way,
    numbers_with_result,
    prepare_folder,
    stop,
    write_result,
)
from src.common.errors import Interrupted, ThawError
from src.common.project import PROJECT
from src.trial.result import TrialResult

SUMMARY = {"objective": "accuracy", "best/val_accuracy": 0.5, "run_id": "abc"}


def raising(error: BaseException) -> Callable[[], TrialResult]:
    def run() -> TrialResult:
        raise error

    return run


def with_run(error: Exception) -> Exception:
    error.run_id = "def"  # type: ignore[attr-defined]
    return error


def ended(folder: Path, number: int) -> tuple[Any, ...]:
    found = JobResult.load(folder, number)
    assert found is not None
    assert found.number == number
    assert ("Traceback" in found.trace) is (found.status == "failed")
    return found.status, found.run_id, found.score, found.error


@pytest.mark.parametrize("reused", [True, False])
def test_a_job_that_comes_to_its_end(tmp_path: Path, reused: bool) -> None:
    prepare_folder(tmp_path)
    assert write_result(lambda: TrialResult(SUMMARY, reused), tmp_path, 3, fail_fast=False) == 0.5
    assert ended(tmp_path, 3) == ("reused" if reused else "finished", "abc", 0.5, "")
    assert not is_under_way(tmp_path, 3)


@pytest.mark.parametrize(
    ("error", "result"),
    [
        (ThawError("no such\nblock"), ("failed", "", None, "no such block")),
        (with_run(RuntimeError("a bug")), ("failed", "def", None, "RuntimeError: a bug")),
        (Interrupted(15), ("killed", "", None, "ended by signal 15")),
        (KeyboardInterrupt(), ("killed", "", None, "KeyboardInterrupt")),
    ],
)
def test_a_job_that_does_not(tmp_path: Path, error: BaseException, result: tuple[Any, ...]) -> None:
    prepare_folder(tmp_path)
    with pytest.raises(type(error)):
        write_result(raising(error), tmp_path, 0, fail_fast=False)
    assert ended(tmp_path, 0) == result
    assert not is_under_way(tmp_path, 0)
    assert write_result(lambda: TrialResult(SUMMARY, reused=False), tmp_path, 1, fail_fast=False) == 0.5


def test_none_begins_after_a_failure_that_is_to_stop_all(tmp_path: Path) -> None:
    prepare_folder(tmp_path)
    with pytest.raises(ThawError):
        write_result(raising(ThawError("x")), tmp_path, 0, fail_fast=True)
    with pytest.raises(SkippedError):
        write_result(raising(AssertionError("it began")), tmp_path, 1, fail_fast=True)
    assert ended(tmp_path, 1) == ("skipped", "", None, "")


def test_a_folder_is_made_ready_without_what_an_earlier_sweep_left(tmp_path: Path) -> None:
    prepare_folder(tmp_path)
    write_result(lambda: TrialResult(SUMMARY, reused=False), tmp_path, 0, fail_fast=False)
    stop(tmp_path)
    (tmp_path / "results" / "1.under_way").touch()
    (tmp_path / "results" / "mine.txt").touch()
    prepare_folder(tmp_path)
    assert JobResult.load(tmp_path, 0) is None
    assert not is_under_way(tmp_path, 1)
    assert (tmp_path / "results" / "mine.txt").exists()
    assert write_result(lambda: TrialResult(SUMMARY, reused=False), tmp_path, 0, fail_fast=True) == 0.5


def test_an_outcome_that_cannot_be_left_is_an_error_that_names_the_file(tmp_path: Path) -> None:
    prepare_folder(tmp_path)

    def run() -> TrialResult:
        (tmp_path / "results" / "0.json").mkdir()
        return TrialResult(SUMMARY, reused=False)

    with pytest.raises(OSError, match=r"results/0\.json"):
        write_result(run, tmp_path, 0, fail_fast=False)
    assert not is_under_way(tmp_path, 0)


@pytest.mark.parametrize("damage", [b"", b"\xff", b"[]", b'{"number": 0}'])
def test_a_damaged_outcome_is_none(tmp_path: Path, damage: bytes) -> None:
    prepare_folder(tmp_path)
    (tmp_path / "results" / "0.json").write_bytes(damage)
    assert JobResult.load(tmp_path, 0) is None


KILLED = """
import os, signal, sys
from pathlib import Path
from src.cli.job_results import write_result
write_result(lambda: os.kill(os.getpid(), signal.SIGKILL), Path(sys.argv[1]), 0, fail_fast=False)
"""


def test_a_killed_process_leaves_its_mark_alone(tmp_path: Path) -> None:
    prepare_folder(tmp_path)
    environment = {**os.environ, "PYTHONPATH": str(PROJECT)}
    done = subprocess.run([sys.executable, "-c", KILLED, str(tmp_path)], env=environment, check=False)
    assert done.returncode == -signal.SIGKILL
    assert JobResult.load(tmp_path, 0) is None
    assert is_under_way(tmp_path, 0)


def test_results_are_found_by_one_look(tmp_path: Path) -> None:
    assert numbers_with_result(tmp_path / "none") == set()
    prepare_folder(tmp_path)
    for number in (0, 11):
        JobResult(number, "finished", "r", 0.5, 1.0, "").save(tmp_path)
    (tmp_path / "results" / "3.under_way").touch()
    assert numbers_with_result(tmp_path) == {0, 11}
