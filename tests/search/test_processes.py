"""In how many processes a sweep runs its trials, and that it makes no difference to their numbers."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import joblib
import pytest
from hydra.core.utils import JobReturn, JobStatus
from hypothesis import given
from hypothesis import strategies as st
from omegaconf import OmegaConf

import src.search.processes as processes_module
from src.cli.job_results import JobResult, Status, prepare_folder
from src.search.processes import ExpectedTime, Processes, TrialTime, most_processes
from src.tracking import schema
from tests.conftest import Command
from tests.stores import client_in, runs_of

AUTO = "hydra/launcher=auto"
LONG = ("schedule=two_phase", "epochs=5", "fine_tune_epochs=150", "schedule.feature_extraction.patience=null",
        "schedule.fine_tuning.patience=null", "force=true")  # fmt: skip

positive = st.floats(0.01, 1e4)
times = st.builds(ExpectedTime, positive, st.floats(0.2, 16), positive)


def test_a_trials_time_is_told_apart_from_what_a_process_does_once() -> None:
    parts = {schema.seconds("tensorflow"): 3.0, schema.seconds("network"): 1.0, schema.seconds("features"): 20.0}
    result = JobResult(0, "finished", "r", 0.5, 30.0, "", parts=parts)
    assert TrialTime.read(result, 1.5) == TrialTime(6.0, 4.0, 1.5)


@pytest.mark.parametrize(
    ("trained", "seconds", "preparation"),
    [
        ([TrialTime(10.0, 4.0, 1.0)], 6.0, 8.0),  # its compiling is taken to last as long as its preparation
        ([TrialTime(2.0, 4.0, 1.0)], 0.0, 6.0),
        ([TrialTime(10.0, 4.0, 1.0), TrialTime(3.0, 0.0, 2.0), TrialTime(5.0, 0.0, 1.5)], 4.0, 10.0),
        ([TrialTime(1.0, 4.0, 1.0), TrialTime(3.0, 0.0, 2.0)], 3.0, 4.0),
    ],
)
def test_the_time_follows_from_the_trials_so_far(trained: list[TrialTime], seconds: float, preparation: float) -> None:
    expected = ExpectedTime.read(trained)
    assert (expected.seconds, expected.preparation) == (seconds, preparation)


def test_as_many_cores_are_busy_as_were_in_the_mean() -> None:
    assert ExpectedTime.read([TrialTime(1.0, 1.0, 1.0), TrialTime(1.0, 0.0, 2.0)]).busy == 1.5


@pytest.mark.parametrize(
    ("expected", "trials", "saved"),
    [
        (ExpectedTime(6.0, 1.0, 8.0), 10, 30.0),  # 60 s, or five rounds of 6 s
        (ExpectedTime(6.0, 1.6, 8.0), 10, 12.0),  # one process keeps 1.6 cores busy, so side by side trials take longer
        (ExpectedTime(6.0, 1.0, 8.0), 3, 6.0),
        (ExpectedTime(6.0, 1.0, 8.0), 1, 0.0),
    ],
)
def test_what_two_processes_save(expected: ExpectedTime, trials: int, saved: float) -> None:
    assert expected.saved(trials, 2, 2) == pytest.approx(saved)


@given(times, st.integers(1, 64))
def test_one_trial_never_pays_for_a_process(expected: ExpectedTime, cores: int) -> None:
    assert all(expected.saved(1, processes, cores) <= 0 for processes in range(1, cores + 1))


@given(times, st.integers(1, 1000), st.integers(1, 16))
def test_more_rounds_save_no_less(expected: ExpectedTime, rounds: int, processes: int) -> None:
    fewer, more = (expected.saved(trials, processes, 16) for trials in (rounds * processes, (rounds + 1) * processes))
    assert more >= fewer - 1e-9 * abs(fewer)


def test_there_are_no_more_processes_than_cores_and_memory() -> None:
    assert most_processes(1) == 1
    assert 1 <= most_processes(10**6) < 10**6


class Recorded:
    """Launchers that run nothing: each job ends as `endings` says, `finished` by default, after ten seconds."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.launched = folder, list[tuple[str, list[list[str]]]]()
        self.endings: dict[int, Status] = {}

    def made(self, _context: Any, _task: Any, _config: Any, name: str, **settings: Any) -> Any:
        recorded = self

        class Launcher:
            def launch(self, jobs: Sequence[Sequence[str]], first: int) -> list[JobReturn]:
                recorded.launched.append((name + str(settings.get("n_jobs", "")), [list(job) for job in jobs]))
                for number in range(first, first + len(jobs)):
                    parts = {schema.seconds("tensorflow"): 2.0}
                    status = recorded.endings.get(number, "finished")
                    JobResult(number, status, "r", 0.5, 14.0, "", parts=parts).save(recorded.folder)
                return [JobReturn(status=JobStatus.COMPLETED, _return_value=0.5) for _ in jobs]

        return Launcher()


@pytest.fixture
def recorded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Recorded:
    prepare_folder(tmp_path)
    launchers = Recorded(tmp_path)
    monkeypatch.setattr(processes_module, "_launcher", launchers.made)
    monkeypatch.setattr(processes_module.joblib, "cpu_count", lambda: 4)
    monkeypatch.setattr(processes_module, "most_processes", lambda cores: cores)
    monkeypatch.setattr(processes_module, "process_age", lambda: 3.0)
    return launchers


def launch(recorded: Recorded, *batches: list[list[str]], threads: int | None = None) -> list[tuple[str, int]]:
    """Launch batches of jobs; return which launcher had how many, one after the other."""
    config = OmegaConf.create(
        {"hydra": {"sweep": {"dir": str(recorded.folder)}}, "runtime": {"threads": threads, "progress": False}}
    )
    context: Any = None
    made, number = Processes(context, context, config), 0
    for jobs in batches:
        assert len(made.launch(jobs, number)) == len(jobs)
        number += len(jobs)
    return [(name, len(jobs)) for name, jobs in recorded.launched]


def seeds(count: int, *more: str) -> list[list[str]]:
    return [[*more, f"seed={seed}"] for seed in range(count)]


def threads_of(recorded: Recorded) -> set[tuple[str, ...]]:
    """What jobs are told of threads, after the launcher that runs them."""
    return {(name, *(line for line in job if "threads=" in line)) for name, jobs in recorded.launched for job in jobs}


def test_one_trial_runs_alone_and_the_others_side_by_side_with_a_thread_each(recorded: Recorded) -> None:
    assert launch(recorded, seeds(9)) == [("basic", 1), ("joblib4", 8)]
    alone = ("basic", "runtime.threads=1", "runtime.inter_op_threads=4")
    assert threads_of(recorded) == {alone, ("joblib4", "runtime.threads=1")}


def test_threads_that_were_asked_for_stay_and_bound_the_processes(recorded: Recorded) -> None:
    assert launch(recorded, seeds(9), threads=2) == [("basic", 1), ("joblib2", 8)]
    alone = ("basic", "runtime.threads=2", "runtime.inter_op_threads=2")
    assert threads_of(recorded) == {alone, ("joblib2", "runtime.threads=2")}


def test_of_each_backbone_one_trial_runs_alone(recorded: Recorded) -> None:
    jobs = [*seeds(9, "backbone=resnet50"), *seeds(9, "backbone=lenet5")]
    assert launch(recorded, jobs) == [("basic", 1), ("joblib4", 8), ("basic", 1), ("joblib4", 8)]


def test_trials_that_are_reused_or_fail_compute_no_features(recorded: Recorded) -> None:
    recorded.endings = {0: "reused", 1: "failed"}
    assert launch(recorded, seeds(20)) == [
        ("basic", 1),
        ("basic", 1),
        ("basic", 1),
        ("joblib3", 17),
    ]  # six train: two rounds, as four would take


def test_where_most_trials_are_reused_no_process_starts(recorded: Recorded) -> None:
    recorded.endings = dict.fromkeys(range(14), "reused")
    assert launch(recorded, seeds(16)) == [("basic", 1)] * 16


def test_what_a_search_proposes_together_runs_side_by_side_also_for_two_backbones(recorded: Recorded) -> None:
    both = [["backbone=resnet50"], ["backbone=lenet5"]]
    batches = [[*both, *both, *both, *both] for _ in range(2)]
    assert launch(recorded, *batches)[-1] == ("joblib3", 8)


def test_as_many_processes_as_started_go_on(recorded: Recorded) -> None:
    assert launch(recorded, seeds(9), seeds(2))[-1] == ("joblib4", 2)


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("processes")


def losses(place: Path, seed: str) -> list[float]:
    trials = runs_of(client_in(place), f"tags.trial_key != '' and params.seed = '{seed}'")
    return [run.data.metrics["best/val_loss"] for run in trials]


@pytest.mark.slow
def test_a_long_sweep_takes_processes_and_comes_to_the_numbers_of_one(
    thaw: Command, tiny: tuple[str, ...], place: Path
) -> None:
    long = (*tiny, *LONG, "unfrozen=all", f"tracking.uri=sqlite:///{place / 'mlflow.db'}")
    done = thaw("src.train", "-m", AUTO, *long, "seed=range(0,6)", f"hydra.sweep.dir={place / 's'}")
    assert done.returncode == 0, done.stderr
    assert "6 of 6 trials done" in done.stdout
    assert (" processes from here on: " in done.stderr) == (joblib.cpu_count() > 1)
    (with_others,) = losses(place, seed="5")
    assert thaw("src.train", *long, "seed=5", "runtime.threads=1").returncode == 0
    assert losses(place, seed="5") == [with_others, with_others]


@pytest.mark.slow
def test_a_short_sweep_stays_in_one_process(thaw: Command, tiny: tuple[str, ...], place: Path) -> None:
    done = thaw("src.train", "-m", AUTO, *tiny, "unfrozen=0,all", f"tracking.uri=sqlite:///{place / 'm.db'}",
                f"hydra.sweep.dir={place / 'short'}")  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert " processes from here on: " not in done.stderr
