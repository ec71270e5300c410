"""A trial's key: a hash of everything that can change its numbers, and of nothing that cannot."""

import hashlib
import json
from typing import Any

from src.config import TrialConfig
from src.data.dataset import Dataset
from src.models.depth import Depth
from src.models.weights import WeightSet

SEMANTICS_VERSION = 1
"""Raise it when the same configuration would train to other numbers."""

COVERED_ELSEWHERE = {
    "weights": "the weights' digest and width",
    "data": "the data's fingerprint",
    "unfrozen": "the phases' canonical depths",
    "learning_rate": "the phases",
    "fine_tune_learning_rate": "the phases",
    "epochs": "the phases",
    "fine_tune_epochs": "the phases",
    "image_size": "the side that it came to",
}
"""Keys that enter in another form, so that two spellings of one trial are one trial."""

CANNOT_CHANGE_NUMBERS = {"tracking", "runtime"}


def trial_key(trial: TrialConfig, side: int, dataset: Dataset, weights: WeightSet, depths: dict[str, Depth]) -> str:
    """The key of `trial`, 32 hexadecimal digits."""
    own = trial.model_dump(mode="json", exclude={*COVERED_ELSEWHERE, *CANNOT_CHANGE_NUMBERS})
    own["backbone"] = trial.backbone.lower()
    own["schedule"] = [_phase(phase, depths[name].canonical) for name, phase in own["schedule"].items()]
    if trial.augment.is_identity:
        own["augment"] = None
    if trial.batchnorm != "adapted" and not any(depth.canonical for depth in depths.values()):
        own["batchnorm"] = None  # the policies differ only where the backbone trains
    facts: dict[str, Any] = {
        "version": SEMANTICS_VERSION, "config": own, "side": side, "data": dataset.fingerprint,
        "weights": weights.digest, "width": weights.alpha,
    }  # fmt: skip
    return hashlib.blake2b(json.dumps(facts, sort_keys=True).encode(), digest_size=16).hexdigest()


def _phase(phase: dict[str, Any], canonical: int) -> dict[str, Any]:
    """A phase without the spelling of its depth and without what is switched off."""
    idle = {"no_deeper_than"} | ({"plateau_factor"} if phase["plateau_patience"] is None else set())
    return {name: value for name, value in phase.items() if name not in idle} | {"unfrozen": canonical}
