"""Which depth to unfreeze, by what a choice costs: rules that were chosen by their regret in docs/statistics.md."""

import numpy as np

from src.statistics.best import BestComparison
from src.statistics.design import Floats

_LENGTH = 1.5
"""Over so many depths, as positions in the study, means inform one another."""


def smoothed_means(comparison: BestComparison) -> Floats:
    """Return the depths' means smoothed over neighbouring depths, [depths].

    A Gaussian process over the depths' positions (Rasmussen and Williams 2006, sec. 2.2): its noise is the covariance
    of the means, its variance what is left of their scatter.
    """
    estimate = comparison.estimate
    size = len(estimate.means)
    centre = np.eye(size) - 1 / size
    noise = centre @ estimate.covariance() @ centre
    mean = float(estimate.means.mean())
    left = float(estimate.means.var(ddof=1) - np.trace(noise) / max(size - 1, 1)) if size > 1 else 0.0
    steps = np.subtract.outer(np.arange(size), np.arange(size))
    prior = max(left, float(np.trace(noise)) / size / 4) * np.exp(-np.square(steps / _LENGTH) / 2)
    return np.asarray(mean + prior @ np.linalg.pinv(prior + noise, hermitian=True) @ (estimate.means - mean))


def choose(comparison: BestComparison, margin: float = 0.0) -> int:
    """Return the place of the depth to unfreeze.

    Args:
        comparison: of the depths.
        margin: what a lesser depth may be expected to lose, 0–1: the least depth within it is chosen.
    """
    means = smoothed_means(comparison)
    return int(np.flatnonzero(means >= means.max() - margin)[0])
