"""Runs: how they end, and that what was measured until then is there."""

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import mlflow
import pytest
from hypothesis import given
from hypothesis import strategies as st

from src.common.errors import Interrupted, ThawError
from src.tracking.mlflow_run import Run, TrialFacts, flatten, started_run
from src.tracking.mlflow_store import open_store
from tests.conftest import Compose, read_dataset
from tests.tracking.test_mlflow_store import config


@pytest.fixture
def store(store_uri: str, tmp_path: Path) -> tuple[mlflow.MlflowClient, str]:
    return open_store(config(store_uri, "runs"), tmp_path)


@pytest.mark.parametrize(
    ("error", "status", "text"),
    [
        (None, "FINISHED", None),
        (ThawError("no such\nblock"), "FAILED", "no such block"),
        (RuntimeError("a bug"), "FAILED", "a bug"),
        (Interrupted(15), "KILLED", "ended by signal 15"),
        (KeyboardInterrupt(), "KILLED", ""),
    ],
)
def test_a_run_reads_how_it_ended(
    store: tuple[mlflow.MlflowClient, str], error: BaseException | None, status: str, text: str | None
) -> None:
    client, experiment = store
    ids = []

    def attempt() -> None:
        with started_run(client, experiment, "name", 1, {}) as run:
            ids.append(run.run_id)
            run.metrics({"val/accuracy": 0.5}, 3)
            if error is not None:
                raise error

    if error is None:
        attempt()
    else:
        with pytest.raises(type(error)):
            attempt()
    left = client.get_run(ids[0])
    assert left.info.status == status
    assert left.data.tags.get("error") == text
    assert left.data.metrics == {"val/accuracy": 0.5}
    kept = {artifact.path for artifact in client.list_artifacts(ids[0])}
    assert kept == ({"traceback.txt"} if status == "FAILED" else set())


@pytest.mark.parametrize("error", [OSError(28, "No space left on device"), KeyboardInterrupt()])
def test_a_model_without_files_reads_failed(store: tuple[mlflow.MlflowClient, str], error: BaseException) -> None:
    client, experiment = store
    ids = []

    def attempt() -> None:
        with started_run(client, experiment, "name", 1, {}) as run:
            ids.append(run.new_model("model").model_id)
            raise error

    with pytest.raises(type(error)):
        attempt()
    assert client.get_logged_model(ids[0]).status == "FAILED"


def test_a_model_with_files_reads_ready_also_where_its_run_fails_later(
    store: tuple[mlflow.MlflowClient, str], tmp_path: Path
) -> None:
    client, experiment = store
    (tmp_path / "files").mkdir()
    (tmp_path / "files" / "MLmodel").write_text("flavors: {}\n")
    ids = []

    def attempt() -> None:
        with started_run(client, experiment, "name", 1, {}) as run:
            model = run.new_model("model")
            ids.append(model.model_id)
            run.keep_model(model, tmp_path / "files")
            raise ThawError("later")

    with pytest.raises(ThawError):
        attempt()
    assert client.get_logged_model(ids[0]).status == "READY"


@given(
    st.dictionaries(
        st.text(), st.integers() | st.none() | st.dictionaries(st.text(), st.text(), max_size=3), max_size=4
    )
)
def test_flattening_keeps_every_value_that_is_set(nested: dict[str, object]) -> None:
    leaves = sum(len(v) if isinstance(v, dict) else v is not None for v in nested.values())
    assert len(list(flatten(nested))) == leaves


def test_an_epoch_is_one_call(store: tuple[mlflow.MlflowClient, str], monkeypatch: pytest.MonkeyPatch) -> None:
    client, experiment = store
    calls: list[str] = []
    original: Callable[..., object] = client.log_batch
    with started_run(client, experiment, "name", 1, {}) as run:
        monkeypatch.setattr(client, "log_batch", lambda *a, **k: (calls.append("batch"), original(*a, **k)))
        run.metrics({f"m{i}": float(i) for i in range(8)}, 0)
    assert calls == ["batch"]


def test_runs_that_name_a_new_data_set_at_once_all_get_it(
    store: tuple[mlflow.MlflowClient, str], composed: Compose, tiny: tuple[str, ...], tmp_path: Path
) -> None:
    client, experiment = store
    trial = composed(*tiny)
    dataset = read_dataset(trial.data, 32, tmp_path)
    together = threading.Barrier(4)

    def describe(digest: str) -> list[str]:
        run = Run(client, experiment, client.create_run(experiment).info.run_id)
        together.wait(30)
        run.describe(TrialFacts(), replace(dataset, fingerprint=digest), {})
        return [used.dataset.digest for used in client.get_run(run.run_id).inputs.dataset_inputs]

    with ThreadPoolExecutor(4) as pool:
        for digest in "abcdefgh":  # not every meeting is a collision
            assert list(pool.map(describe, [digest] * 4)) == [[digest]] * 4
