"""Calibration of a classifier's confidence: temperature, calibration error, and abstention."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize_scalar

from src.inference.temperature import Probabilities, scaled_logarithms
from src.statistics.intervals import Interval, design_effect, grouped_interval, wilson_ends, wilson_interval

_LEAST, _MOST = 1 / 20, 20.0
BINS = 15
_REPORTED_ACCURACIES = (0.99, 0.98, 0.95, 0.9, 0.8, 0.7, 0.6, 0.5)


@dataclass(frozen=True)
class Confidence:
    """The most probable class of each image: how probable it is, and whether it is right.

    Attributes:
        values: its probability, 0–1, [images].
        right: whether it is the true class, [images].
        groups: of the images, such as bursts, [images]; None: each image is a group of its own.
    """

    values: NDArray[np.float64]
    right: NDArray[np.bool_]
    groups: NDArray[np.uint64] | None = None

    @classmethod
    def of(
        cls, probabilities: Probabilities, labels: NDArray[np.int64], groups: NDArray[np.uint64] | None = None
    ) -> "Confidence":
        """Return the confidence in the images' predictions, given their true classes."""
        return cls(probabilities.max(axis=1).astype(np.float64), probabilities.argmax(axis=1) == labels, groups)


@dataclass(frozen=True)
class ReliabilityBin:
    """Images of similar confidence: how many, their mean confidence, and the accuracy of their predictions."""

    count: int
    confidence: float
    accuracy: Interval


@dataclass(frozen=True)
class Abstention:
    """Coverage and accuracy of a classifier that answers only where its confidence reaches `threshold`.

    Attributes:
        coverage: share of the images that are answered; its interval allows for their groups.
        accuracy: of the answers, likewise; its interval is missing where no image is answered.
    """

    threshold: float
    coverage: Interval
    accuracy: Interval


def fit_temperature(probabilities: Probabilities, labels: NDArray[np.int64]) -> float | None:
    """Return the temperature under which `labels` are most likely (Guo et al. 2017, arXiv:1706.04599).

    log(temperature) has a standard normal prior, which matters for some tens of images at most: were a few validation
    images all right, the classifier would become certain of everything. None where a probability is no number.
    """
    if not labels.size or not np.isfinite(probabilities).all():
        return None
    images = np.arange(labels.size)

    def loss(log_temperature: float) -> float:
        true = scaled_logarithms(probabilities, float(np.exp(log_temperature)))[images, labels]
        return float(-true.sum() + log_temperature**2 / 2)

    fitted = minimize_scalar(loss, bounds=(np.log(_LEAST), np.log(_MOST)), method="bounded", options={"xatol": 1e-9})
    return float(np.exp(fitted.x))


def reliability(confidence: Confidence) -> list[ReliabilityBin]:
    """Return the bins of equal width that hold images, from least to most confident."""
    bins = np.minimum((confidence.values * BINS).astype(np.int64), BINS - 1)
    return [_bin(confidence.values[bins == k], confidence.right[bins == k]) for k in np.unique(bins)]


def _bin(values: NDArray[np.float64], right: NDArray[np.bool_]) -> ReliabilityBin:
    return ReliabilityBin(values.size, float(values.mean()), wilson_interval(float(right.mean()), values.size))


def calibration_error(confidence: Confidence) -> float:
    """Return the expected calibration error, 0–1: |confidence − accuracy|, the mean over images of their bins'."""
    bins, count = reliability(confidence), confidence.values.size
    return sum(item.count * abs(item.confidence - item.accuracy.estimate) for item in bins) / max(1, count)


def abstention(confidence: Confidence, threshold: float) -> Abstention:
    """Return the coverage and the accuracy of answering where the confidence is `threshold` or more."""
    covered = confidence.values >= threshold
    groups_of_covered = None if confidence.groups is None else confidence.groups[covered]
    coverage = grouped_interval(covered, confidence.groups)
    return Abstention(threshold, coverage, grouped_interval(confidence.right[covered], groups_of_covered))


def threshold_for(confidence: Confidence, accuracy: float) -> float | None:
    """Return the least threshold at which the answers are shown to reach `accuracy`; None where none is.

    Shown: the lower end of the 95% interval of the answers' accuracy reaches it. Where the accuracy itself has to, the
    threshold is one at which the images happened to be right, and new images do worse.
    """
    thresholds, lowest = _accuracies_shown(confidence)
    reaching = np.flatnonzero(lowest >= accuracy)
    return float(thresholds[reaching[-1]]) if reaching.size else None


def most_accuracy_shown(confidence: Confidence) -> float:
    """Return the greatest accuracy for which :func:`threshold_for` has a threshold; 0 without images."""
    return float(_accuracies_shown(confidence)[1].max(initial=0.0))


def threshold_to_report(confidence: Confidence) -> float:
    """Return a threshold that shows what abstaining is worth, where nobody asks for one.

    Of the accuracies 99%, 98%, 95%, 90%, 80% … it is that of the greatest one at which half of the images or more are
    answered; else the median confidence.
    """
    for accuracy in _REPORTED_ACCURACIES:
        threshold = threshold_for(confidence, accuracy)
        if threshold is not None and (confidence.values >= threshold).mean() >= 0.5:
            return threshold
    return float(np.median(confidence.values)) if confidence.values.size else 0.0


def _accuracies_shown(confidence: Confidence) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the thresholds that differ, the greatest first, and the lower ends of the answers' accuracies there.

    Groups count by their effect on the accuracy of all images.
    """
    order = np.argsort(-confidence.values, kind="stable")
    values, right = confidence.values[order], confidence.right[order]
    counts = np.arange(1, right.size + 1, dtype=np.float64)
    effect = design_effect(confidence.right, confidence.groups)
    lowest, _ = wilson_ends(np.cumsum(right) / counts, counts / effect)
    is_last_of_equals = np.append(values[1:] != values[:-1], True)[: values.size]
    return values[is_last_of_equals], lowest[is_last_of_equals]
