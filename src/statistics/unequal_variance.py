"""Depths that collapse: worse than the others, and so unsteady that one variance does not fit all.

With BatchNorm in training mode a deep thaw may end at 10 % with one seed and at 40 % with the next, while shallow ones
agree within a point. Pooled, such a depth would hide every difference between the others: where one of six depths (3
seeds) collapsed with ten times the others' deviation, a depth better by six deviations was shown in 23 % of simulated
studies, and is in 95 % with the collapsed one set apart.

What remains: a depth that scatters more but is *not* worse makes false differences likelier than 5 %. Of six equal
depths with three seeds, one with three times the others' deviation: 11 %; with ten times: 16 %. It cannot be told from
the trials when that is so: of the studies with a false difference at three times, F sees the scatter in one of nine.
"""

import math

import numpy as np
from scipy import stats

from src.statistics.design import Sample

_LEVEL = 0.002  # what false alarms may add to the comparison's 5 %
_LEAST_STEADY = 2


def collapsed(sample: Sample, resolution: float = 0.0) -> list[int]:
    """The worst depths, rising, if they scatter more than the rest; empty where nothing speaks for it.

    The one, two, three … depths of lowest mean are held against the rest by F: what they add to the residual's sum of
    squares, against what it is without them. Residuals know nothing of means, so that picking by the mean leaves F
    exact; the level is split between the choices.
    """
    means = sample.design.means(sample.values)
    order = [sample.design.levels[place] for place in np.argsort(means, kind="stable")]
    choices = [order[:count] for count in range(1, len(order) - _LEAST_STEADY + 1)]
    p, worst = min(((_p(sample, choice, resolution), choice) for choice in choices), default=(1.0, []))
    return sorted(worst) if p * len(choices) < _LEVEL else []


def added_deviation(sample: Sample, rest: Sample) -> tuple[float, int]:
    """What trials that are not in `rest` add to the residual: its deviation (NaN for none) and degrees of freedom."""
    freedom = sample.design.freedom - rest.design.freedom
    return math.sqrt(max(0.0, sample.squares - rest.squares) / freedom) if freedom > 0 else math.nan, freedom


def _p(sample: Sample, wide: list[int], resolution: float) -> float:
    rest = sample.without(wide)
    added, freedom = added_deviation(sample, rest)
    if rest.design.paired != sample.design.paired or freedom < 1 or rest.design.freedom < 1:
        return 1.0
    ratio = added / float(rest.design.deviation(rest.values, resolution))
    return float(stats.f.sf(ratio**2, freedom, rest.design.freedom))
