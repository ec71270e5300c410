"""A sweep under way: its study in MLflow, its jobs by whichever launcher, and what is said of them."""

import contextlib
import io
import sys
import threading
import traceback
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Self

from hydra.core.utils import JobReturn
from hydra.plugins.launcher import Launcher
from mlflow.entities import Run as FoundRun
from mlflow.exceptions import MlflowException
from omegaconf import DictConfig, OmegaConf

from src.cli.error_messages import explain
from src.cli.job_results import JobResult, is_under_way, numbers_with_result, prepare_folder, stop
from src.cli.overrides import Axes, label, that_change_numbers
from src.common.errors import Interrupted, ThawError, one_line
from src.common.files import atomic_write, exclusive_lock, path_in_errors
from src.common.metrics import METRICS, Metric
from src.common.project import PROJECT
from src.config import RuntimeConfig, TrackingConfig
from src.features.cache_plan import SharedFeatures
from src.reporting.kept_report import FOLDER, PAGE, keep_report, kept_report, report_key
from src.search.display import SweepDisplay, SweepProgress
from src.tracking.idle_keys import followed
from src.tracking.leases import what_locks
from src.tracking.locks import LockFolder, unsent_folder
from src.tracking.mlflow_store import how_to_compare, open_store, refusals_as_errors, store_reason, tracking_uri
from src.tracking.outbox import deliver_unsent
from src.tracking.study import Study, study_key
from src.tracking.trial_runs import TrialRuns
from src.trial.context import artifacts_of
from src.trial.rendering import render_run

if TYPE_CHECKING:
    from src.reporting.study_report import Report

_POLL_SECONDS = 0.2
_DEAD = "its process ended without an error message; run the same command again to go on"


class TrialsFailedError(ThawError):
    """Some trials of a sweep failed. Each was reported as it happened."""

    is_reported = True


@dataclass(frozen=True)
class _Settings:
    """The part of its jobs' configuration that a sweep needs."""

    tracking: TrackingConfig
    runtime: RuntimeConfig
    name: str
    judged: Metric
    folder: Path
    fail_fast: bool
    margin: float = 0.0

    @classmethod
    def read(cls, config: DictConfig, name: str) -> Self:
        plain = {name: OmegaConf.to_container(config[name], resolve=True) for name in ("tracking", "runtime")}
        return cls(
            TrackingConfig.model_validate(plain["tracking"]),
            RuntimeConfig.model_validate(plain["runtime"]),
            str(config.study or name),
            METRICS[str(config.objective)],
            Path(str(config.hydra.sweep.dir)).absolute(),
            bool(config.fail_fast),
            float(config.report.margin or 0) / 100,
        )


class Sweep:
    """Launches jobs of an open study, and shows and counts how they end. See :func:`open_sweep`."""

    def __init__(
        self, launcher: Launcher, study: Study, settings: _Settings, shown: Sequence[str], display: SweepDisplay
    ) -> None:
        self.launcher, self.study, self.shown, self.display = launcher, study, shown, display
        self.folder, self.fail_fast, self.judged = settings.folder, settings.fail_fast, settings.judged
        self.tracking = settings.tracking
        self.search_folder = settings.runtime.work_dir / "searches" / study.key  # for what a search keeps of its own
        self._unsent, self._not_rendered = unsent_folder(settings.runtime.work_dir), set[str]()
        self.jobs: dict[int, Sequence[str]] = {}
        self.pruned = 0
        self.time_is_up = False
        self.interrupted: Interrupted | None = None

    def run_of(self, result: JobResult) -> FoundRun:
        """Return a job's run, once it has been given what was kept while its server did not answer."""
        deliver_unsent(self.study.client, self._unsent, self.display)
        return self.study.client.get_run(result.run_id)

    def render(self, run_id: str) -> bool:
        """Make figures and model of the recommended trial as is asked for; if it fails, warn once and return False."""
        if run_id in self._not_rendered:
            return False
        try:
            render_run(self.study.client, run_id, artifacts_of(self.tracking, is_chosen=True), progress=False)
        except (ThawError, MlflowException, OSError) as error:
            self._not_rendered.add(run_id)
            self.display.warn(f"the recommended trial has no figures and no model: {store_reason(error)}")
            return False
        return True

    @property
    def stopped(self) -> bool:
        """Return whether a failure ended the sweep (`fail_fast`)."""
        return bool(self.display.sweep_progress.counts()["skipped"])

    @property
    def failures(self) -> Counter[str]:
        """Return how many trials failed and were killed; see :meth:`SweepProgress.failures`."""
        return self.display.sweep_progress.failures()

    def launch(self, jobs: Sequence[Sequence[str]], broken: Mapping[int, Exception] | None = None) -> list[JobResult]:
        """Run `jobs` (each a list of overrides) by the launcher; return how they ended, in their order.

        `broken`: errors of jobs that cannot be composed, by number within the sweep; those are not launched.
        """
        sweep_progress = self.display.sweep_progress
        first = len(sweep_progress.labels)
        numbered = dict(enumerate(jobs, first))
        self.jobs |= numbered
        sweep_progress.labels |= {number: label(job, self.shown) for number, job in numbered.items()}
        for number, error in (broken or {}).items():
            if number in numbered:
                self._failed(number, error)
        while remaining := self._unfinished(numbered):
            self._launch({number: numbered[number] for number in _first_consecutive(remaining)})
        return [sweep_progress.results[number] for number in numbered]

    def _unfinished(self, numbers: Iterable[int]) -> list[int]:
        return [number for number in numbers if number not in self.display.sweep_progress.results]

    def _launch(self, jobs: Mapping[int, Sequence[str]]) -> None:
        """Run jobs of consecutive numbers; where the launcher breaks, one of them at least has ended by that.

        A process that is killed ends its launcher too, and a disk may be full before a job starts.
        """
        try:
            with path_in_errors(self.folder), _Watcher(self.folder, list(jobs), self.ended):
                returns = self.launcher.launch(list(jobs.values()), initial_job_idx=min(jobs))
            for number, returned in zip(jobs, returns, strict=True):
                if number not in self.display.sweep_progress.results:
                    self._returned(number, returned)
        except Exception as error:
            remaining = self._unfinished(jobs)
            if not self._end_dead(jobs, _DEAD) and remaining:
                self._failed(remaining[0], error)
        except BaseException as end:
            self._end_dead(jobs, one_line(end) or type(end).__name__)
            raise

    def _returned(self, number: int, returned: JobReturn) -> None:
        """Record a job that left no result, because the folder takes none or its launcher keeps files elsewhere."""
        try:
            with contextlib.redirect_stderr(io.StringIO()):  # Hydra prints the error that is reported here
                score = float(returned.return_value)
        except Exception as error:
            self._failed(number, error)
        else:
            self.ended(JobResult(number, "finished", "", score, 0.0, ""))

    def _failed(self, number: int, error: Exception) -> None:
        trace = "".join(traceback.format_exception(error))
        self.ended(JobResult(number, "failed", str(getattr(error, "run_id", "")), None, 0.0, explain(error), trace))

    def _end_dead(self, numbers: Iterable[int], why: str) -> list[int]:
        """End the jobs that began and left no result, since their processes are gone. Return them."""
        dead = [number for number in self._unfinished(numbers) if is_under_way(self.folder, number)]
        for number in dead:
            self.ended(JobResult(number, "killed", "", None, 0.0, why))
        return dead

    def ended(self, result: JobResult) -> None:
        """Show that a job has ended; one that failed before it had a run gets one in the study."""
        if result.depth:
            trained = followed(self.jobs[result.number], {*result.idle} - {"unfrozen"}, result.depth)
            self.display.sweep_progress.labels[result.number] = label(trained, self.shown)
        self.display.ended(result)
        if self.fail_fast and result.error:
            stop(self.folder)
        if result.status == "failed" and not result.run_id:
            try:
                job = that_change_numbers(self.jobs[result.number])
                self.study.add_failed(job, result.error, result.trace)
            except (MlflowException, OSError) as refusal:
                self.display.warn(f"MLflow keeps no run of it: {store_reason(refusal)}")


@contextlib.contextmanager
def open_sweep(
    config: DictConfig, launcher: Launcher, axes: Axes, name: str, total: int | None, shown: Sequence[str] = ()
) -> Iterator[Sweep]:
    """Open a sweep over `axes` of `total` trials (None: not known), as a study that is closed however it ends.

    The study's name is the configuration's, else `name`. `shown`: keys that a trial is called by, besides the axes'.

    Raises:
        TrialsFailedError: on leaving, where trials failed or were killed; the others are done and kept.
        ThawError: the store cannot be had, or the sweep's folder not be written.
    """
    settings = _Settings.read(config, name)
    display = SweepDisplay(SweepProgress(total), settings.name, settings.runtime.progress, settings.judged)
    client, experiment = open_store(settings.tracking, PROJECT)
    lock_folder, trial_runs = LockFolder(settings.runtime.work_dir), TrialRuns(client)
    with (
        lock_folder.lock(study_key(settings.name), display, "another process sweeps this study; waiting"),
        _locked_folder(settings.folder, display),
        refusals_as_errors(),
    ):
        trial_runs.close_dead(lock_folder)
        study = Study.open(client, experiment, settings.name, lock_folder.tags, settings.judged.objective)
        sweep = Sweep(launcher, study, settings, [*axes.varied, *shown], display)
        try:
            _prepare(settings, config, study, axes, total)
            with display:
                yield sweep
        finally:
            try:
                error = sys.exception() or sweep.interrupted
                _close(study, sweep, lambda: trial_runs.close_dead(lock_folder), error)
            finally:
                display.table()
        display.result(_report(sweep, settings), _places(settings, study))
    if sweep.interrupted:
        raise sweep.interrupted
    if failures := sweep.failures:
        raise TrialsFailedError(f"{failures['failed']} trials failed, {failures['killed']} were killed")


@contextlib.contextmanager
def _locked_folder(folder: Path, display: SweepDisplay) -> Iterator[None]:
    """Lock the sweep's folder: its jobs are numbered, and another sweep's jobs have the same numbers."""
    with contextlib.ExitStack() as held:
        try:
            folder.mkdir(parents=True, exist_ok=True)
            held.enter_context(
                exclusive_lock(folder / ".sweep.lock", display, "another sweep uses the folder; waiting")
            )
        except OSError as error:
            raise ThawError(f"hydra.sweep.dir={folder}: {error.strerror or error}") from error
        yield


def _prepare(settings: _Settings, config: DictConfig, study: Study, axes: Axes, total: int | None) -> None:
    """Leave in the sweep's folder what its jobs look for, and in the study what it is."""
    prepare_folder(settings.folder)
    study.study_context(SharedFeatures(axes.depths, total or len(axes.depths))).save(settings.folder)
    atomic_write(settings.folder / "multirun.yaml", OmegaConf.to_yaml(config))
    plain = OmegaConf.to_container(config, resolve=False)
    assert isinstance(plain, dict)
    without = {"hydra", "tracking"}  # its uri may hold a password
    trial_config = {key: value for key, value in plain.items() if key not in without}
    study.describe(axes.varied, axes.fixed, OmegaConf.to_yaml(trial_config))


def _first_consecutive(numbers: Sequence[int]) -> list[int]:
    """Return the first of the rising `numbers` up to a gap: a launcher counts on from there.

    >>> _first_consecutive([0, 1, 4, 5, 6])
    [0, 1]
    """
    return [number for expected, number in enumerate(numbers, numbers[0]) if number == expected]


def _close(study: Study, sweep: Sweep, close_dead: Callable[[], int], error: BaseException | None) -> None:
    """Leave the counts, the table and the status in the study. What the store then refuses does not hide `error`."""
    counts = sweep.display.sweep_progress.counts()
    interrupted = error is not None and not isinstance(error, Exception)
    has_failed = error or sweep.failures
    try:
        close_dead()  # of other processes that ended with this one
        status = "KILLED" if interrupted else "FAILED" if has_failed else "FINISHED"
        study.close(status, reused=counts["reused"], pruned=sweep.pruned)
    except (MlflowException, OSError) as refusal:
        if error is None:
            raise
        sweep.display.warn(f"the study is left as it stands: {store_reason(refusal)}")


def _report(sweep: Sweep, settings: _Settings) -> list[str]:
    """Write the study's report beside the trials and to the parent run; return its lines for the terminal."""
    folder, study = settings.folder / FOLDER, sweep.study
    artifacts = artifacts_of(settings.tracking, is_chosen=True)
    key = report_key(study, settings.margin, artifacts)
    with path_in_errors(folder):
        texts = kept_report(study, key, folder)
        if texts is None:
            report, is_rendered = _new_report(sweep, settings)
            is_whole = is_rendered and (report.is_whole or not artifacts)
            texts = report.texts()
            keep_report(study, key if is_whole else "", folder, texts)
    return [*texts, f"page: {folder / PAGE}"]


def _new_report(sweep: Sweep, settings: _Settings) -> "tuple[Report, bool]":
    """Make the report; return it, and whether the recommended trial has what is asked for, which takes time."""
    from src.reporting.study_report import make_report  # SciPy and matplotlib take a second to import

    is_rendered = True

    def render(run_id: str) -> None:
        nonlocal is_rendered
        is_rendered = not (sweep.time_is_up or sweep.interrupted) and sweep.render(run_id)

    folder = settings.folder / FOLDER
    return make_report(sweep.study.client, sweep.study, settings.name, folder, settings.margin, render), is_rendered


def _places(settings: _Settings, study: Study) -> dict[str, str]:
    return {
        "study": f"{one_line(settings.name)}, run {study.run_id} in experiment {settings.tracking.experiment}",
        "files": str(settings.folder),
        "locks": what_locks(study.client, LockFolder(settings.runtime.work_dir), settings.tracking.lease_seconds),
        "compare": how_to_compare(tracking_uri(settings.tracking, PROJECT), PROJECT),
    }


class _Watcher:
    """Reports results as jobs write them, in any process; a context manager around a launch."""

    def __init__(self, folder: Path, numbers: Sequence[int], report: Callable[[JobResult], None]) -> None:
        self.folder, self.report = folder, report
        self.waiting = set(numbers)
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
        for number in sorted(self.waiting & numbers_with_result(self.folder)):
            result = JobResult.load(self.folder, number)
            if result:
                self.waiting.remove(number)
                self.report(result)
