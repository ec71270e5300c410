"""Signs of trouble, measured: a trial to the numbers that a rule speaks of.

Each returns a mapping with "size", which the rule holds against its limit, and the other numbers of the rule's text and
remedy; None where the sign does not apply, or numbers are missing.
"""

import math
from collections.abc import Iterable, Mapping
from itertools import pairwise
from typing import Any

from src.common.metrics import Metric
from src.diagnosis.phases import Phase, phase_number, phases
from src.diagnosis.remedies import Settings
from src.reporting.wording import percent, points, said, said_apart
from src.tracking import schema
from src.verdict.trials import TrialRecord

Numbers = Mapping[str, Any]

_BEST_FIT, _BEST_TRAIN, _BEST_VAL = (schema.best(split) for split in (schema.FIT, schema.TRAIN, schema.VAL))
_FIT, _VAL = schema.of_split(schema.FIT), schema.of_split(schema.VAL)
_FIT_LOSS = schema.of_split(schema.FIT, "loss")

_LEAST_EPOCHS = 4
_RISE = 0.02
_NO_LOSS = 0.1  # nats: below that, a loss may double and mean nothing
_HIGH_TRAIN = 0.9
_MODE_OR_MORE = (
    " Fit is read in training mode, so part of it may be BatchNorm's mismatch: train was measured at the kept epoch "
    "alone."
)
_OTHER_METRIC = " Accuracy counts photos, so that large classes decide it; objective=balanced_accuracy counts classes."
_EXAMPLES = 3


def overfitting(trial: TrialRecord) -> Numbers | None:
    """Train − val in inference mode."""
    gap, train, val = _metrics(trial, schema.GAP_GENERALIZATION, _BEST_TRAIN, _BEST_VAL)
    if gap is None or train is None or val is None:
        return None
    return {
        "size": gap, "gap": points(gap), "train": percent(train), "val": percent(val), "remedy": _more_regular(trial),
    }  # fmt: skip


def diverging_curves(trial: TrialRecord) -> Numbers | None:
    """How far fit − val widened from the kept epoch to the last, where validation did not rise."""
    best, last = trial.metric(schema.BEST_EPOCH), _last(trial)
    kept = next((place for place, epoch in enumerate(last) if epoch.get("epoch") == best), None)
    if kept is None:
        return None
    fit, val = ([last[place].get(name, math.nan) for place in (kept, -1)] for name in (_FIT, _VAL))
    widened = fit[1] - val[1] - (fit[0] - val[0])
    if not math.isfinite(widened) or val[1] > val[0]:
        return None
    is_trained = trial.factor("batchnorm") == "train"
    return {
        "size": widened, "kept": kept + 1, "count": len(last), "fit": percent(fit[0]), "val": percent(val[0]),
        "later_fit": percent(fit[1]), "later_val": percent(val[1]), "cause": _MODE_OR_MORE if is_trained else "",
        "remedy": {"batchnorm": "inference"} if is_trained else _more_regular(trial),
    }  # fmt: skip


def underfitting(trial: TrialRecord) -> Numbers | None:
    """The part of the training photos themselves that is misread at the epoch that fits them best, in either mode."""
    train, fit = _metrics(trial, _BEST_TRAIN, _BEST_FIT)
    if train is None:
        return None
    fitted = max([train, fit or 0.0, *_series(trial.history, _FIT)])
    return {"size": 1 - fitted, "fitted": percent(fitted), "remedy": _more_capable(trial)}


def batchnorm_mismatch(trial: TrialRecord) -> Numbers | None:
    """Fit − train where BatchNorm uses its batches' statistics in training."""
    gap, fit, train = _metrics(trial, schema.GAP_MODE, _BEST_FIT, _BEST_TRAIN)
    if gap is None or fit is None or train is None or trial.factor("batchnorm") != "train":
        return None
    return {"size": gap, "gap": points(gap), "fit": percent(fit), "train": percent(train)}


def divergence(trial: TrialRecord) -> Numbers | None:
    """The last fit/loss of a phase over its least; infinite where it is no number."""
    return _worst(_divergence(phase) for phase in phases(trial).values())


def oscillation(trial: TrialRecord) -> Numbers | None:
    """The part of a phase's steps from epoch to epoch at which fit/loss clearly rises."""
    return _worst(_oscillation(phase) for phase in phases(trial).values())


def slowness(trial: TrialRecord) -> Numbers | None:
    """The part of fit/loss that the last phase left, where it fell at every epoch and the network is not done."""
    (train,) = _metrics(trial, _BEST_TRAIN)
    last = _last(trial)
    losses = _series(last, _FIT_LOSS)
    if train is None or train >= _HIGH_TRAIN or len(losses) < _LEAST_EPOCHS or losses[0] <= 0:
        return None
    if not all(after < before for before, after in pairwise(losses)):
        return None
    return {
        "size": losses[-1] / losses[0], "first": _short(losses[0]), "last": _short(losses[-1]),
        "epochs": len(losses), "train": percent(train), **_rate(last, 3),
    }  # fmt: skip


def fine_tuning_hurts(trial: TrialRecord) -> Numbers | None:
    """The best validation score before the last phase minus the best in it."""
    if trial.status != "FINISHED":
        return None
    *earlier, last = phases(trial).values() or [()]
    metric, score = trial.judged, schema.of_split(schema.VAL, trial.objective)
    before = [value for phase in earlier for value in _series(phase, score)]
    after = _series(last, score)
    if not before or not after:
        return None
    fall = max(before) - max(after)
    return {
        "size": fall, "fall": said_apart(fall, metric), "before": said(max(before), metric),
        "after": said(max(after), metric), "score": _validation(metric), **_rate(last, 1 / 10),
    }  # fmt: skip


def ended_too_soon(trial: TrialRecord) -> Numbers | None:
    """How much the best of the last phase, its last epoch, gained in the second half, less its swings and a photo."""
    last, best = _last(trial), trial.metric(schema.BEST_EPOCH)
    values, metric = _series(last, schema.of_split(schema.VAL, trial.objective)), trial.judged
    if trial.status != "FINISHED" or len(values) < max(len(last), _LEAST_EPOCHS) or last[-1].get("epoch") != best:
        return None
    half = len(values) // 2
    gain = max(values[half:]) - max(values[:half])
    swing = max(0.0, *(before - after for before, after in pairwise(values)))
    return {
        "size": gain - max(swing, 1 / (trial.val_images or math.inf)), "count": len(last),
        "gain": said_apart(gain, metric),
        "swings": f"fell by no more than {said_apart(swing, metric)}" if swing else "never fell",
        "score": _validation(metric),
        "remedy": {_epochs_key(trial): 2 * len(last)},
    }  # fmt: skip


def imbalance(trial: TrialRecord) -> Numbers | None:
    """Photos of the largest class for each of the smallest, where the loss does not weigh classes."""
    counts = {name: count for name, count in trial.class_counts.items() if count > 0}
    if len(counts) < 2 or trial.factor("class_weights") == "balanced":
        return None
    least, most = min(counts, key=lambda name: counts[name]), max(counts, key=lambda name: counts[name])
    ratio = counts[most] / counts[least]
    return {
        "size": ratio, "ratio": f"{ratio:.1f}", "least": least, "most": most, "fewest": counts[least],
        "many": counts[most], "metric": _OTHER_METRIC if trial.objective == "accuracy" else "",
    }  # fmt: skip


def leakage(trial: TrialRecord) -> Numbers | None:
    """How many near-equal pairs lie across splits."""
    near = trial.near_duplicates
    if not near.pairs:
        return None
    told = "; ".join(f"{pair.first_name} and {pair.second_name}" for pair in near.examples[:_EXAMPLES])
    return {
        "size": near.pairs, "pairs": _counted(near.pairs, "near-equal pair"), "photos": _counted(near.photos, "photo"),
        "example": told or "none of them named",
    }  # fmt: skip


def _divergence(phase: Phase) -> Numbers | None:
    losses = [epoch[_FIT_LOSS] for epoch in phase if _FIT_LOSS in epoch]
    finite = _series(phase, _FIT_LOSS)
    if not losses:
        return None
    diverged = len(finite) < len(losses)
    size = math.inf if diverged else losses[-1] / max(min(finite), _NO_LOSS)
    last = "no number" if diverged else _short(losses[-1])
    course = f"went from {_short(min(finite))} up to {last}" if finite else "was no number from the first epoch on"
    return {"size": size, "course": course, **_rate(phase, 1 / 3)}


def _oscillation(phase: Phase) -> Numbers | None:
    losses = _series(phase, _FIT_LOSS)
    steps = len(losses) - 1
    if steps < _LEAST_EPOCHS:
        return None
    rises = sum(after - before > _RISE * max(before, _NO_LOSS) for before, after in pairwise(losses))
    return {"size": rises / steps, "rises": rises, "steps": steps, **_rate(phase, 1 / 3)}


def _worst(found: Iterable[Numbers | None]) -> Numbers | None:
    return max((numbers for numbers in found if numbers), key=lambda numbers: float(numbers["size"]), default=None)


def _more_regular(trial: TrialRecord) -> Settings:
    """The next step against overfitting that was not taken yet; empty where all were."""
    dropout = trial.factor("dropout")
    if trial.factor("augment") != "strong":
        return {"augment": "strong" if trial.factor("augment") == "light" else "light"}
    if isinstance(dropout, str) or dropout < 0.5:
        return {"dropout": 0.5}
    return {"unfrozen": 0} if trial.depth and trial.reads_depth else {}


def _more_capable(trial: TrialRecord) -> Settings:
    """The next step against underfitting: all layers, under a schedule that unfreezes any, then more time."""
    if not trial.reads_depth or trial.factor("schedule") == "head_only":
        return {"schedule": "two_phase", "unfrozen": "all"}
    if not trial.whole:
        return {"unfrozen": "all"}
    return {_epochs_key(trial): 2 * len(_last(trial)) or 20}


def _series(phase: Phase, name: str) -> list[float]:
    """A metric's finite values, in the epochs' order."""
    return [epoch[name] for epoch in phase if math.isfinite(epoch.get(name, math.nan))]


def _last(trial: TrialRecord) -> Phase:
    """The last phase; empty where there is none."""
    return next(reversed(phases(trial).values()), ())


def _rate(phase: Phase, factor: float) -> dict[str, Any]:
    """The phase's number, its first rate, and the setting that multiplies the rate by `factor`; where it is known."""
    number = phase_number(phase[0])
    rate = next(iter(_series(phase, schema.LEARNING_RATE)), None)
    if rate is None:
        return {"phase": number + 1, "at": "", "remedy": {}}
    key = "fine_tune_learning_rate" if number else "learning_rate"
    return {"phase": number + 1, "at": f", at a rate of {rate:.2g}", "remedy": {key: float(f"{rate * factor:.2g}")}}


def _epochs_key(trial: TrialRecord) -> str:
    fine_tunes = trial.factor("schedule") == "post" or len(phases(trial)) > 1
    return "fine_tune_epochs" if fine_tunes else "epochs"


def _metrics(trial: TrialRecord, *names: str) -> tuple[float | None, ...]:
    return tuple(trial.metric(name) for name in names)


def _validation(metric: Metric) -> str:
    """Return what the score is called in a sentence: accuracy goes without saying."""
    return "validation" if metric.objective == "accuracy" else f"validation {metric.words}"


def _counted(count: int, what: str) -> str:
    return f"{count:,} {what}{'s' * (count != 1)}"


def _short(number: float) -> str:
    return f"{number:.3g}"
