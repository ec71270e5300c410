"""A store of an earlier version is read: finished trials are reused, a killed one is resumed, a study is judged."""

import json
import sqlite3
import subprocess
import tarfile
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from src.common.project import PROJECT
from src.models.runtime import device_key
from tests.conftest import Command

ARCHIVE = Path(__file__).parent / "fixtures" / "earlier_store.tar.xz"
TRIAL = (
    "backbone=lenet5", "weights=random", "data=trees", "data.classes=3", "image_size=32", "batch_size=16",
)  # fmt: skip
PATHS = (("experiments", "artifact_location"), ("runs", "artifact_uri"), ("tags", "value"), ("params", "value"))


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the unpacked store, with the paths of the folder it lies in now and this machine as its device."""
    folder = tmp_path_factory.mktemp("earlier")
    with tarfile.open(ARCHIVE) as archive:
        archive.extractall(folder, filter="data")
    store = folder / "store"
    if expected(store)["versions"] != {name: version(name) for name in ("keras", "tensorflow")}:
        pytest.skip("the store is of another Keras or TensorFlow, with which every trial is another one: make it anew")
    with sqlite3.connect(store / "mlflow.db") as database:
        for table, column in PATHS:
            database.execute(f"UPDATE {table} SET {column} = replace({column}, '/STORE', ?)", (str(store),))
    database.close()
    for checkpoint in (store / "work" / "phases").glob("*.npz"):
        of_this_machine(checkpoint)
    return store


def expected(store: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((store / "expected.json").read_text("utf-8"))
    return found


def of_this_machine(checkpoint: Path) -> None:
    """A checkpoint is resumed only on the kind of device it was written on."""
    with np.load(checkpoint) as stored:
        arrays = dict(stored)
    facts = json.loads(arrays["facts"].tobytes()) | {"device": device_key()}
    np.savez(checkpoint, **arrays | {"facts": np.frombuffer(json.dumps(facts).encode(), np.uint8)})


def typed(thaw: Command, store: Path, *overrides: str) -> subprocess.CompletedProcess[str]:
    done = thaw(
        "src.train", *overrides, *TRIAL, f"tracking.uri=sqlite:///{store}/mlflow.db",
        f"runtime.cache_dir={store}/cache", f"runtime.work_dir={store}/work", cwd=PROJECT,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done


def numbers(folder: Path, of: dict[str, Any]) -> dict[str, Any]:
    summary = json.loads((folder / "summary.json").read_text("utf-8"))
    return {name: summary[name] for name in of}


def judged(verdict: dict[str, Any]) -> list[str]:
    """Return what a verdict concludes, without its words; which of tied depths it recommends is the present rule's."""
    return [each["kind"] for each in verdict["verdicts"]]


def test_a_finished_trial_is_reused(thaw: Command, store: Path) -> None:
    told = typed(
        thaw,
        store,
        "schedule.training.epochs=2",
        "unfrozen=0",
        "seed=5",
        "tracking.save_model=false",
        f"hydra.run.dir={store}/a",
    ).stderr
    assert "force=true trains it anew" in told
    assert "training 1/2" not in told
    finished = expected(store)["finished"]
    assert numbers(store / "a", finished) == finished


@pytest.mark.slow
def test_a_killed_trial_is_resumed_to_the_numbers_of_one_that_nothing_interrupted(thaw: Command, store: Path) -> None:
    told = typed(
        thaw,
        store,
        "schedule.training.epochs=40",
        "unfrozen=0",
        "seed=9",
        "tracking.save_model=false",
        f"hydra.run.dir={store}/k",
    ).stderr
    assert "training 1/40" not in told
    assert "training 2/40" in told
    killed = expected(store)["killed"]
    found = numbers(store / "k", killed)
    assert found.pop("trial_key") == killed.pop("trial_key")
    assert found == pytest.approx(killed, rel=1e-4)
    with sqlite3.connect(store / "mlflow.db") as database:
        statuses = [status for (status,) in database.execute("SELECT status FROM runs WHERE name LIKE '%seed=9'")]
    database.close()
    assert "RUNNING" not in statuses


@pytest.mark.slow
def test_a_study_is_reused_whole(thaw: Command, store: Path) -> None:
    told = typed(
        thaw,
        store,
        "-m",
        "schedule.training.epochs=2",
        "unfrozen=2,all",
        "seed=0,1",
        "study=before",
        f"hydra.sweep.dir={store}/s",
    )
    assert "training 1/2" not in told.stderr
    for name, of in expected(store)["study"].items():
        assert numbers(store / "s" / name, of) == of
    verdict = json.loads((store / "s" / "report" / "verdict.json").read_text("utf-8"))
    assert judged(verdict) == judged(expected(store)["verdict"])
    summaries = [
        json.loads((store / "s" / name / "summary.json").read_text("utf-8")) for name in expected(store)["study"]
    ]
    assert verdict["recommended"]["run_id"] in {summary["run_id"] for summary in summaries}
