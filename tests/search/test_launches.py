"""A launcher that breaks, in every way that one can: each job is ended once, as what became of it."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import mlflow
import pytest
from hydra.core.utils import JobReturn, JobStatus

from src.cli.job_results import prepare_folder, write_result
from src.common.metrics import METRICS
from src.config import TrackingConfig
from src.search.display import SweepDisplay, SweepProgress
from src.search.sweep import Sweep, _Settings
from src.tracking.study import Study
from src.trial.result import TrialResult
from tests.conftest import machine

Act = Callable[[Path, int], None]


def finishes(folder: Path, number: int) -> None:
    summary = {"objective": "accuracy", "best/val_accuracy": 0.5, "run_id": "r"}
    write_result(lambda: TrialResult(summary, reused=False), folder, number, fail_fast=False)


def dies(folder: Path, number: int) -> None:
    (folder / "results" / f"{number}.under_way").touch()
    raise RuntimeError("a worker was terminated")


def never_begins(folder: Path, number: int) -> None:
    raise OSError(28, "No space left on device")


def is_interrupted(folder: Path, number: int) -> None:
    (folder / "results" / f"{number}.under_way").touch()
    raise KeyboardInterrupt


class Acts:
    """A launcher whose jobs do what they are told, in this process; the first that raises breaks it."""

    def __init__(self, folder: Path, acts: Sequence[Act]) -> None:
        self.folder, self.acts = folder, acts
        self.launched: list[list[int]] = []

    def launch(self, overrides: Sequence[Sequence[str]], initial_job_idx: int) -> list[JobReturn]:
        numbers = list(range(initial_job_idx, initial_job_idx + len(overrides)))
        self.launched.append(numbers)
        for number in numbers:
            self.acts[number](self.folder, number)
        return [JobReturn(status=JobStatus.COMPLETED, _return_value=0.5) for _ in numbers]


@pytest.fixture
def sweep(store_uri: str, tmp_path: Path, request: pytest.FixtureRequest) -> Callable[..., tuple[Sweep, Acts, Study]]:
    client = mlflow.MlflowClient(store_uri)
    found = client.get_experiment_by_name("launches")
    experiment = found.experiment_id if found else client.create_experiment("launches")

    def make(*acts: Act, fail_fast: bool = False) -> tuple[Sweep, Acts, Study]:
        study, launcher = Study.open(client, experiment, request.node.name, {}), Acts(tmp_path, acts)
        tracking = TrackingConfig(uri=store_uri, experiment="launches", run_name=None, save_model=False)
        settings = _Settings(tracking, machine(tmp_path), "launches", METRICS["accuracy"], tmp_path, fail_fast)
        prepare_folder(tmp_path)
        made: Any = launcher
        return (
            Sweep(made, study, settings, ["seed"], SweepDisplay(SweepProgress(len(acts)), "launches", progress=False)),
            launcher,
            study,
        )

    return make


def jobs(count: int) -> list[list[str]]:
    return [[f"seed={number}"] for number in range(count)]


def test_a_worker_that_dies_takes_no_other_job_along(sweep: Callable[..., tuple[Sweep, Acts, Study]]) -> None:
    made, launcher, study = sweep(finishes, dies, finishes, dies, finishes)
    ended = made.launch(jobs(5))
    assert [each.status for each in ended] == ["finished", "killed", "finished", "killed", "finished"]
    assert launcher.launched == [[0, 1, 2, 3, 4], [2, 3, 4], [4]]
    assert study.members() == []


def test_a_job_that_never_begins_has_failed_and_the_others_are_tried(
    sweep: Callable[..., tuple[Sweep, Acts, Study]], tmp_path: Path
) -> None:
    made, _, study = sweep(finishes, never_begins, never_begins, finishes)
    ended = made.launch(jobs(4))
    assert [each.status for each in ended] == ["finished", "failed", "failed", "finished"]
    assert ended[1].error == f"{tmp_path}: No space left on device; mend that and run it again"
    assert [run.info.status for run in study.members()] == ["FAILED", "FAILED"]


def test_a_signal_ends_what_is_under_way_and_goes_on_up(sweep: Callable[..., tuple[Sweep, Acts, Study]]) -> None:
    made, *_ = sweep(finishes, is_interrupted, finishes)
    with pytest.raises(KeyboardInterrupt):
        made.launch(jobs(3))
    assert {number: each.status for number, each in made.display.sweep_progress.results.items()} == {
        0: "finished",
        1: "killed",
    }


def test_what_stops_at_the_first_failure_stops_at_a_dead_worker_too(
    sweep: Callable[..., tuple[Sweep, Acts, Study]], tmp_path: Path
) -> None:
    made, *_ = sweep(dies, finishes, fail_fast=True)
    made.launch(jobs(1))
    with pytest.raises(Exception, match="an earlier trial failed"):
        finishes(tmp_path, 1)


def test_a_job_whose_launcher_brings_its_result_needs_no_outcome(
    sweep: Callable[..., tuple[Sweep, Acts, Study]],
) -> None:
    made, *_ = sweep(lambda folder, number: None)
    assert [(each.status, each.score) for each in made.launch(jobs(1))] == [("finished", 0.5)]
