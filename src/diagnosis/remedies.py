"""Remedies: the settings to train with next, as functions of the trial and its symptom; empty where there are none."""

import math
from collections.abc import Callable, Mapping
from typing import TypeAlias

from src.diagnosis.phases import last_phase, phases
from src.diagnosis.symptoms import Symptom
from src.verdict.trials import Factor, TrialRecord

Settings: TypeAlias = Mapping[str, Factor]
"""Values by dotted key."""

Remedy: TypeAlias = Callable[[TrialRecord, Symptom], Settings]


def always(settings: Settings) -> Remedy:
    """Return the remedy with these settings for every trial."""
    return lambda _trial, _symptom: settings


def scale_learning_rate(factor: float) -> Remedy:
    """Return the remedy that multiplies the learning rate of the symptom's phase by `factor`."""

    def remedy(_trial: TrialRecord, symptom: Symptom) -> Settings:
        learning_rate = float(symptom.values["learning_rate"])
        key = "learning_rate" if symptom.values["phase"] == 1 else "fine_tune_learning_rate"
        return {key: float(f"{learning_rate * factor:.2g}")} if math.isfinite(learning_rate) else {}

    return remedy


def regularize(trial: TrialRecord, _symptom: Symptom) -> Settings:
    """Return the first step against overfitting that the trial lacks."""
    dropout = trial.factor("dropout")
    if trial.factor("augment") != "strong":
        return {"augment": "strong" if trial.factor("augment") == "light" else "light"}
    if isinstance(dropout, str) or dropout < 0.5:
        return {"dropout": 0.5}
    return {"unfrozen": 0} if trial.depth and trial.reads_depth else {}


def match_modes(trial: TrialRecord, symptom: Symptom) -> Settings:
    """Return BatchNorm's inference mode where it trains in training mode, else a step against overfitting."""
    return {"batchnorm": "inference"} if trial.factor("batchnorm") == "train" else regularize(trial, symptom)


def increase_capacity(trial: TrialRecord, symptom: Symptom) -> Settings:
    """Return the first step against underfitting that the trial lacks: all layers, then more epochs."""
    if not trial.reads_depth or trial.factor("schedule") == "head_only":
        return {"schedule": "two_phase", "unfrozen": "all"}
    return train_longer(trial, symptom) if trial.whole else {"unfrozen": "all"}


def train_longer(trial: TrialRecord, _symptom: Symptom) -> Settings:
    """Return twice the epochs of the last phase."""
    fine_tunes = trial.factor("schedule") == "post" or len(phases(trial)) > 1
    return {"fine_tune_epochs" if fine_tunes else "epochs": 2 * len(last_phase(trial)) or 20}
