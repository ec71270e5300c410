"""Confidence intervals of one mean and of one share."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from src.statistics.design import Floats

LEVEL = 0.95


@dataclass(frozen=True)
class Interval:
    """An estimate with its confidence interval at :data:`LEVEL`.

    Attributes:
        low: lower end, in the estimate's unit; None where there is no interval.
        high: upper end, likewise.
        count: how many values it rests on: seeds, or photos.
    """

    estimate: float
    low: float | None
    high: float | None
    count: int


def t_interval(values: Sequence[float]) -> Interval:
    """Return the mean of `values` and its interval by Student's t (Student 1908, Biometrika 6:1); one value has none.

    >>> t_interval([0.5, 0.6])
    Interval(estimate=0.55, low=-0.08531023..., high=1.18531023..., count=2)
    >>> t_interval([0.5])
    Interval(estimate=0.5, low=None, high=None, count=1)

    Raises:
        ValueError: `values` is empty.
    """
    if not values:
        raise ValueError("an interval needs at least one value")
    mean, count = float(np.mean(values)), len(values)
    if count == 1:
        return Interval(mean, None, None, 1)
    half = float(stats.t.ppf((1 + LEVEL) / 2, count - 1)) * float(np.std(values, ddof=1)) / math.sqrt(count)
    return Interval(mean, mean - half, mean + half, count)


def wilson_interval(share: float, count: int, effect: float = 1.0) -> Interval:
    """Return the interval of a `share` of `count` photos by Wilson's score (1927, JASA 22:209).

    It is for another draw of as many photos (Brown, Cai and DasGupta 2001, Stat. Sci. 16:101). 0 photos have none.

    >>> wilson_interval(0.0, 10)
    Interval(estimate=0.0, low=0.0, high=0.27753279..., count=10)

    Args:
        share: 0–1.
        count: of photos.
        effect: by how much the variance is larger than that of independent photos.

    Raises:
        ValueError: `share` outside 0–1.
    """
    if not 0 <= share <= 1:
        raise ValueError(f"a share lies in 0–1, not {share}")
    if count < 1:
        return Interval(share, None, None, 0)
    low, high = wilson_ends(np.array(share), np.array(count / effect))
    return Interval(share, float(low), float(high), count)


def grouped_interval(right: NDArray[np.bool_], groups: NDArray[np.uint64] | None) -> Interval:
    """Return the share of photos that are right, with Wilson's interval for photos in groups.

    Photos of one group, such as a burst, tell less than as many independent ones: their count is divided by the
    :func:`design_effect` (Korn and Graubard 1998, Surv. Methodol. 24:193).

    Args:
        right: [photos].
        groups: of the photos, [photos]; None: each photo is a group of its own.
    """
    share = float(right.mean()) if right.size else 0.0
    return wilson_interval(share, right.size, design_effect(right, groups))


def design_effect(right: NDArray[np.bool_], groups: NDArray[np.uint64] | None) -> float:
    """Return by how much groups raise the variance of the share that is right: 1 or more (Kish 1965).

    Where all photos are right, or none, the variance within groups is not known; they then count as equal.

    Args:
        right: [photos].
        groups: of the photos, [photos]; None: each photo is a group of its own.
    """
    if groups is None or not right.size:
        return 1.0
    _, members = np.unique(groups, return_inverse=True)
    sizes, rights = np.bincount(members).astype(np.float64), np.bincount(members, right)
    if sizes.size == right.size:
        return 1.0
    share = float(right.mean())
    if share in {0.0, 1.0} or sizes.size == 1:
        return float((sizes**2).sum() / right.size)
    between = float(((rights - share * sizes) ** 2).sum()) * sizes.size / (sizes.size - 1)
    return max(1.0, between / (right.size * share * (1 - share)))


def wilson_ends(shares: Floats, counts: Floats) -> tuple[Floats, Floats]:
    """Return the lower and the upper ends of the intervals of :func:`wilson_interval`, 0–1; counts may be fractions.

    >>> wilson_ends(np.array([1.0, 0.5]), np.array([10.0, 10.0]))[0].round(4).tolist()
    [0.7225, 0.2366]

    Args:
        shares: 0–1, of any shape.
        counts: above 0, of the same shape.
    """
    quantile = float(stats.norm.ppf((1 + LEVEL) / 2))
    per_count = quantile**2 / counts
    middle = (shares + per_count / 2) / (1 + per_count)
    half = np.sqrt(per_count * (shares * (1 - shares) + per_count / 4)) / (1 + per_count)
    return np.maximum(middle - half, 0.0), np.minimum(middle + half, 1.0)
