"""In how many processes a sweep runs its trials, and that it makes no difference to their numbers."""

from pathlib import Path

import joblib
import mlflow
import pytest
from hypothesis import given
from hypothesis import strategies as st

from src.cli.job_results import JobResult
from src.search.processes import ExpectedTime, Took, most_processes
from src.tracking import schema
from tests.conftest import Command

LONG = ("schedule=two_phase", "epochs=5", "fine_tune_epochs=150", "schedule.feature_extraction.patience=null",
        "schedule.fine_tuning.patience=null", "force=true")  # fmt: skip

positive = st.floats(0.01, 1e4)
times = st.builds(ExpectedTime, positive, st.floats(0.2, 16), positive)


def test_a_trials_time_is_told_apart_from_what_a_process_does_once() -> None:
    parts = {schema.seconds("tensorflow"): 3.0, schema.seconds("network"): 1.0, schema.seconds("features"): 20.0}
    result = JobResult(0, "finished", "r", 0.5, 30.0, "", parts=parts)
    assert Took.read(result, 1.5) == Took(6.0, 4.0, 1.5)


@pytest.mark.parametrize(
    ("trained", "seconds", "start"),
    [
        ([Took(10.0, 4.0, 1.0)], 6.0, 10.0),  # its compiling is taken to last as long as its preparation
        ([Took(2.0, 4.0, 1.0)], 0.0, 8.0),
        ([Took(10.0, 4.0, 1.0), Took(3.0, 0.0, 2.0), Took(5.0, 0.0, 1.5)], 4.0, 12.0),
        ([Took(1.0, 4.0, 1.0), Took(3.0, 0.0, 2.0)], 3.0, 6.0),
    ],
)
def test_the_time_follows_from_the_trials_so_far(trained: list[Took], seconds: float, start: float) -> None:
    assert (ExpectedTime.read(trained, 2.0).seconds, ExpectedTime.read(trained, 2.0).start) == (seconds, start)


def test_as_many_cores_are_busy_as_were_in_the_mean() -> None:
    assert ExpectedTime.read([Took(1.0, 1.0, 1.0), Took(1.0, 0.0, 2.0)], 0.0).busy == 1.5


@pytest.mark.parametrize(
    ("expected", "trials", "saved"),
    [
        (ExpectedTime(6.0, 1.0, 8.0), 10, 22.0),  # 60 s, or 8 s and five rounds of 6 s
        (
            ExpectedTime(6.0, 1.6, 8.0),
            10,
            4.0,
        ),  # one process keeps 1.6 of the cores busy: trials side by side take 1.6 times
        (ExpectedTime(6.0, 1.0, 8.0), 3, -2.0),
        (ExpectedTime(0.3, 1.0, 8.0), 10, -6.5),
    ],
)
def test_two_processes_pay_where_what_is_left_is_long(expected: ExpectedTime, trials: int, saved: float) -> None:
    assert expected.saved(trials, 2, 2) == pytest.approx(saved)


@given(times, st.integers(1, 64))
def test_one_trial_never_pays_for_a_process(expected: ExpectedTime, cores: int) -> None:
    assert all(expected.saved(1, processes, cores) <= 0 for processes in range(1, cores + 1))


@given(times, st.integers(1, 1000), st.integers(1, 16))
def test_as_many_rounds_with_more_trials_save_no_less(expected: ExpectedTime, rounds: int, processes: int) -> None:
    fewer, more = (expected.saved(trials, processes, 16) for trials in (rounds * processes, (rounds + 1) * processes))
    assert more >= fewer - 1e-9 * abs(fewer)


def test_there_are_no_more_processes_than_cores_and_memory() -> None:
    assert most_processes(1) == 1
    assert 1 <= most_processes(10**6) < 10**6


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("processes")


def losses(place: Path, seed: str) -> list[float]:
    client = mlflow.MlflowClient(f"sqlite:///{place / 'mlflow.db'}")
    experiments = [each.experiment_id for each in client.search_experiments()]
    trials = client.search_runs(experiments, f"tags.trial_key != '' and params.seed = '{seed}'")
    return [run.data.metrics["best/val_loss"] for run in trials]


@pytest.mark.slow
def test_a_long_sweep_takes_processes_and_comes_to_the_numbers_of_one(
    thaw: Command, tiny: tuple[str, ...], place: Path
) -> None:
    long = (*tiny, *LONG, "unfrozen=all", f"tracking.uri=sqlite:///{place / 'mlflow.db'}")
    done = thaw("src.train", "-m", *long, "seed=range(0,6)", f"hydra.sweep.dir={place / 's'}")
    assert done.returncode == 0, done.stderr
    assert "6 of 6 trials done" in done.stdout
    assert (" processes from here on: " in done.stderr) == (joblib.cpu_count() > 1)
    (with_others,) = losses(place, seed="5")
    assert thaw("src.train", *long, "seed=5").returncode == 0
    assert losses(place, seed="5") == [with_others, with_others]


@pytest.mark.slow
def test_a_short_sweep_stays_in_one_process(thaw: Command, tiny: tuple[str, ...], place: Path) -> None:
    done = thaw("src.train", "-m", *tiny, "unfrozen=0,all", f"tracking.uri=sqlite:///{place / 'm.db'}",
                f"hydra.sweep.dir={place / 'short'}")  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert " processes from here on: " not in done.stderr
