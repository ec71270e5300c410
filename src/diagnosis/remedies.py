"""Remedies held against what the study has tried, and against one another."""

import math
from collections.abc import Mapping, Sequence

import numpy as np

from src.common.depth_choice import DepthChoice
from src.common.shell import setting
from src.reporting.wording import layers, said, trials
from src.verdict.trials import Factor, TrialRecord, judged_by, measured, typed_value

_ALL = 10**6
"""Layers: more than any network has."""

Settings = Mapping[str, Factor]
"""Values by dotted key."""


def as_typed(settings: Settings) -> str:
    """Return `settings` as they are typed in a shell.

    >>> as_typed({"schedule": "two_phase", "unfrozen": "all", "dropout": 0.5})
    'schedule=two_phase unfrozen=all dropout=0.5'
    """
    return " ".join(setting(name, typed_value(value)) for name, value in settings.items())


def fared(trial: TrialRecord, asked: Settings, records: Sequence[TrialRecord]) -> str:
    """How a remedy for `trial` fared where `records` tried it, or went further the same way; empty where none did.

    Those count that differ from the trial in nothing else but their seed; of several values, the nearest.
    """
    finished = measured(records)
    tried = [record for record in finished if _is_alike(record, trial, asked) and _is_as_far(record, trial, asked)]
    if not asked or not tried:
        return ""
    nearest = _spelled(min(tried, key=lambda record: _distances(record, asked)), asked)
    with_it = [record for record in tried if _spelled(record, asked) == nearest]
    without = [record for record in finished if _is_alike(record, trial, {})]
    against = f", against {_mean(without)} without" if without else ""
    where = "" if "unfrozen" in asked else f" at {layers([trial.depth])}"
    return f"This study tried it{where}: {nearest} has {_mean(with_it)} on validation{against}."


def pull_apart(one: tuple[TrialRecord, Settings], other: tuple[TrialRecord, Settings]) -> bool:
    """Whether two trials' remedies move one setting in opposite directions, or to different values of no order."""
    (first, asked), (second, also) = one, other
    return any(
        asked[name] != also[name]
        and (_way(first, name, asked[name]) != _way(second, name, also[name]) or not _way(first, name, asked[name]))
        for name in asked.keys() & also.keys()
    )


def _is_alike(record: TrialRecord, trial: TrialRecord, but: Settings) -> bool:
    """Whether nothing else than the settings `but`, and the seed, tells the two apart."""
    names = (record.factors.keys() | trial.factors.keys()) - set(but)
    at_depth = "unfrozen" in but or record.depth == trial.depth
    return at_depth and all(record.factor(name) == trial.factor(name) for name in names)


def _is_as_far(record: TrialRecord, trial: TrialRecord, asked: Settings) -> bool:
    """Whether a record's settings are those asked for, or lie beyond them as seen from the trial's."""
    for name, value in asked.items():
        way = _way(trial, name, value)
        if way and not way * (_value(record, name) - _number(name, value)) >= 0:
            return False
        if not way and record.factor(name) != value:
            return False
    return True


def _distances(record: TrialRecord, asked: Settings) -> list[float]:
    """How far a record lies from each setting that was asked for; 0 for what is no number."""
    apart = (abs(_value(record, name) - _number(name, value)) for name, value in asked.items())
    return [0.0 if math.isnan(distance) else distance for distance in apart]


def _way(trial: TrialRecord, name: str, value: Factor) -> int:
    """Whether `value` lies above the trial's own (1) or below it (-1); 0 where they have no order."""
    difference = _number(name, value) - _value(trial, name)
    return 0 if math.isnan(difference) else int(np.sign(difference))


def _value(trial: TrialRecord, name: str) -> float:
    """A setting as a number; NaN where it is none. All layers are more than any number of them."""
    if name == "unfrozen":
        return _ALL if trial.whole else trial.depth
    return _number(name, trial.factor(name))


def _number(name: str, value: Factor) -> float:
    if name == "unfrozen":
        choice = DepthChoice.read(value)
        return _ALL if choice.is_all else float(choice.layers or 0)
    try:
        return float(value)
    except ValueError:
        return math.nan


def _spelled(record: TrialRecord, asked: Settings) -> str:
    """The settings that were asked for, as the record has them."""
    depth: dict[str, Factor] = {"unfrozen": "all" if record.whole else record.depth}
    return as_typed({name: depth[name] if name in depth else record.factors.get(name, "null") for name in asked})


def _mean(records: Sequence[TrialRecord]) -> str:
    mean = said(float(np.mean([record.score for record in records])), judged_by(records))
    return f"{mean} ({trials([len(records)])})"
