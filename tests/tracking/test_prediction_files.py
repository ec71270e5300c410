"""Predictions kept with runs and studies, in a real store."""

from pathlib import Path

import mlflow
import numpy as np
import pytest

from src.common.predictions import pack
from src.tracking.prediction_files import read_predictions, study_predictions
from tests.common.test_predictions import predictions, same


@pytest.fixture
def client(store_uri: str) -> mlflow.MlflowClient:
    return mlflow.MlflowClient(store_uri)


@pytest.fixture
def experiment(client: mlflow.MlflowClient, tmp_path: Path) -> str:
    return str(client.create_experiment(f"predictions {tmp_path}", artifact_location=str(tmp_path / "artifacts")))


def run_with(client: mlflow.MlflowClient, experiment: str, content: bytes | None, tmp_path: Path) -> str:
    run_id = str(client.create_run(experiment).info.run_id)
    if content is not None:
        file = tmp_path / "val.npz"
        file.write_bytes(content)
        client.log_artifact(run_id, str(file), "predictions")
    client.set_terminated(run_id)
    return run_id


def test_a_study_reads_its_trials_once_and_keeps_a_copy(
    client: mlflow.MlflowClient, experiment: str, tmp_path: Path
) -> None:
    parent = run_with(client, experiment, None, tmp_path)
    given = [predictions(20, seed) for seed in range(3)]
    ids = [run_with(client, experiment, pack(own.arrays()), tmp_path) for own in given]
    ids.append(run_with(client, experiment, None, tmp_path))
    ids.append(run_with(client, experiment, pack(given[0].arrays())[:100], tmp_path))
    runs = [client.get_run(run_id) for run_id in ids]
    first = study_predictions(client, parent, runs)
    for file in (tmp_path / "artifacts").glob("*/artifacts/predictions/val.npz"):
        if parent not in str(file):
            file.unlink()
    again = study_predictions(client, parent, runs)
    assert list(first) == list(again) == ids[:3]
    assert all(same(again[run_id], own) for run_id, own in zip(ids, given, strict=False))
    assert read_predictions(client, runs[0]) is None


def test_a_trial_that_finished_later_joins_the_copy(
    client: mlflow.MlflowClient, experiment: str, tmp_path: Path
) -> None:
    parent = run_with(client, experiment, None, tmp_path)
    ids = [run_with(client, experiment, pack(predictions(20, seed).arrays()), tmp_path) for seed in range(2)]
    runs = [client.get_run(run_id) for run_id in ids]
    assert list(study_predictions(client, parent, runs[:1])) == ids[:1]
    assert list(study_predictions(client, parent, runs)) == ids
    assert list(study_predictions(client, parent, runs[1:])) == ids[1:]


def test_a_store_that_cannot_be_written_is_read(
    client: mlflow.MlflowClient, experiment: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    parent = run_with(client, experiment, None, tmp_path)
    run_id = run_with(client, experiment, pack(predictions(20).arrays()), tmp_path)

    def refuse(*_: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(client, "log_artifact", refuse)
    found = study_predictions(client, parent, [client.get_run(run_id)])
    assert np.array_equal(found[run_id].images, predictions(20).images)
