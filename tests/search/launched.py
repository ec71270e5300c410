"""A study that every launcher runs, and what its store holds."""

import os
import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from src.common.project import PROJECT
from tests.search import ray_nodes
from tests.stores import client_in, runs_of

SEEDS = int(os.environ.get("THAW_TEST_LAUNCHED_SEEDS", "2"))
NUMBER = 2 * SEEDS
TRIALS = (
    "-m", "backbone=lenet5", "schedule=two_phase", "data=folder", "image_size=32", "batch_size=8", "dropout=0.5",
    "augment=light", "epochs=3", "fine_tune_epochs=20", "schedule.fine_tuning.patience=null",
    "tracking.save_model=false", "tracking.artifacts=none", "runtime.threads=1", "unfrozen=0,all",
    f"seed=range({SEEDS})", "study=launched",
)  # fmt: skip
FINISHED = "attributes.status = 'FINISHED' and tags.trial_key != ''"


def sweep_words(launcher: str, photos: Path, folder: Path) -> tuple[str, ...]:
    """The command that sweeps the study by a launcher, with everything that it keeps below `folder`."""
    return (
        sys.executable, "-m", "src.train", *TRIALS, f"data.root={photos}", f"runtime.work_dir={folder}/work",
        f"runtime.cache_dir={folder}/cache", f"hydra.sweep.dir={folder}/sweep", f"hydra/launcher={launcher}",
    )  # fmt: skip


def surroundings(launcher: str, folder: Path) -> dict[str, str]:
    """The environment of that command."""
    address = {"RAY_ADDRESS": ray_nodes.ADDRESS, **ray_nodes.PASSWORD} if launcher == "ray" else {}
    return {"PYTHONPATH": str(PROJECT), "MLFLOW_TRACKING_URI": f"sqlite:///{folder}/mlflow.db", **address}


def runs(folder: Path, query: str = "") -> list[Any]:
    if not (folder / "mlflow.db").exists():
        return []
    return runs_of(client_in(folder), query)


def numbers(folder: Path) -> dict[str, dict[str, float]]:
    """What was measured, by trial key."""
    return numbers_of(runs(folder, FINISHED))


def numbers_of(finished: Sequence[Any]) -> dict[str, dict[str, float]]:
    """What was measured, by trial key; a trial that finished twice fails here."""
    assert max(Counter(run.data.tags["trial_key"] for run in finished).values()) == 1
    return {
        run.data.tags["trial_key"]: {k: v for k, v in run.data.metrics.items() if not k.startswith("time/")}
        for run in finished
    }
