"""The choice of a depth, by what it costs: the rule with the least measured regret in docs/statistics.md."""

from dataclasses import dataclass

import numpy as np

from src.statistics.best import BestComparison
from src.statistics.design import Floats


@dataclass(frozen=True)
class Gain:
    """Gain of a metric from the least to the deepest depth of a study, over tasks, in its unit.

    Attributes:
        mean: over tasks.
        spread: its standard deviation between tasks.
    """

    mean: float
    spread: float


GAIN = Gain(0.035, 0.04)
"""Of the tasks in docs/statistics.md; there the rule is judged on each task by the others' gain."""
_AROUND, _STEPS = 0.02, 1.5
"""How far means lie from that line at least, and over how many neighbouring depths they do so together."""
_CLEAR = 4.0
"""They lie farther where their squared distances are so many times what noise explains."""


def expected_means(comparison: BestComparison, gain: Gain = GAIN) -> Floats:
    """Return the expected means of the depths once they inform one another, float64 [depths], in the metric's unit.

    A Gaussian process (Rasmussen and Williams 2006, sec. 2.7): a line over the logarithm of depth whose slope is known
    from other tasks as far as they agree, and smooth differences from it; the noise is the covariance of the means.
    """
    estimate = comparison.estimate
    size = len(estimate.means)
    centre = np.eye(size) - 1 / size
    rise = centre @ np.log1p(np.array(estimate.design.levels, np.float64))
    rise /= max(float(np.ptp(rise)), 1.0)
    noise = centre @ estimate.covariance() @ centre
    centred = centre @ estimate.means
    slope = (rise @ centred) / max(float(rise @ rise), np.finfo(float).tiny)
    remaining = (np.square(centred - slope * rise).sum() - _CLEAR * np.trace(noise)) / max(size - 2, 1)
    steps = np.subtract.outer(np.arange(size), np.arange(size)) / _STEPS
    around = (_AROUND**2 + max(remaining, 0.0)) * np.exp(-np.square(steps) / 2)
    prior = centre @ around @ centre + gain.spread**2 * np.outer(rise, rise)
    mean = estimate.means.mean() + gain.mean * rise
    weights = prior @ np.linalg.pinv(prior + noise, hermitian=True, rcond=1e-10)
    return np.asarray(mean + weights @ (estimate.means - mean))


def choose(comparison: BestComparison, margin: float = 0.0, gain: Gain = GAIN) -> int:
    """Return the place of the depth to unfreeze.

    Args:
        comparison: of the depths.
        margin: by how much a lesser depth's mean may lie below, 0–1; the least such depth is chosen.
        gain: of other tasks.
    """
    chosen, means = int(expected_means(comparison, gain).argmax()), comparison.estimate.means
    return int(np.flatnonzero(means >= means[chosen] - margin)[0]) if margin else chosen
