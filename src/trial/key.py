"""The keys of a trial, its phases and its frozen layers: hashes of what can change their numbers, and nothing else."""

import hashlib
import json
from collections.abc import Collection
from importlib.metadata import version
from typing import Any

from src.config import CANNOT_CHANGE_NUMBERS
from src.tracking.idle_keys import idle_keys
from src.tracking.mlflow_run import flatten
from src.trial.plan import Plan

SEMANTICS_VERSION = 5
"""Raise it when the same configuration would train to other numbers."""

COVERED_ELSEWHERE = {
    "weights": "the weights' digest and width",
    "data": "the data's fingerprint",
    "unfrozen": "the phases' canonical depths",
    "learning_rate": "the phases",
    "fine_tune_learning_rate": "the phases",
    "epochs": "the phases",
    "fine_tune_epochs": "the phases",
    "image_size": "the resulting image size",
    "objective": "the monitor, which follows it",
    "features": "what the features are rounded to; that they are kept changes nothing",
}
"""Keys that enter in another form, so that two spellings of one trial are one trial."""


def trial_key(plan: Plan) -> str:
    """Return the key of the whole trial, 32 hexadecimal digits."""
    return _digest(_facts(plan, len(plan.depths)))


def phase_key(plan: Plan, index: int) -> str:
    """Return the key of phase `index`: what it trains on from which weights, but not its number of epochs."""
    facts = _facts(plan, index + 1)
    del facts["config"]["schedule"][index]["epochs"]
    return _digest(facts | {"phase": index})


def frozen_key(plan: Plan, device: str) -> str:
    """Return the key of the frozen layers: what `device` computes of an image up to any cut."""
    random = plan.trial.seed if plan.weights.name == "random" else None
    adapted = plan.dataset.fingerprint if plan.trial.batchnorm == "adapted" else None
    return _digest({
        "version": _versions(), "device": device,
        "backbone": plan.spec.name, "weights": [plan.weights.digest, plan.weights.alpha, random, adapted],
        "side": plan.image_size, **_precision(plan),
    })  # fmt: skip


def _facts(plan: Plan, phases: int) -> dict[str, Any]:
    """Return all that determines the first `phases` phases."""
    trial, depths = plan.trial, list(plan.depths.values())[:phases]
    config = trial.model_dump(mode="json", exclude={*COVERED_ELSEWHERE, *CANNOT_CHANGE_NUMBERS})
    idle = idle_keys(dict(flatten(config)), backbone_trains=any(depth.canonical for depth in depths))
    config["backbone"] = plan.spec.name
    schedule = zip(config["schedule"].items(), depths, strict=False)
    config["schedule"] = [
        _phase(name, phase, idle) | {"unfrozen": depth.canonical} for (name, phase), depth in schedule
    ]
    config["augment"] = None if "augment.flip" in idle else config["augment"]
    config["batchnorm"] = None if "batchnorm" in idle else config["batchnorm"]
    return {
        "version": _versions(), "config": config, "side": plan.image_size,
        "features": trial.features.dtype, "data": plan.dataset.fingerprint,
        "weights": plan.weights.digest, "width": plan.weights.alpha, **_precision(plan),
    }  # fmt: skip


def _precision(plan: Plan) -> dict[str, str]:
    """Return what keys say of the precision: nothing of float32, which keys of earlier versions do not name."""
    precision = plan.trial.runtime.precision
    return {} if precision == "float32" else {"precision": precision}


def _phase(name: str, phase: dict[str, Any], idle: Collection[str]) -> dict[str, Any]:
    """Return a phase without the keys that it does not read, and without what its depth is cut to."""
    read = [key for key in phase if f"schedule.{name}.{key}" not in idle and key != "no_deeper_than"]
    return {key: phase[key] for key in read}


def _versions() -> list[int | str]:
    return [SEMANTICS_VERSION, version("keras"), version("tensorflow")]


def _digest(facts: dict[str, Any]) -> str:
    return hashlib.blake2b(json.dumps(facts, sort_keys=True).encode(), digest_size=16).hexdigest()
