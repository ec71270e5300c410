"""Trials remembered: found by key in any experiment, told out of the store's tables, and the dead closed."""

import time
from pathlib import Path
from typing import Any

import mlflow
import pytest

from src.common.events import Event, Warned
from src.tracking import schema
from src.tracking.locks import LockFolder
from src.tracking.trial_runs import TrialRuns


@pytest.fixture
def client(store_uri: str) -> mlflow.MlflowClient:
    return mlflow.MlflowClient(store_uri)


def add_run(client: mlflow.MlflowClient, experiment: str, status: str, **tags: str) -> str:
    found = client.get_experiment_by_name(experiment)
    number = found.experiment_id if found else client.create_experiment(experiment)
    run_id: str = client.create_run(number, tags=tags).info.run_id
    if status != "RUNNING":
        client.set_terminated(run_id, status)
    return run_id


def test_the_last_finished_run_of_a_key_answers(client: mlflow.MlflowClient) -> None:
    trial_runs = TrialRuns(client)
    assert trial_runs.finished("k1") is None
    for status in ("FAILED", "KILLED", "RUNNING"):
        add_run(client, "memory", status, **{schema.TRIAL_KEY.name: "k1"})
    assert trial_runs.finished("k1") is None
    first = add_run(client, "memory", "FINISHED", **{schema.TRIAL_KEY.name: "k1", schema.MODEL.name: "kept"})
    for name in ("model/MLmodel", "model/data/model.keras"):
        client.log_text(first, "bytes", name)
    time.sleep(0.01)  # runs are ordered by the millisecond
    second = add_run(client, "memory, too", "FINISHED", **{schema.TRIAL_KEY.name: "k1"})
    assert answer(trial_runs, "k1") == second
    with_model = trial_runs.finished_with_model("k1", pytest.fail)
    assert with_model is not None
    assert with_model.info.run_id == first
    client.delete_run(second)
    assert answer(trial_runs, "k1") == first


def answer(trial_runs: TrialRuns, key: str) -> str:
    found = trial_runs.finished(key)
    assert found is not None
    return str(found.info.run_id)


def test_a_run_that_ended_since_it_was_listed_stays_as_it_ended(
    client: mlflow.MlflowClient, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    here = LockFolder(tmp_path)
    run_id = add_run(client, "dead", "RUNNING", **{schema.TRIAL_KEY.name: "ends", schema.LOCK_FOLDER_ID.name: here.id})
    lock_if_free = here.lock_if_free

    def ends_first(name: str) -> Any:
        client.set_terminated(run_id, "FINISHED")
        return lock_if_free(name)

    monkeypatch.setattr(here, "lock_if_free", ends_first)
    assert TrialRuns(client).close_dead(here) == 0
    assert client.get_run(run_id).info.status == "FINISHED"


def test_a_summary_is_told_without_artifacts(client: mlflow.MlflowClient) -> None:
    run_id = add_run(client, "memory", "RUNNING", **{schema.TRIAL_KEY.name: "k2", "data_fingerprint": "f"})
    for epoch, value in enumerate((0.1, 0.3)):
        client.log_metric(run_id, "val/accuracy", value, step=epoch)
    client.log_metric(run_id, "best/val_accuracy", 0.3, step=1)
    client.set_terminated(run_id, "FINISHED")
    trial_runs = TrialRuns(client)
    found = trial_runs.finished("k2")
    assert found is not None
    assert trial_runs.summary(found) == {
        "run_id": run_id, "trial_key": "k2", "status": "FINISHED", "data_fingerprint": "f", "val/accuracy": 0.3,
        "best/val_accuracy": 0.3, "history": [{"val/accuracy": 0.1, "epoch": 0}, {"val/accuracy": 0.3, "epoch": 1}],
    }  # fmt: skip


def test_only_dead_runs_of_this_workplace_are_closed(client: mlflow.MlflowClient, tmp_path: Path) -> None:
    here, there = LockFolder(tmp_path / "here"), LockFolder(tmp_path / "there")
    runs = {
        name: add_run(client, "dead", "RUNNING", **{schema.TRIAL_KEY.name: name, schema.LOCK_FOLDER_ID.name: place.id})
        for name, place in (("dead", here), ("alive", here), ("mine", here), ("elsewhere", there))
    }
    runs["dead study"] = add_run(
        client, "dead", "RUNNING", **{schema.STUDY_KEY.name: "study", schema.LOCK_FOLDER_ID.name: here.id}
    )
    with here.lock("alive", pytest.fail), here.lock("mine", pytest.fail):
        assert TrialRuns(client).close_dead(here, mine="mine") == 3
    status = {name: client.get_run(run_id).info.status for name, run_id in runs.items()}
    assert status == {
        "dead": "KILLED",
        "alive": "RUNNING",
        "mine": "KILLED",
        "elsewhere": "RUNNING",
        "dead study": "KILLED",
    }
    assert "process ended" in client.get_run(runs["dead"]).data.tags["error"]


@pytest.mark.parametrize("left", [(), ("model/MLmodel",), ("model/data/model.keras",)])
def test_a_model_that_is_not_whole_answers_nothing(
    client: mlflow.MlflowClient, left: tuple[str, ...], request: pytest.FixtureRequest
) -> None:
    key, warnings = request.node.name, list[Event]()
    run_id = add_run(client, "memory", "FINISHED", **{schema.TRIAL_KEY.name: key, schema.MODEL.name: "kept"})
    for name in left:
        client.log_text(run_id, "bytes", name)
    assert TrialRuns(client).finished_with_model(key, warnings.append) is None
    (warned,) = warnings
    assert isinstance(warned, Warned)
    assert run_id in warned.text


def test_the_dead_of_a_work_folder_of_their_own_are_closed(client: mlflow.MlflowClient, tmp_path: Path) -> None:
    own = LockFolder(tmp_path / "own")
    names = ("dead there", "alive there", "of another since", "gone")
    tags = {
        "dead there": own.tags, "alive there": own.tags,
        "of another since": own.tags | {schema.LOCK_FOLDER_ID.name: "0" * 32},
        "gone": own.tags | {schema.LOCK_FOLDER_PATH.name: "/no/such/locks"},
    }  # fmt: skip
    runs = {name: add_run(client, "dead", "RUNNING", **{schema.TRIAL_KEY.name: name, **tags[name]}) for name in names}
    with own.lock("alive there", pytest.fail):
        assert TrialRuns(client).close_dead(None) == 1
    status = {name: client.get_run(run_id).info.status for name, run_id in runs.items()}
    assert status == {name: "KILLED" if name == "dead there" else "RUNNING" for name in names}


@pytest.mark.parametrize("asks_once", [True, False])
def test_histories_of_many_runs_are_those_of_each(
    client: mlflow.MlflowClient, monkeypatch: pytest.MonkeyPatch, *, asks_once: bool
) -> None:
    """A server, unlike a database, has no query over the values of many runs."""
    if not asks_once:
        monkeypatch.delattr("mlflow.store.tracking.sqlalchemy_store.SqlAlchemyStore.get_metric_history_bulk")
    runs = [add_run(client, "histories", "RUNNING") for _ in range(2)]
    for number, run_id in enumerate(runs):
        for epoch in (1, 0):
            client.log_metric(run_id, "val/accuracy", number + epoch / 10, step=epoch)
    trial_runs = TrialRuns(client)
    history = trial_runs.histories(runs)
    found = [history(run_id, {"val/accuracy"}) for run_id in runs]
    assert found == [[{"val/accuracy": n, "epoch": 0}, {"val/accuracy": n + 0.1, "epoch": 1}] for n in range(2)]
    assert found == [trial_runs.history(run_id) for run_id in runs]
