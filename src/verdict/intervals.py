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

    @property
    def known(self) -> bool:
        """Whether there is an interval at all."""
        return self.low is not None


def t_interval(values: Sequence[float]) -> Interval:
    """Mean of `values` and its interval by Student's t (Student 1908, Biometrika 6:1); one value has no interval.

    >>> t_interval([0.5, 0.6])
    Interval(estimate=0.55, low=-0.08531023..., high=1.18531023..., count=2)
    >>> t_interval([0.5]).known
    False

    Raises:
        ValueError: `values` is empty.
    """
    if not values:
        raise ValueError("an interval needs at least one value")
    mean = float(np.mean(values))
    if len(values) == 1:
        return Interval(mean, None, None, 1)
    error = float(np.std(values, ddof=1)) / math.sqrt(len(values))
    half = float(stats.t.ppf((1 + LEVEL) / 2, len(values) - 1)) * error
    return Interval(mean, mean - half, mean + half, len(values))


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
