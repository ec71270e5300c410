"""A sweep under way: its study in MLflow, its jobs by whichever launcher, and what is said of them."""

import contextlib
import sys
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import mlflow
from hydra.core.utils import JobReturn, JobStatus
from hydra.plugins.launcher import Launcher
from omegaconf import DictConfig, OmegaConf

from src.config import RuntimeConfig, TrackingConfig
from src.errors import ThawError, one_line
from src.explanation import explain
from src.project import PROJECT
from src.reporting.study import make_report
from src.search.axes import Axes, label
from src.search.board import Board, Tally
from src.search.jobs import JobOutcome, forget_outcomes
from src.tracking.memory import WORKPLACE_TAG, TrialMemory
from src.tracking.store import how_to_compare, open_store, tracking_uri
from src.tracking.study import Study, study_key
from src.tracking.workplace import Workplace

_POLL_SECONDS = 0.2


class TrialsFailedError(ThawError):
    """Some trials of a sweep failed. Each was told as it happened."""

    told = True


@dataclass(frozen=True)
class _Settings:
    """What a sweep needs of the configuration that its jobs share."""

    tracking: TrackingConfig
    runtime: RuntimeConfig
    name: str
    folder: Path

    @classmethod
    def read(cls, config: DictConfig, name: str) -> Self:
        plain = {name: OmegaConf.to_container(config[name], resolve=True) for name in ("tracking", "runtime")}
        return cls(
            TrackingConfig.model_validate(plain["tracking"]),
            RuntimeConfig.model_validate(plain["runtime"]),
            str(config.study or name),
            Path(str(config.hydra.sweep.dir)).absolute(),
        )


class Sweep:
    """Launches jobs of an open study, and tells and counts how they end. See :func:`open_sweep`."""

    def __init__(
        self, launcher: Launcher, study: Study, settings: _Settings, varied: Sequence[str], board: Board
    ) -> None:
        self.launcher, self.study, self.varied, self.board = launcher, study, varied, board
        self.folder = settings.folder
        self.search_folder = settings.runtime.work_dir / "searches" / study.key  # for what a search keeps of its own
        self.full: dict[int, str] = {}
        self.pruned = 0

    @property
    def stopped(self) -> bool:
        """Whether a failure ended it, as `fail_fast` has it."""
        return bool(self.board.tally.counts()["skipped"])

    def launch(self, jobs: Sequence[Sequence[str]], broken: Mapping[int, Exception] | None = None) -> list[JobOutcome]:
        """Run `jobs` (each a list of overrides) by the launcher; return how they ended, in their order.

        `broken`: errors of jobs that cannot be composed, by number within the sweep; those are not launched.
        """
        tally = self.board.tally
        first = len(tally.labels)
        numbers = range(first, first + len(jobs))
        tally.labels |= {number: label(job, self.varied) for number, job in zip(numbers, jobs, strict=True)}
        self.full |= {number: label(job) for number, job in zip(numbers, jobs, strict=True)}
        for number in numbers:
            if broken and number in broken:
                self.ended(JobOutcome(number, "failed", "", None, 0.0, explain(broken[number])))
        whole = [number for number in numbers if number not in tally.outcomes]
        for run in _consecutive(whole):
            with _Watcher(self.folder, run, self.ended):
                returns = self.launcher.launch([jobs[number - first] for number in run], initial_job_idx=run[0])
            for number, returned in zip(run, returns, strict=True):
                if number not in tally.outcomes:
                    self.ended(_from_return(number, returned))
        return [tally.outcomes[number] for number in numbers]

    def ended(self, outcome: JobOutcome) -> None:
        """Tell that a job has ended; one that failed before it had a run gets one of the study's."""
        self.board.ended(outcome)
        if outcome.status == "failed" and not outcome.run_id:
            self.study.add_failed(self.full[outcome.number], outcome.error, outcome.trace)


@contextlib.contextmanager
def open_sweep(config: DictConfig, launcher: Launcher, axes: Axes, name: str, total: int | None) -> Iterator[Sweep]:
    """A sweep over `axes` of `total` trials (None: nobody knows), as a study that is closed however it ends.

    The study's name is the configuration's, else `name`.

    Raises:
        TrialsFailedError: on leaving, where trials failed; the others are done and kept.
        ThawError: the store cannot be had.
    """
    settings = _Settings.read(config, name)
    board = Board(Tally(total), settings.name, settings.runtime.progress)
    client, experiment = open_store(settings.tracking, PROJECT)
    workplace, memory = Workplace(settings.runtime.work_dir), TrialMemory(client)
    with workplace.claim(study_key(settings.name), lambda: board.note("another process sweeps this study; waiting")):
        memory.close_dead(workplace)
        study = Study.open(client, experiment, settings.name, {WORKPLACE_TAG: workplace.id})
        sweep = Sweep(launcher, study, settings, list(axes.varied), board)
        try:
            _prepare(settings, config, study, axes)
            with board:
                yield sweep
        finally:
            memory.close_dead(workplace)  # of other processes that ended with this one
            _close(study, sweep, sys.exception())
            board.table()
        board.result(_report(client, study, settings), _places(settings, study))
    failed = board.tally.counts()["failed"]
    if failed:
        raise TrialsFailedError(f"{failed} trials failed")


def _prepare(settings: _Settings, config: DictConfig, study: Study, axes: Axes) -> None:
    """Leave in the sweep's folder what its jobs look for, and in the study what it is."""
    forget_outcomes(settings.folder)
    study.membership().save(settings.folder)
    OmegaConf.save(config, settings.folder / "multirun.yaml")
    plain = OmegaConf.to_container(config, resolve=False)
    assert isinstance(plain, dict)
    without = {"hydra", "tracking"}  # its uri may hold a password
    own = {key: value for key, value in plain.items() if key not in without}
    study.describe(axes.varied, axes.fixed, OmegaConf.to_yaml(own))


def _consecutive(numbers: Sequence[int]) -> list[list[int]]:
    """`numbers` in runs without a gap: a launcher counts on from the first.

    >>> _consecutive([0, 1, 4, 5, 6])
    [[0, 1], [4, 5, 6]]
    """
    runs: list[list[int]] = []
    for number in numbers:
        if runs and number == runs[-1][-1] + 1:
            runs[-1].append(number)
        else:
            runs.append([number])
    return runs


def _close(study: Study, sweep: Sweep, error: BaseException | None) -> None:
    """Leave the counts, the table and the status in the study."""
    counts = sweep.board.tally.counts()
    killed = error is not None and not isinstance(error, Exception)
    status = "KILLED" if killed else "FAILED" if error or counts["failed"] else "FINISHED"
    numbers = {each: counts[each] for each in ("finished", "answered", "failed", "killed")}
    study.close(status, numbers | {"pruned": sweep.pruned})


def _report(client: mlflow.MlflowClient, study: Study, settings: _Settings) -> list[str]:
    """The study's report, kept beside the trials and with the parent run; its lines for the terminal."""
    folder = settings.folder / "report"
    report = make_report(client, study, settings.name, folder)
    client.log_artifacts(study.run_id, str(folder), "report")
    return report.lines()


def _places(settings: _Settings, study: Study) -> dict[str, str]:
    return {
        "study": f"{one_line(settings.name)}, run {study.run_id} in experiment {settings.tracking.experiment}",
        "files": str(settings.folder),
        "compare": how_to_compare(tracking_uri(settings.tracking, PROJECT), PROJECT),
    }


class _Watcher:
    """Tells of outcomes as jobs leave them, in whichever process; a context manager around a launch."""

    def __init__(self, folder: Path, numbers: Sequence[int], tell: Callable[[JobOutcome], None]) -> None:
        self.folder, self.tell = folder, tell
        self.waiting = list(numbers)
        self.over = threading.Event()
        self.thread = threading.Thread(target=self._watch, daemon=True)

    def __enter__(self) -> None:
        self.thread.start()

    def __exit__(self, *_: object) -> None:
        self.over.set()
        self.thread.join()
        self._look()

    def _watch(self) -> None:
        while not self.over.wait(_POLL_SECONDS):
            self._look()

    def _look(self) -> None:
        for number in list(self.waiting):
            outcome = JobOutcome.load(self.folder, number)
            if outcome:
                self.waiting.remove(number)
                self.tell(outcome)


def _from_return(number: int, returned: JobReturn) -> JobOutcome:
    """The outcome of a job that left none: its launcher keeps files elsewhere, or it did not come to run."""
    value: Any = returned._return_value
    if returned.status == JobStatus.COMPLETED:
        return JobOutcome(number, "finished", "", float(value), 0.0, "")
    return JobOutcome(number, "failed", "", None, 0.0, explain(value))
