"""Studies in a real store, made of runs such as trials leave."""

import json
from collections.abc import Iterable
from typing import Any

import mlflow
from mlflow.entities import Metric, Param

from src.tracking import schema
from src.tracking.study import Study

Trials = Iterable[tuple[dict[str, Any], str]]

VAL = {0: 0.50, 2: 0.52, 11: 0.60, 20: 0.61}
_NO_PARAMETERS = {"depth", "val", "overrides", "tags"}


def trial(depth: int, seed: int, **parameters: Any) -> dict[str, Any]:
    """Facts of a trial; those that are no parameters of its run are depth, val, overrides and tags."""
    return {"depth": depth, "seed": seed, "val": VAL.get(depth, 0.5) + 0.002 * seed, **parameters}


FULL = [(trial(depth, seed), "FINISHED") for depth in VAL for seed in range(4)]


def make_study(client: mlflow.MlflowClient, name: str, trials: Trials) -> Study:
    """A study of `trials`, each with the status that it ended with."""
    found = client.get_experiment_by_name("reports")
    experiment = found.experiment_id if found else client.create_experiment("reports")
    study = Study.open(client, experiment, name, {})
    for number, (facts, status) in enumerate(trials):
        add(client, experiment, study, f"{name} {number}", facts, status)
    return study


def add(
    client: mlflow.MlflowClient, experiment: str, study: Study, key: str, facts: dict[str, Any], status: str
) -> None:
    """One run of `study`; one that is finished has metrics and figures."""
    own = {name: str(value) for name, value in facts.items() if name not in _NO_PARAMETERS}
    overrides = facts.get("overrides", f"unfrozen={facts['depth']} seed={facts['seed']}")
    tags = {
        schema.TRIAL_KEY.name: key, f"study.{study.key}": overrides, "command": f"python -m src.train {overrides}",
        "photos.val": "500", "photos.test": "500", "block": "block_16", **facts.get("tags", {}),
    }  # fmt: skip
    run_id = client.create_run(experiment, tags=tags).info.run_id
    metrics = {
        "best/val_accuracy": facts["val"], "best/train_accuracy": 0.9, "best/fit_accuracy": 0.95, "best/epoch": 1.0,
        "gap/mode": 0.05, "gap/generalization": 0.9 - facts["val"], "test/accuracy": facts["val"] - 0.01,
        "depth/canonical": facts["depth"], "depth/parameters": 1000 * facts["depth"],
        "trainable_parameters": 1000 * facts["depth"] + 500, "time/total": 10.0 + facts["depth"],
        "time/phase/fine_tuning": 5.0 + facts["depth"],
    }  # fmt: skip
    done = [Metric(name, value, 1, 1) for name, value in metrics.items()] if status == "FINISHED" else []
    rows = {"fit/accuracy": (0.5, 0.75), "val/accuracy": (0.4, 0.51), "fit/loss": (1.9, 1.1), "phase": (0.0, 1.0)}
    epochs = [Metric(name, value, 1, step) for name, values in rows.items() for step, value in enumerate(values)]
    client.log_batch(run_id, [*done, *epochs], [Param(name, value) for name, value in own.items()])
    if status != "RUNNING":
        client.set_terminated(run_id, status)


def hostile_tags(name: str) -> dict[str, str]:
    """Tags on data whose classes and photos have `name`."""
    return {
        "classes": json.dumps({name: 90, f"{name}2": 10}),
        "near_duplicates": "3", "near_duplicates.photos": "2",
        "near_duplicates.named": json.dumps([[0, 1, f"train/{name}", f"val/{name}", "train", "val"]]),
        "block": name,
    }  # fmt: skip
