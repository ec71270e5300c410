"""Intervals of one mean and of one share."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import stats

LEVEL = 0.95


@dataclass(frozen=True)
class Interval:
    """An estimate and where the truth lies with probability :data:`LEVEL`.

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
    """Mean of `values` and its interval by Student's t (Student 1908, Biometrika 6:1); one value has no interval.

    >>> t_interval([0.5, 0.6])
    Interval(estimate=0.55, low=-0.08531023..., high=1.18531023..., count=2)
    >>> t_interval([0.5])
    Interval(estimate=0.5, low=None, high=None, count=1)

    Args:
        values: any numbers of one unit.
        least: standard deviation that is believed of them at least, in their unit.

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
    """Mean of accuracies and its interval by Student's t, the variance of rounding being the least that is believed.

    Accuracies come in steps of `resolution` (one photo), and equal ones can hide a scatter below a step, of
    resolution² / 12 (Sheppard 1898). Where the step is not known (0), equal ones have no interval.

    >>> accuracy_interval([0.62, 0.62], 0.02)
    Interval(estimate=0.62, low=0.56812713..., high=0.67187286..., count=2)
    >>> accuracy_interval([0.62, 0.62], 0.0)
    Interval(estimate=0.62, low=None, high=None, count=2)

    Raises:
        ValueError: `values` is empty.
    """
    found = t_interval(values, resolution / math.sqrt(12))
    return found if resolution or np.ptp(values) > 0 else Interval(found.estimate, None, None, found.count)


def wilson_interval(share: float, count: int) -> Interval:
    """Interval of a `share` of `count` photos by Wilson's score (1927, JASA 22:209; Brown, Cai and DasGupta 2001).

    It says how much another draw of as many photos would move the share. No photos, no interval.

    >>> wilson_interval(0.0, 10)
    Interval(estimate=0.0, low=0.0, high=0.27753279..., count=10)

    Raises:
        ValueError: `share` outside 0–1.
    """
    if not 0 <= share <= 1:
        raise ValueError(f"a share lies in 0–1, not {share}")
    if count < 1:
        return Interval(share, None, None, 0)
    z = float(stats.norm.ppf((1 + LEVEL) / 2))
    shrink = 1 + z**2 / count
    centre = (share + z**2 / (2 * count)) / shrink
    half = z / shrink * math.sqrt(share * (1 - share) / count + z**2 / (4 * count**2))
    return Interval(share, max(0.0, centre - half), min(1.0, centre + half), count)
