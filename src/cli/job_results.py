"""One job of a sweep, on whichever process or machine a launcher runs it, and the result that it leaves for the sweep.

A sweep and its jobs share only the sweep's folder, whatever the launcher.
"""

import contextlib
import json
import os
import re
import time
import traceback
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal, Self

from src.cli.error_messages import explain
from src.common.errors import ThawError, one_line
from src.common.files import atomic_write
from src.trial.result import TrialResult

Status = Literal["finished", "reused", "failed", "killed", "skipped"]
_STOP, _RESULTS = "stop", "results"
_RESULT = re.compile(r"\d+\.json", re.ASCII)


@dataclass(frozen=True)
class JobResult:
    """The result of a job.

    Attributes:
        number: of the job within its sweep.
        score: the objective's value on validation, 0–1; None where there is none.
        seconds: wall time.
        error: one line; "" where all went well.
        trace: the error's traceback; "" where there is none.
        depth: what trains, as it would be typed for `unfrozen`; "" where that is not known.
        idle: keys that the trial does not read.
        baseline: what always predicting the largest class scores, where `score` is not better; else None.
        parts: of the time, s, by their names in MLflow; of a trial that was trained.
    """

    number: int
    status: Status
    run_id: str
    score: float | None
    seconds: float
    error: str
    trace: str = ""
    depth: str = ""
    idle: tuple[str, ...] = ()
    baseline: float | None = None
    parts: dict[str, float] = field(default_factory=dict)

    def save(self, folder: Path) -> None:
        """Leave it in a sweep's folder."""
        atomic_write(_file(folder, self.number), json.dumps(asdict(self)))

    @classmethod
    def load(cls, folder: Path, number: int) -> Self | None:
        """Return the result of job `number`, or None while there is none."""
        try:
            return cls(**json.loads(_file(folder, number).read_text("utf-8")))
        except (OSError, ValueError, TypeError):
            return None


def numbers_with_result(folder: Path) -> set[int]:
    """Return the numbers of the jobs that have left a result in `folder`, by one look: there may be a thousand jobs."""
    with contextlib.suppress(OSError), os.scandir(folder / _RESULTS) as entries:
        return {int(entry.name.removesuffix(".json")) for entry in entries if _RESULT.fullmatch(entry.name)}
    return set()


class SkippedError(ThawError):
    """A job that did not begin, because another one had failed."""


def write_result(run: Callable[[], TrialResult], folder: Path, number: int, *, fail_fast: bool) -> float:
    """Run job `number` of the sweep in `folder` and leave its result there; return its score.

    Raises:
        SkippedError: `fail_fast`, and an earlier job failed.
        Exception: whatever `run` raises.
    """
    began = time.perf_counter()

    def write(status: Status, run_id: str = "", score: float | None = None, error: str = "", **more: Any) -> None:
        JobResult(number, status, run_id, score, time.perf_counter() - began, error, **more).save(folder)

    if (folder / _STOP).exists():
        write("skipped")
        raise SkippedError("skipped: an earlier trial failed")
    with _under_way(folder, number):
        try:
            result = run()
        except Exception as error:
            trace = traceback.format_exc()
            with contextlib.suppress(OSError):  # of a full disk: the trial's own error is the one to report
                if fail_fast:
                    stop(folder)
                write("failed", str(getattr(error, "run_id", "")), error=explain(error), trace=trace)
            raise
        except BaseException as end:
            with contextlib.suppress(OSError):
                write("killed", error=one_line(end) or type(end).__name__)
            raise
        status: Status = "reused" if result.reused else "finished"
        run_id, baseline = result.summary["run_id"], result.baseline
        parts = {} if result.reused else result.parts
        write(status, run_id, result.score, baseline=baseline, depth=result.depth, idle=result.idle, parts=parts)
    return result.score


def stop(folder: Path) -> None:
    """Let no further job of the sweep in `folder` begin."""
    (folder / _STOP).touch()


def is_under_way(folder: Path, number: int) -> bool:
    """Return whether job `number` has started and not ended; its process was killed if its launcher has ended."""
    return _mark(folder, number).exists()


def prepare_folder(folder: Path) -> None:
    """Make `folder` ready for a sweep's jobs, without what an earlier sweep left there."""
    (folder / _RESULTS).mkdir(parents=True, exist_ok=True)
    (folder / _STOP).unlink(missing_ok=True)
    for path in (*(folder / _RESULTS).glob("*.json"), *(folder / _RESULTS).glob("*.under_way")):
        path.unlink(missing_ok=True)


def _file(folder: Path, number: int) -> Path:
    return folder / _RESULTS / f"{number}.json"


def _mark(folder: Path, number: int) -> Path:
    return folder / _RESULTS / f"{number}.under_way"


@contextlib.contextmanager
def _under_way(folder: Path, number: int) -> Iterator[None]:
    mark = _mark(folder, number)
    mark.touch()
    try:
        yield
    finally:
        mark.unlink(missing_ok=True)
