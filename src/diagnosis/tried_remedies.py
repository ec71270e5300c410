"""Remedies compared with what a study has tried, and with one another."""

import math
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

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
    nearest = _settings(min(tried, key=lambda record: _beyond(record, trial, remedy)), remedy)
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
    return _is_alike(record, trial, remedy) and all(far >= 0 for far in _beyond(record, trial, remedy))


def _is_alike(record: TrialRecord, trial: TrialRecord, except_for: Settings) -> bool:
    """Return whether the two differ in the settings `except_for` and the seed alone."""
    names = (record.factors.keys() | trial.factors.keys()) - set(except_for)
    is_at_depth = "unfrozen" in except_for or record.depth == trial.depth
    return is_at_depth and all(record.factor(name) == trial.factor(name) for name in names)


def _beyond(record: TrialRecord, trial: TrialRecord, remedy: Settings) -> list[float]:
    """Return how far a record's settings lie beyond the remedy's, as seen from the trial's; below 0: not so far.

    Where values have no order, an equal one is 0, and another −1.
    """
    return [
        direction * (_position(_setting(record, name)) - _position(value))
        if (direction := _direction(trial, name, value))
        else float(_setting(record, name) == value) - 1
        for name, value in remedy.items()
    ]


def _direction(trial: TrialRecord, name: str, value: Factor) -> int:
    """Return 1 if `value` is above the trial's setting, −1 if below; 0 if equal, or where they have no order."""
    difference = _position(value) - _position(_setting(trial, name))
    return 0 if math.isnan(difference) else int(np.sign(difference))


def _settings(record: TrialRecord, remedy: Settings) -> Settings:
    return {name: _setting(record, name) for name in remedy}


def _setting(record: TrialRecord, name: str) -> Factor:
    """Return a record's value of a setting; its depth is `all` however that was typed."""
    if name == "unfrozen":
        return "all" if record.whole else record.depth
    return record.factors.get(name, "null")


def _position(value: Factor) -> float:
    """Return a setting as a number; NaN where it is none."""
    try:
        return _ALL if value == "all" else float(value)
    except ValueError:
        return math.nan
