"""Calibration of a classifier's confidence: temperature, calibration error, and abstention."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize_scalar

from src.inference.temperature import Probabilities, scaled
from src.statistics.intervals import Interval, wilson_interval

_LEAST, _MOST = 1 / 20, 20.0
BINS = 15


@dataclass(frozen=True)
class Confidence:
    """The most probable class of each image: how probable it is, and whether it is right.

    Attributes:
        values: its probability, 0–1, [images].
        right: whether it is the true class, [images].
    """

    values: NDArray[np.float64]
    right: NDArray[np.bool_]

    @classmethod
    def of(cls, probabilities: Probabilities, labels: NDArray[np.int64]) -> "Confidence":
        """Return the confidence in the images' predictions, given their true classes."""
        return cls(probabilities.max(axis=1).astype(np.float64), probabilities.argmax(axis=1) == labels)


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
        coverage: share of the images that are answered.
        accuracy: of the answers; its interval is missing where none is given.
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
        true = scaled(probabilities, float(np.exp(log_temperature)))[images, labels].astype(np.float64)
        return float(-np.log(np.maximum(true, 1e-30)).sum() + log_temperature**2 / 2)

    fitted = minimize_scalar(loss, bounds=(np.log(_LEAST), np.log(_MOST)), method="bounded", options={"xatol": 1e-4})
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
    count, all_of_them = int(covered.sum()), confidence.values.size
    right = float(confidence.right[covered].mean()) if count else 0.0
    coverage = count / all_of_them if all_of_them else 0.0
    return Abstention(threshold, wilson_interval(coverage, all_of_them), wilson_interval(right, count))


def threshold_for(confidence: Confidence, accuracy: float) -> float | None:
    """Return the least threshold at which the answers reach `accuracy`; None where none does.

    The least of those confidences from which on answers reach it, so that most images are answered.
    """
    order = np.argsort(-confidence.values, kind="stable")
    values, right = confidence.values[order], confidence.right[order]
    reached = np.cumsum(right) / np.arange(1, right.size + 1) >= accuracy
    is_last_of_equals = np.append(values[1:] != values[:-1], True) if values.size else reached
    reaching = np.flatnonzero(reached & is_last_of_equals)
    return float(values[reaching[-1]]) if reaching.size else None
