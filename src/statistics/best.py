"""Depths compared with the best one (Hsu 1984, Ann. Stat. 12:1136), all at once."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy import stats

from src.statistics.design import Floats
from src.statistics.intervals import LEVEL, Interval
from src.statistics.mrmc import Estimate, Scores, estimate

_ONE_ERROR = 0.6827
_DRAWS = 4000


@dataclass(frozen=True)
class BestComparison:
    """Every depth against the best mean; a place is a depth's position, rising.

    Attributes:
        best: the place of the best mean; the least depth of equal ones.
        errors: standard errors of differences, [depths, depths].
        critical: by how many of them a depth must lie below the best to be shown to be worse.
        critical_of_pairs: the same for any two depths; it is larger, for all pairs are judged at once.
        unpooled: the half-width of each difference's interval by the two depths' own seeds, [depths, depths]. An
            interval contains 0 where that one does.
    """

    estimate: Estimate
    best: int
    errors: Floats
    critical: float
    critical_of_pairs: float
    unpooled: Floats

    def is_worse(self, place: int) -> bool:
        """Return whether a depth is shown to be worse than the best."""
        high = self.difference(place).high
        return place != self.best and high is not None and high < 0

    def difference(self, place: int) -> Interval:
        """Return the mean of `place` minus the best one's; its interval holds for all depths at once."""
        return self._interval(place, self.best, self.critical)

    def pair(self, one: int, other: int) -> Interval:
        """Return the mean of `one` minus that of `other`; its interval holds for all pairs at once."""
        return self._interval(one, other, self.critical_of_pairs)

    def _interval(self, one: int, other: int, critical: float) -> Interval:
        gap = float(self.estimate.means[one] - self.estimate.means[other])
        half = critical * float(self.errors[one, other])
        low, high = gap - half, gap + half
        if abs(gap) <= self.unpooled[one, other]:
            low, high = min(low, 0.0), max(high, 0.0)
        return Interval(gap, low, high, min(self.estimate.design.counts))


def compare_with_best(estimate: Estimate, *, draws: int = _DRAWS) -> BestComparison:
    """Compare each depth with the best mean (Hsu 1984), by simulation.

    The bound is the 95% quantile of how far the farthest of depths that are all equal lies below the one that looks
    best. So it includes how the best was picked, how uncertain the variances are, and which depths move together. Where
    the prior of the variances is wrong, it is too small; a difference is claimed only if the two depths' own seeds
    show it as well.

    Args:
        estimate: the depths' means and their uncertainty.
        draws: how many studies of equal depths are simulated.
    """
    drawn = estimate.draw(draws, np.random.default_rng(0))
    gaps = np.abs(drawn[:, :, None] - drawn[:, None, :])
    errors = np.maximum(np.quantile(gaps, _ONE_ERROR, axis=0), max(estimate.step, np.finfo(float).eps))
    ratios = gaps / errors
    from_best = np.take_along_axis(ratios, drawn.argmax(axis=1)[:, None, None], axis=1)
    return BestComparison(
        estimate=estimate,
        best=int(estimate.means.argmax()),
        errors=errors,
        critical=float(np.quantile(from_best.max(axis=(1, 2)), LEVEL)),
        critical_of_pairs=float(np.quantile(ratios.max(axis=(1, 2)), LEVEL)),
        unpooled=unpooled_half_widths(
            estimate.unpooled, estimate.unpooled_freedoms, estimate.persistent, len(estimate.means)
        ),
    )


def unpooled_half_widths(of_seeds: ArrayLike, freedoms: ArrayLike, of_images: ArrayLike, depths: int) -> Floats:
    """Return half-widths of differences' intervals without a prior.

    The images' part and the seeds' part, each times its own bound, add up as squares (Zou and Donner 2008, Stat. Med.
    27:1693). The seeds' bound is Student's, for all differences to the best at once (Šidák 1967).

    Args:
        of_seeds: variances of differences by the two depths' own seeds, of any shape.
        freedoms: the degrees of freedom that they rest on, of the same shape.
        of_images: variances that more seeds would leave, of the same shape.
        depths: how many are compared.
    """
    level = LEVEL ** (1 / max(depths - 1, 1))
    squares = stats.t.ppf((1 + level) / 2, freedoms) ** 2 * of_seeds
    return np.asarray(np.sqrt(squares + stats.norm.ppf((1 + LEVEL) / 2) ** 2 * np.asarray(of_images)))


def mean_interval(scores: Scores, depth: int) -> Interval:
    """Return the mean of one depth's trials and its interval for new seeds, and for new images where they are known.

    One trial has no interval where its images are not known.
    """
    at_depth = scores.of_depth(depth)
    mean, count = float(at_depth.values.mean()), at_depth.values.size
    if count == 1 and not at_depth.cases:
        return Interval(mean, None, None, 1)
    drawn = estimate(at_depth).draw(_DRAWS, np.random.default_rng(0))
    half = max(float(np.quantile(np.abs(drawn), LEVEL)), at_depth.step)
    return Interval(mean, mean - half, mean + half, count)
