"""What more seeds would show."""

import math

from scipy import optimize, stats

from src.verdict.design import critical_t

POWER = 0.8
MOST_SEEDS = 200
_CERTAIN = 100.0


def chance_to_show(difference: float, deviation: float, depths: int, seeds: int, *, paired: bool) -> float:
    """Probability that a true `difference` of two depths is shown among all pairs of `depths`.

    The noncentral t distribution (Johnson and Welch 1940, Biometrika 31:362) beyond the studentized range's bound.

    Args:
        difference: of two true means, in the deviation's unit (0–1).
        deviation: of a trial's value once depth and seed are taken out.
        depths: how many are compared.
        seeds: per depth.
        paired: whether the depths share their seeds.
    """
    freedom = (seeds - 1) * (depths - 1 if paired else depths)
    if depths < 2 or freedom < 1:
        return 0.0
    shift = abs(difference) / (deviation * math.sqrt(2 / seeds))
    if shift > _CERTAIN:  # where scipy's series fails
        return 1.0
    return float(stats.nct.sf(critical_t(depths, freedom), freedom, shift))


def seeds_to_show(difference: float, deviation: float, depths: int, *, paired: bool) -> int | None:
    """The least number of seeds a depth that shows `difference` with probability :data:`POWER`.

    An observed difference that was picked for being large is larger than the true one, so that the number is one
    from below.

    Returns:
        None where :data:`MOST_SEEDS` are too few.
    """

    def enough(seeds: int) -> bool:
        return chance_to_show(difference, deviation, depths, seeds, paired=paired) >= POWER

    if not enough(MOST_SEEDS):
        return None
    below, above = 1, MOST_SEEDS
    while above - below > 1:
        middle = (below + above) // 2
        below, above = (below, middle) if enough(middle) else (middle, above)
    return above


def detectable(deviation: float, depths: int, seeds: int, *, paired: bool) -> float:
    """The least true difference that so many seeds show with probability :data:`POWER`, in the deviation's unit.

    Raises:
        ValueError: one depth, or no degree of freedom.
    """
    error = deviation * math.sqrt(2 / seeds)

    def lacking(shift: float) -> float:
        return chance_to_show(shift * error, deviation, depths, seeds, paired=paired) - POWER

    return float(optimize.brentq(lacking, 0, 2 * _CERTAIN)) * error
