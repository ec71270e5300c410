"""What more seeds would show."""

import math
from collections.abc import Callable

from scipy import optimize, stats

from src.statistics.design import critical_t

POWER = 0.8
MOST_SEEDS = 200
_CERTAIN = 100.0


def chance_to_show(difference: float, error: float, depths: int, freedom: int) -> float:
    """Probability that a true `difference` of two depths is shown among all pairs of `depths`.

    The noncentral t distribution (Johnson and Welch 1940, Biometrika 31:362) beyond the studentized range's bound.

    Args:
        difference: of two true means, 0–1.
        error: standard error of their difference, in the same unit.
        depths: how many are compared.
        freedom: the error's degrees of freedom.
    """
    if depths < 2 or freedom < 1:
        return 0.0
    shift = abs(difference) / error
    if shift > _CERTAIN:  # where scipy's series fails
        return 1.0
    return float(stats.nct.sf(critical_t(depths, freedom), freedom, shift))


def seeds_to_show(difference: float, deviation: float, depths: int, freedom: Callable[[int], int]) -> int | None:
    """The least number of seeds a depth that shows `difference` with probability :data:`POWER`.

    An observed difference that was picked for being large is larger than the true one, so that the number is one
    from below.

    Args:
        difference: of two true means, 0–1.
        deviation: of a trial's value once depth and seed are taken out, in the same unit.
        depths: how many are compared.
        freedom: the error's degrees of freedom with so many seeds a depth; never falling.

    Returns:
        None where :data:`MOST_SEEDS` are too few.
    """

    def enough(seeds: int) -> bool:
        return chance_to_show(difference, deviation * math.sqrt(2 / seeds), depths, freedom(seeds)) >= POWER

    if not enough(MOST_SEEDS):
        return None
    below, above = 1, MOST_SEEDS
    while above - below > 1:
        middle = (below + above) // 2
        below, above = (below, middle) if enough(middle) else (middle, above)
    return above


def detectable(error: float, depths: int, freedom: int) -> float:
    """The least true difference that is shown with probability :data:`POWER`, in the unit of its standard `error`.

    Raises:
        ValueError: one depth, or no degree of freedom.
    """

    def lacking(shift: float) -> float:
        return chance_to_show(shift, 1.0, depths, freedom) - POWER

    return float(optimize.brentq(lacking, 0, 2 * _CERTAIN)) * error
