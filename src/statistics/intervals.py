"""Confidence intervals of one mean and of one share."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import stats

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


def t_interval(values: Sequence[float], least: float = 0.0) -> Interval:
    """Return the mean of `values` and its interval by Student's t (Student 1908, Biometrika 6:1); one value has none.

    >>> t_interval([0.5, 0.6])
    Interval(estimate=0.55, low=-0.08531023..., high=1.18531023..., count=2)
    >>> t_interval([0.5])
    Interval(estimate=0.5, low=None, high=None, count=1)

    Args:
        values: numbers of one unit.
        least: the least standard deviation to assume, in their unit.

    Raises:
        ValueError: `values` is empty.
    """
    if not values:
        raise ValueError("an interval needs at least one value")
    mean, count = float(np.mean(values)), len(values)
    if count == 1:
        return Interval(mean, None, None, 1)
    error = max(float(np.std(values, ddof=1)), least) / math.sqrt(count)
    half = float(stats.t.ppf((1 + LEVEL) / 2, count - 1)) * error
    return Interval(mean, mean - half, mean + half, count)


def accuracy_interval(values: Sequence[float], resolution: float) -> Interval:
    """Return the mean of accuracies and its interval by Student's t, with the variance of rounding as the least one.

    Accuracies come in steps of `resolution` (one photo), and equal ones can hide a scatter below a step, of
    resolution² / 12 (Sheppard 1898). Where the step is not known (0), equal ones have no interval.

    >>> accuracy_interval([0.62, 0.62], 0.02)
    Interval(estimate=0.62, low=0.56812713..., high=0.67187286..., count=2)
    >>> accuracy_interval([0.62, 0.62], 0.0)
    Interval(estimate=0.62, low=None, high=None, count=2)

    Raises:
        ValueError: `values` is empty.
    """
    interval = t_interval(values, resolution / math.sqrt(12))
    return interval if resolution or np.ptp(values) > 0 else Interval(interval.estimate, None, None, interval.count)


def wilson_interval(share: float, count: int) -> Interval:
    """Return the interval of a `share` of `count` photos by Wilson's score (1927, JASA 22:209).

    It is for another draw of as many photos (Brown, Cai and DasGupta 2001, Stat. Sci. 16:101). 0 photos have none.

    >>> wilson_interval(0.0, 10)
    Interval(estimate=0.0, low=0.0, high=0.27753279..., count=10)

    Raises:
        ValueError: `share` outside 0–1.
    """
    if not 0 <= share <= 1:
        raise ValueError(f"a share lies in 0–1, not {share}")
    if count < 1:
        return Interval(share, None, None, 0)
    low, high = stats.binomtest(round(share * count), count).proportion_ci(LEVEL, "wilson")
    return Interval(share, float(low), float(high), count)
