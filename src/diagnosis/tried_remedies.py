"""Remedies compared with what a study has tried, and with one another."""

import math
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from src.common.depth_choice import DepthChoice
from src.diagnosis.remedies import Settings
from src.verdict.trials import Factor, TrialRecord, measured

_ALL = 10**6
"""Layers: more than any network has."""


@dataclass(frozen=True)
class TriedRemedy:
    """Trials of a study that tried a remedy.

    Attributes:
        settings: the remedy as those trials have it.
        scores: their validation scores.
        scores_without: of the trials that differ from them in these settings alone.
    """

    settings: Settings
    scores: tuple[float, ...]
    scores_without: tuple[float, ...]


def find_tried(trial: TrialRecord, remedy: Settings, records: Iterable[TrialRecord]) -> TriedRemedy | None:
    """Return the trials that tried a remedy for `trial`, or went further in its direction; None where none did.

    They differ from `trial` in the remedy's settings and the seed alone. Of several values, the nearest counts.
    """
    finished = measured(records)
    tried = [record for record in finished if _has_tried(record, trial, remedy)]
    if not remedy or not tried:
        return None
    nearest = _settings(min(tried, key=lambda record: _distances(record, remedy)), remedy)
    scores = (record.score for record in tried if _settings(record, remedy) == nearest)
    without = (record.score for record in finished if _is_alike(record, trial, {}))
    return TriedRemedy(nearest, tuple(scores), tuple(without))


def are_opposed(one: TrialRecord, remedy: Settings, other: TrialRecord, other_remedy: Settings) -> bool:
    """Return whether two trials' remedies move a setting in opposite directions, or to other values without order."""
    return any(
        remedy[name] != other_remedy[name]
        and _direction(one, name, remedy[name]) * _direction(other, name, other_remedy[name]) <= 0
        for name in remedy.keys() & other_remedy.keys()
    )


def _has_tried(record: TrialRecord, trial: TrialRecord, remedy: Settings) -> bool:
    return _is_alike(record, trial, remedy) and all(_reaches(record, trial, *item) for item in remedy.items())


def _is_alike(record: TrialRecord, trial: TrialRecord, except_for: Settings) -> bool:
    """Return whether the two differ in the settings `except_for` and the seed alone."""
    names = (record.factors.keys() | trial.factors.keys()) - set(except_for)
    is_at_depth = "unfrozen" in except_for or record.depth == trial.depth
    return is_at_depth and all(record.factor(name) == trial.factor(name) for name in names)


def _reaches(record: TrialRecord, trial: TrialRecord, name: str, value: Factor) -> bool:
    """Return whether a record's setting is `value`, or lies beyond it as seen from the trial's."""
    direction = _direction(trial, name, value)
    if not direction:
        return _setting(record, name) == value
    return direction * (_position(name, _setting(record, name)) - _position(name, value)) >= 0


def _distances(record: TrialRecord, remedy: Settings) -> list[float]:
    """Return the distance of a record from each of the remedy's settings; 0 where they have no order."""
    distances = (abs(_position(name, _setting(record, name)) - _position(name, remedy[name])) for name in remedy)
    return [0.0 if math.isnan(distance) else distance for distance in distances]


def _direction(trial: TrialRecord, name: str, value: Factor) -> int:
    """Return 1 if `value` is above the trial's setting, −1 if below; 0 if equal, or where they have no order."""
    difference = _position(name, value) - _position(name, _setting(trial, name))
    return 0 if math.isnan(difference) else int(np.sign(difference))


def _settings(record: TrialRecord, remedy: Settings) -> Settings:
    return {name: _setting(record, name) for name in remedy}


def _setting(record: TrialRecord, name: str) -> Factor:
    """Return a record's value of a setting; its depth is `all` however that was typed."""
    if name == "unfrozen":
        return "all" if record.whole else record.depth
    return record.factors.get(name, "null")


def _position(name: str, value: Factor) -> float:
    """Return a setting as a number; NaN where it is none."""
    if name == "unfrozen":
        choice = DepthChoice.read(value)
        return _ALL if choice.is_all else float(choice.layers or 0)
    try:
        return float(value)
    except ValueError:
        return math.nan
