"""Eight processes train trials into one store, some of the same: none is trained twice, and no value is lost."""

import json
import os
from pathlib import Path
from typing import Any

import mlflow
import pytest

from src.tracking.mlflow_server import StoreServer
from tests.search.launched import FINISHED, numbers_of
from tests.stores import runs_of
from tests.typist import Started, Typist

TRIALS = int(os.environ.get("THAW_TEST_STORE_TRIALS", "24"))
WORKERS = 8
SHARED = 2
"""Trials of each worker that the next one trains, too."""

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1800)]


@pytest.fixture(params=["sqlite", "served"])
def uri(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """A store of the test's own, or one that others use as well."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/mlflow.db"
    served: StoreServer = request.getfixturevalue("served")
    return served.uri


def test_eight_workers_lose_and_repeat_nothing(uri: str, heavy_typist: Typist, photos: Path, tmp_path: Path) -> None:
    part = TRIALS // WORKERS
    parts = [range(number * part, (number + 1) * part + SHARED) for number in range(WORKERS)]
    workers = [start(heavy_typist, uri, photos, tmp_path, seeds) for seeds in parts]
    ends = [worker.wait(1500) for worker in workers]
    assert [end.status for end in ends] == [0] * WORKERS, "".join(end.said for end in ends)
    assert not [line for end in ends for line in end.err.splitlines() if "FAILED" in line or "Traceback" in line]
    client = mlflow.MlflowClient(uri)
    experiment = client.get_experiment_by_name("workers")
    finished = [run for run in runs_of(client, FINISHED) if run.info.experiment_id == experiment.experiment_id]
    assert len(numbers_of(finished)) == len(finished) == WORKERS * part + SHARED
    written = summaries(tmp_path)
    for run in finished:
        check(client, run, written[run.info.run_id])
    assert not client.search_runs([experiment.experiment_id], "attributes.status != 'FINISHED'")


def start(typist: Typist, uri: str, photos: Path, folder: Path, seeds: range) -> Started:
    """Start a worker: a sweep of a study of its own."""
    return typist.start(
        "src.train", "-m", "backbone=lenet5", "schedule=two_phase", "data=folder", f"data.root={photos}",
        "image_size=32", "batch_size=8", "epochs=3", "fine_tune_epochs=3", "tracking.artifacts=none",
        "tracking.experiment=workers", "runtime.threads=1", "runtime.progress=false",
        f"seed=range({seeds.start},{seeds.stop})",
        f"study=worker {seeds.start}", f"tracking.uri={uri}", f"runtime.work_dir={folder}/work",
        f"runtime.cache_dir={folder}/cache", f"hydra.sweep.dir={folder}/sweep{seeds.start}", cwd=folder,
    )  # fmt: skip


def summaries(folder: Path) -> dict[str, dict[str, Any]]:
    """What trials wrote beside the store, by the ids of their runs."""
    read = [json.loads(path.read_text("utf-8")) for path in folder.glob("sweep*/*/summary.json")]
    return {summary["run_id"]: summary for summary in read}


def check(client: mlflow.MlflowClient, run: Any, written: dict[str, Any]) -> None:
    """Hold a run to what its trial wrote, epoch by epoch."""
    assert {name: written[name] for name in run.data.metrics if name in written} == {
        name: value for name, value in run.data.metrics.items() if name in written
    }
    assert len(written["history"]) == 6
    for name in written["history"][0]:
        if name != "epoch":
            kept = [(it.step, it.value) for it in client.get_metric_history(run.info.run_id, name)]
            assert kept == [(record["epoch"], record[name]) for record in written["history"]], name
