"""Trials remembered: found by key in any experiment, told out of the store's tables, and the dead closed."""

from pathlib import Path

import mlflow
import pytest

from src.tracking.memory import KEY_TAG, STUDY_KEY_TAG, WORKPLACE_TAG, TrialMemory
from src.tracking.workplace import Workplace


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


def test_the_first_finished_run_of_a_key_answers(client: mlflow.MlflowClient) -> None:
    memory = TrialMemory(client)
    assert memory.finished("k1") is None
    for status in ("FAILED", "KILLED", "RUNNING"):
        add_run(client, "memory", status, **{KEY_TAG: "k1"})
    assert memory.finished("k1") is None
    first = add_run(client, "memory", "FINISHED", **{KEY_TAG: "k1"})
    add_run(client, "memory, too", "FINISHED", **{KEY_TAG: "k1"})
    found = memory.finished("k1")
    assert found is not None
    assert found.info.run_id == first
    client.delete_run(first)
    found = memory.finished("k1")
    assert found is not None
    assert found.info.run_id != first


def test_a_summary_is_told_without_artifacts(client: mlflow.MlflowClient) -> None:
    run_id = add_run(client, "memory", "RUNNING", **{KEY_TAG: "k2", "data_fingerprint": "f"})
    for epoch, value in enumerate((0.1, 0.3)):
        client.log_metric(run_id, "val/accuracy", value, step=epoch)
    client.log_metric(run_id, "best/val_accuracy", 0.3, step=1)
    client.set_terminated(run_id, "FINISHED")
    memory = TrialMemory(client)
    found = memory.finished("k2")
    assert found is not None
    assert memory.summary(found) == {
        "run_id": run_id, "trial_key": "k2", "status": "FINISHED", "data_fingerprint": "f", "val/accuracy": 0.3,
        "best/val_accuracy": 0.3, "history": [{"val/accuracy": 0.1, "epoch": 0}, {"val/accuracy": 0.3, "epoch": 1}],
    }  # fmt: skip


def test_only_dead_runs_of_this_workplace_are_closed(client: mlflow.MlflowClient, tmp_path: Path) -> None:
    here, there = Workplace(tmp_path / "here"), Workplace(tmp_path / "there")
    runs = {
        name: add_run(client, "dead", "RUNNING", **{KEY_TAG: name, WORKPLACE_TAG: place.id})
        for name, place in (("dead", here), ("alive", here), ("mine", here), ("elsewhere", there))
    }
    runs["dead study"] = add_run(client, "dead", "RUNNING", **{STUDY_KEY_TAG: "study", WORKPLACE_TAG: here.id})
    with here.claim("alive", pytest.fail), here.claim("mine", pytest.fail):
        assert TrialMemory(client).close_dead(here, mine="mine") == 3
    status = {name: client.get_run(run_id).info.status for name, run_id in runs.items()}
    assert status == {
        "dead": "KILLED",
        "alive": "RUNNING",
        "mine": "KILLED",
        "elsewhere": "RUNNING",
        "dead study": "KILLED",
    }
    assert "process ended" in client.get_run(runs["dead"]).data.tags["error"]
