"""A study of four trials that every launcher runs, and what its store holds."""

from collections import Counter
from pathlib import Path
from typing import Any

import mlflow

TRIALS = (
    "-m", "backbone=lenet5", "schedule=two_phase", "data=folder", "image_size=32", "batch_size=8", "dropout=0.5",
    "augment=light", "epochs=3", "fine_tune_epochs=20", "schedule.fine_tuning.patience=null",
    "tracking.save_model=false", "tracking.artifacts=none", "runtime.threads=1", "unfrozen=0,all", "seed=0,1",
    "study=launched",
)  # fmt: skip


def runs(folder: Path, query: str = "") -> list[Any]:
    if not (folder / "mlflow.db").exists():
        return []
    client = mlflow.MlflowClient(f"sqlite:///{folder}/mlflow.db")
    return list(client.search_runs([each.experiment_id for each in client.search_experiments()], query))


def numbers(folder: Path) -> dict[str, dict[str, float]]:
    """What was measured, by trial key; a trial that finished twice fails here."""
    finished = runs(folder, "attributes.status = 'FINISHED' and tags.trial_key != ''")
    assert max(Counter(run.data.tags["trial_key"] for run in finished).values()) == 1
    return {
        run.data.tags["trial_key"]: {k: v for k, v in run.data.metrics.items() if not k.startswith("time/")}
        for run in finished
    }
