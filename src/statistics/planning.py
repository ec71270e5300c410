"""Power analysis: the number of seeds or validation images that would show the difference of two depths."""

import bisect
import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy import stats

from src.statistics.best import BestComparison, unpooled_half_widths
from src.statistics.intervals import LEVEL

POWER = 0.8
MOST_SEEDS, MOST_IMAGES = 200, 1_000_000


@dataclass(frozen=True)
class Outlook:
    """The seeds or images that would show the observed difference of two depths.

    Attributes:
        seeds: how many at each depth would show it with probability :data:`POWER` on the same images; None: no number
            up to :data:`MOST_SEEDS`.
        images: how many validation images would show it likewise with the seeds there are; None: no number up to
            :data:`MOST_IMAGES`, or not known.
    """

    seeds: int | None
    images: int | None


def outlook(comparison: BestComparison, one: int, other: int) -> Outlook:
    """Return what would show the difference of the depths at `one` and `other`, were the observed one the true one.

    Its variance is a sum: what images do to all seeds alike (1 / images), what they do to each seed's network
    (1 / images / seeds), and what seeds do beyond (1 / seeds). The model must show it, at most with the bound of as
    many independent means (Tukey 1949), and so must the two depths' own seeds. A difference that was picked for being
    large is larger than the true one, so the numbers are lower bounds.
    """
    estimate, depths = comparison.estimate, len(comparison.estimate.means)
    contrast = np.zeros(depths)
    contrast[[one, other]] = 1, -1
    of_trials = contrast @ estimate.design.solve
    by_image = float(of_trials @ estimate.explained @ of_trials) if estimate.cases else 0.0
    persistent = float(estimate.persistent[one, other])
    beyond = max(float(comparison.errors[one, other]) ** 2 - persistent - by_image, 0.0)
    unpooled_beyond = max(float(estimate.unpooled[one, other]) - by_image, 0.0)
    freedom = float(estimate.unpooled_freedoms[one, other])
    gap = abs(float(estimate.means[one] - estimate.means[other]))
    settled = min(comparison.critical, float(stats.studentized_range.ppf(LEVEL, depths, np.inf)) / math.sqrt(2))

    def shows(seeds: float, images: float) -> bool:
        """Return whether so many times the seeds and images would do, once the model knows its variances."""
        of_images, shared = persistent / images, by_image / images / seeds
        error = math.sqrt(of_images + shared + beyond / seeds)
        of_seeds = shared + unpooled_beyond / seeds
        unpooled = float(unpooled_half_widths(of_seeds, (freedom + 1) * seeds - 1, of_images, depths))
        return gap >= max(settled * error, unpooled) + float(stats.norm.ppf(POWER)) * error

    return Outlook(
        _least(min(estimate.design.counts), MOST_SEEDS, lambda factor: shows(factor, 1)),
        _least(estimate.cases, MOST_IMAGES, lambda factor: shows(1, factor)) if estimate.cases else None,
    )


def _least(now: int, most: int, does: Callable[[float], bool]) -> int | None:
    """Return the least number above `now`, up to `most`, that does, as a multiple of it; None where none does."""
    more = range(now + 1, most + 1)
    place = bisect.bisect_left(more, True, key=lambda count: does(count / now))
    return more[place] if place < len(more) else None
