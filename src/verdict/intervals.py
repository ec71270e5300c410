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


def t_interval(values: Sequence[float], resolution: float = 0.0) -> Interval:
    """Mean of `values` and its interval by Student's t (Student 1908, Biometrika 6:1).

    One value has no interval, and equal ones have none unless the step that they come in is known: the variance of
    rounding, resolution² / 12 (Sheppard 1898), is the least that is believed.

    >>> t_interval([0.5, 0.6])
    Interval(estimate=0.55, low=-0.08531023..., high=1.18531023..., count=2)
    >>> t_interval([0.5, 0.5])
    Interval(estimate=0.5, low=None, high=None, count=2)

    Args:
        values: any number of them, 0–1.
        resolution: 1 / photos where they are shares of so many, or 0 where unknown.

    Raises:
        ValueError: `values` is empty.
    """
    if not values:
        raise ValueError("an interval needs at least one value")
    mean, count = float(np.mean(values)), len(values)
    if count == 1 or np.ptp(values) == resolution == 0:
        return Interval(mean, None, None, count)
    deviation = max(float(np.std(values, ddof=1)), resolution / math.sqrt(12))
    half = float(stats.t.ppf((1 + LEVEL) / 2, count - 1)) * deviation / math.sqrt(count)
    return Interval(mean, mean - half, mean + half, count)


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
