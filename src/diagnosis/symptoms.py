"""Symptoms of trouble: each function measures one in a trial.

It returns None where the symptom does not apply to the trial. Accuracies and shares are in 0–1.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import TypeAlias

from src.diagnosis.phases import Phase, last_phase, phase_number, phases
from src.tracking import schema
from src.verdict.trials import TrialRecord

Value: TypeAlias = float | str

_BEST_FIT, _BEST_TRAIN, _BEST_VAL = (schema.best(split) for split in (schema.FIT, schema.TRAIN, schema.VAL))
_FIT, _VAL = schema.of_split(schema.FIT), schema.of_split(schema.VAL)
_FIT_LOSS = schema.of_split(schema.FIT, "loss")

_LEAST_EPOCHS = 4
_RISE = 0.02
_NO_LOSS = 0.1  # nats: below that, a loss may double and mean nothing
_HIGH_TRAIN = 0.9


@dataclass(frozen=True)
class Symptom:
    """One measurement of a trial.

    Attributes:
        size: what a rule compares with its limit; NaN where the trial lacks a number that it needs.
        values: the numbers and names behind it; NaN where one is unknown.
    """

    size: float
    values: Mapping[str, Value]


def overfitting(trial: TrialRecord) -> Symptom | None:
    """Return train − val accuracy, both in inference mode."""
    return _gap(trial, schema.GAP_GENERALIZATION, train=_BEST_TRAIN, val=_BEST_VAL)


def underfitting(trial: TrialRecord) -> Symptom | None:
    """Return the share of training images that is misclassified at the epoch that fits them best, in either mode."""
    train = trial.metric(_BEST_TRAIN)
    if train is None:
        return None
    fitted = max(train, trial.metric(_BEST_FIT) or 0.0, *_series(trial.history, _FIT))
    return Symptom(1 - fitted, {"fitted": fitted})


def diverging_curves(trial: TrialRecord) -> Symptom | None:
    """Return by how much fit − val grew from the kept epoch to the last one, where validation did not improve."""
    best, last = trial.metric(schema.BEST_EPOCH), last_phase(trial)
    kept = next((index for index, epoch in enumerate(last) if epoch.get("epoch") == best), None)
    if kept is None:
        return None
    (fit, val), (later_fit, later_val) = ((_at(last[k], _FIT), _at(last[k], _VAL)) for k in (kept, -1))
    values = {"kept": kept + 1, "epochs": len(last), "fit": fit, "val": val}
    widened = later_fit - later_val - (fit - val)
    return Symptom(widened, {**values, "later_fit": later_fit, "later_val": later_val}) if later_val <= val else None


def batchnorm_mismatch(trial: TrialRecord) -> Symptom | None:
    """Return fit − train accuracy, where BatchNorm trains with its batches' statistics."""
    if trial.factor("batchnorm") != "train":
        return None
    return _gap(trial, schema.GAP_MODE, fit=_BEST_FIT, train=_BEST_TRAIN)


def diverging_loss(trial: TrialRecord) -> Symptom | None:
    """Return the last fit/loss of a phase over its least; infinite where the loss stops being a finite number."""
    return _worst(trial, _divergence)


def oscillating_loss(trial: TrialRecord) -> Symptom | None:
    """Return the share of a phase's steps from epoch to epoch at which fit/loss clearly rises."""
    return _worst(trial, _oscillation)


def slow_training(trial: TrialRecord) -> Symptom | None:
    """Return the last phase's last fit/loss over its first, where it fell at every epoch and fits too few images."""
    train, last = _at(trial.metrics, _BEST_TRAIN), last_phase(trial)
    losses = _series(last, _FIT_LOSS)
    if not train < _HIGH_TRAIN or len(losses) < _LEAST_EPOCHS or losses[0] <= 0:
        return None
    if any(after >= before for before, after in pairwise(losses)):
        return None
    values = {"first": losses[0], "last": losses[-1], "epochs": len(losses), "train": train}
    return Symptom(losses[-1] / losses[0], values | _learning_rate(last))


def fine_tuning_hurts(trial: TrialRecord) -> Symptom | None:
    """Return the best validation score before the last phase minus the best in it."""
    *earlier, last = phases(trial).values() or [()]
    score = schema.of_split(schema.VAL, trial.objective)
    before, after = [value for phase in earlier for value in _series(phase, score)], _series(last, score)
    if trial.status != "FINISHED" or not before or not after:
        return None
    return Symptom(max(before) - max(after), {"before": max(before), "after": max(after), **_learning_rate(last)})


def ended_too_soon(trial: TrialRecord) -> Symptom | None:
    """Return the last phase's gain in its second half, beyond its largest fall and one image, if it ends at its best.

    A fall is from one epoch to the next; the larger of the two is taken off the gain.
    """
    last, best = last_phase(trial), trial.metric(schema.BEST_EPOCH)
    scores = _series(last, schema.of_split(schema.VAL, trial.objective))
    if trial.status != "FINISHED" or len(scores) < max(len(last), _LEAST_EPOCHS) or last[-1].get("epoch") != best:
        return None
    half = len(scores) // 2
    gain = max(scores[half:]) - max(scores[:half])
    fall = max(0.0, *(before - after for before, after in pairwise(scores)))
    noise = max(fall, 1 / (trial.val_images or math.inf))
    return Symptom(gain - noise, {"epochs": len(last), "gain": gain, "fall": fall})


def class_imbalance(trial: TrialRecord) -> Symptom | None:
    """Return the training images of the largest class over those of the smallest, where the loss has no weights."""
    counts = {name: count for name, count in trial.class_counts.items() if count > 0}
    if len(counts) < 2 or trial.factor("class_weights") == "balanced":
        return None
    least, most = min(counts, key=counts.__getitem__), max(counts, key=counts.__getitem__)
    values: dict[str, Value] = {"smallest": least, "largest": most, "fewest": counts[least], "most": counts[most]}
    return Symptom(counts[most] / counts[least], values)


def leakage(trial: TrialRecord) -> Symptom:
    """Return the number of near-duplicate pairs across splits."""
    return Symptom(trial.near_duplicates.pairs, {"images": trial.near_duplicates.photos})


def _gap(trial: TrialRecord, gap: str, **accuracies: str) -> Symptom | None:
    """Return the symptom of a gap and its two accuracies, by their metrics' names."""
    values = {name: _at(trial.metrics, metric) for name, metric in accuracies.items()}
    return None if any(map(math.isnan, values.values())) else Symptom(_at(trial.metrics, gap), values)


def _divergence(phase: Phase) -> Symptom | None:
    losses, finite = [epoch[_FIT_LOSS] for epoch in phase if _FIT_LOSS in epoch], _series(phase, _FIT_LOSS)
    if not losses:
        return None
    least, last = min(finite, default=math.nan), losses[-1] if len(finite) == len(losses) else math.nan
    size = math.inf if math.isnan(last) else last / max(least, _NO_LOSS)
    return Symptom(size, {"least": least, "last": last, **_learning_rate(phase)})


def _oscillation(phase: Phase) -> Symptom | None:
    losses = _series(phase, _FIT_LOSS)
    steps = len(losses) - 1
    if steps < _LEAST_EPOCHS:
        return None
    rises = sum(after - before > _RISE * max(before, _NO_LOSS) for before, after in pairwise(losses))
    return Symptom(rises / steps, {"rises": rises, "steps": steps, **_learning_rate(phase)})


def _worst(trial: TrialRecord, measure: Callable[[Phase], Symptom | None]) -> Symptom | None:
    """Return the symptom of the phase in which it is largest."""
    measured = [symptom for phase in phases(trial).values() if (symptom := measure(phase)) is not None]
    return max(measured, key=lambda symptom: symptom.size, default=None)


def _learning_rate(phase: Phase) -> dict[str, float]:
    """Return the phase's number, from 1, and its first learning rate."""
    first = next(iter(_series(phase, schema.LEARNING_RATE)), math.nan)
    return {"phase": phase_number(phase[0]) + 1, "learning_rate": first}


def _series(phase: Phase, name: str) -> list[float]:
    """Return a metric's finite values, in the epochs' order."""
    return [value for epoch in phase if not math.isnan(value := _at(epoch, name))]


def _at(metrics: Mapping[str, float], name: str) -> float:
    """Return a trial's or an epoch's value of a metric; NaN where it is missing or not finite."""
    value = metrics.get(name, math.nan)
    return value if math.isfinite(value) else math.nan
