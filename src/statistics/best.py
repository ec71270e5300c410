"""Depths compared with the best one (Hsu 1984, Ann. Stat. 12:1136), all at once."""

from dataclasses import dataclass

import numpy as np

from src.statistics.design import Floats
from src.statistics.intervals import LEVEL, Interval
from src.statistics.mrmc import Estimate


@dataclass(frozen=True)
class BestComparison:
    """Every depth against the best mean; a place is a depth's position, rising.

    Attributes:
        best: the place of the best mean; the least depth of equal ones.
        errors: standard errors of differences, [depths, depths].
        critical: by how many of them a depth must lie below the best to be shown to be worse.
    """

    estimate: Estimate
    best: int
    errors: Floats
    critical: float

    def is_worse(self, place: int) -> bool:
        """Return whether a depth is shown to be worse than the best."""
        high = self.difference(place).high
        return place != self.best and high is not None and high < 0

    def difference(self, place: int) -> Interval:
        """The mean of `place` minus the best one's; its interval holds for all depths at once."""
        gap = float(self.estimate.means[place] - self.estimate.means[self.best])
        half = self.critical * float(self.errors[place, self.best])
        return Interval(gap, gap - half, gap + half, min(self.estimate.design.counts))


def compare_with_best(estimate: Estimate, *, draws: int = 4000, seed: int = 0) -> BestComparison:
    """Compare each depth with the best mean.

    The bound is drawn, not looked up: how far the farthest of depths that are all equal lies below the one that looks
    best, so that it counts how the best was picked, how uncertain the variances are, and which depths move together.
    """
    errors = np.sqrt(estimate.variances())
    drawn = _farthest(estimate.draw(draws, np.random.default_rng(seed)), errors)
    return BestComparison(estimate, int(estimate.means.argmax()), errors, float(np.quantile(drawn, LEVEL)))


def _farthest(means: Floats, errors: Floats) -> Floats:
    """Return how many standard errors below the best mean the farthest depth lies, [studies]."""
    best = means.argmax(axis=1)
    gaps = means.max(axis=1, keepdims=True) - means
    return np.asarray((gaps / np.where(gaps > 0, errors[best], 1)).max(axis=1))
