"""What would settle what a study leaves open: more seeds, or other depths."""

from collections.abc import Sequence
from itertools import pairwise

from src.verdict.facet import Facet
from src.verdict.power import MOST_SEEDS, POWER, detectable, seeds_to_show
from src.verdict.records import VALIDATION, configuration, tuned
from src.verdict.wording import more_trials, percent, points

_LEAST_SEEDS = 3


def settle_one_depth(facet: Facet) -> tuple[str, ...]:
    """Two more depths, with the same seeds and at least three."""
    depth = facet.depths[0]
    rivals = [2, 11] if not depth else [0, depth // 2] if _is_whole(facet, 0) else [0, 2 * depth]
    more = more_trials(sorted([depth, *rivals]), facet.seeds[0], max(_LEAST_SEEDS, len(facet.seeds)))
    return (f"Other depths, with three seeds or more: {more}",)


def settle_one_seed(facet: Facet) -> tuple[str, ...]:
    """Two more seeds."""
    if facet.reduction.pooled:
        return (_grid(facet),)
    return (f"Two more seeds a depth: {more_trials(facet.depths, facet.seeds[-1] + 1, 2)}",)


def settle_tie(facet: Facet) -> tuple[str, ...]:
    """What the tie excludes, and the seeds that would show its clearest difference."""
    if facet.reduction.pooled:
        return (_grid(facet),)
    return (_excluded(facet), _more_seeds(facet, facet.comparison.clearest, facet.depths))


def settle_shown(facet: Facet) -> tuple[str, ...]:
    """Seeds for the depths not told apart from the named one, and depths beside it that nobody tried."""
    if not facet.unresolved:
        return _untried(facet)
    if facet.reduction.pooled:
        return (_grid(facet), *_untried(facet))
    named = facet.comparison.named
    rival = max(facet.unresolved, key=lambda place: abs(facet.mean(place) - facet.mean(named)))
    depths = sorted(facet.depths[place] for place in (named, *facet.unresolved))
    return (_more_seeds(facet, (named, rival), depths), *_untried(facet))


def _grid(facet: Facet) -> str:
    """What takes other hyperparameters out of the comparison, where every trial has its own."""
    best = max(facet.reduction.trials, key=lambda trial: trial.metrics[VALIDATION])
    settings = configuration(best, tuned(facet.reduction.trials))
    return (
        "More seeds do not take out what the other hyperparameters do; a grid over depths does, here with those of the "
        f"best trial: {more_trials(facet.depths, 0, _LEAST_SEEDS)} {settings}"
    )


def _excluded(facet: Facet) -> str:
    comparison, size, count = facet.comparison, len(facet.depths), max(facet.counts)
    pairs = [comparison.difference(one, other) for one in range(size) for other in range(one)]
    largest = max(max(abs(pair.low or 0), abs(pair.high or 0)) for pair in pairs)
    least = detectable(comparison.deviation, size, count, paired=comparison.design.paired)
    return (
        f"Differences above {points(largest)} are excluded (95 %). So many seeds show a true difference of "
        f"{points(least)} in {_power()} of studies."
    )


def _more_seeds(facet: Facet, pair: tuple[int, int], depths: Sequence[int]) -> str:
    comparison, have = facet.comparison, max(facet.counts)
    gap = abs(comparison.difference(*pair).estimate)
    deviation = float(comparison.errors[pair] / comparison.design.errors[pair])
    needed = seeds_to_show(gap, deviation, len(facet.depths), paired=comparison.design.paired)
    seen = f"{points(gap)} between {facet.name(*pair)}"
    if needed is None:
        return f"To show {seen} would take more than {MOST_SEEDS} seeds: take these depths as equal."
    goal = max(needed, have + 1)
    more = more_trials(depths, facet.seeds[-1] + 1, goal - have)
    return f"To show {seen} takes {goal} seeds a depth at least ({_power()} power): {more}"


def _untried(facet: Facet) -> tuple[str, ...]:
    """Depths beside the named one that nobody tried."""
    depths, place = facet.depths, facet.comparison.named
    found = [
        f"Nothing was tried between {low} and {high} layers: unfrozen={(low + high) // 2}"
        for low, high in pairwise(depths[max(0, place - 1) : place + 2])
        if high - low > max(2, low)
    ]
    if place == len(depths) - 1 and not _is_whole(facet, place):
        found.append(f"The deepest tried is named, so try deeper: unfrozen={2 * depths[place]}")
    if place == 0 and depths[0] > 0:
        found.append("The least tried is named, so try less: unfrozen=0")
    return tuple(found)


def _is_whole(facet: Facet, place: int) -> bool:
    """Whether the whole backbone trains at a place, so that there is no deeper."""
    trials = facet.trials(place)
    return trials[0].block == "stem" or any("unfrozen=all" in trial.overrides.split() for trial in trials)


def _power() -> str:
    return percent(POWER).replace(".0", "")
