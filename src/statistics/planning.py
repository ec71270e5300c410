"""Power analysis: the number of seeds or validation images that would show the difference of two depths."""

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np
from scipy import stats

from src.statistics.best import BestComparison
from src.statistics.intervals import LEVEL

POWER = 0.8
MOST_SEEDS, MOST_IMAGES = 200, 1_000_000


@dataclass(frozen=True)
class Outlook:
    """The seeds or images that would show the observed difference of two depths.

    Attributes:
        limit: what limits the comparison: seeds, or images, so that no number of seeds would show the difference.
        seeds: how many at each depth would show it with probability :data:`POWER` on the same images; None: no number.
        images: how many validation images would show it likewise with the seeds there are; None: no number.
    """

    limit: Literal["seeds", "images"]
    seeds: int | None
    images: int | None


def outlook(comparison: BestComparison, one: int, other: int) -> Outlook:
    """Return what would show the difference of the depths at `one` and `other`, were the observed one the true one.

    Its variance is a sum: what images do to all seeds alike (1 / images), what they do to each seed's network
    (1 / images / seeds), and what seeds do beyond (1 / seeds). A difference that was picked for being large is larger
    than the true one, so the numbers are lower bounds.
    """
    estimate = comparison.estimate
    contrast = np.zeros(len(estimate.means))
    contrast[[one, other]] = 1, -1
    of_trials = contrast @ estimate.design.solve
    by_seed = float(of_trials @ estimate.explained @ of_trials) if estimate.cases else 0.0
    persistent = float(estimate.persistent[one, other])
    beyond = max(float(comparison.errors[one, other]) ** 2 - persistent - by_seed, 0.0)
    gap = abs(float(estimate.means[one] - estimate.means[other]))
    needed = (gap / (_settled(comparison) + float(stats.norm.ppf(POWER)))) ** 2
    seeds, images = min(estimate.design.counts), estimate.cases
    more_seeds = _factor(by_seed + beyond, needed - persistent)
    more_images = _factor(persistent + by_seed, needed - beyond)
    return Outlook(
        "images" if more_seeds is None or seeds * more_seeds > MOST_SEEDS else "seeds",
        _count(seeds, more_seeds, MOST_SEEDS),
        _count(images, more_images, MOST_IMAGES) if images else None,
    )


def _settled(comparison: BestComparison) -> float:
    """Return the bound once variances are well known: at most that of as many independent means (Tukey 1949)."""
    depths = len(comparison.estimate.means)
    return min(comparison.critical, float(stats.studentized_range.ppf(LEVEL, depths, np.inf)) / math.sqrt(2))


def _factor(variance: float, allowed: float) -> float | None:
    """Return by how much more data a variance shrinks to what is allowed; None where no amount would do."""
    return None if allowed <= 0 else max(variance / allowed, 1.0)


def _count(now: int, factor: float | None, most: int) -> int | None:
    return None if factor is None or now * factor > most else max(math.ceil(now * factor), now + 1)
