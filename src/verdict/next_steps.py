"""The next trials to train, as values: other depths, more seeds, a grid.

Seeds are those from the first on: known trials are reused, and depths that lack some catch up.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from operator import attrgetter
from typing import Literal

from src.statistics.planning import Outlook, outlook
from src.verdict.cost import median_seconds
from src.verdict.facet import Facet
from src.verdict.trials import Factor

Aim = Literal["depths", "seeds", "grid", "rivals", "between", "deeper", "less"]

_LEAST_SEEDS = 3


@dataclass(frozen=True)
class Rivalry:
    """The best depth and the worst one that may be as good.

    Attributes:
        depths: the two.
        difference: of their means, 0–1.
        outlook: what would show it.
    """

    depths: tuple[int, int]
    difference: float
    outlook: Outlook


@dataclass(frozen=True)
class NextStep:
    """Trials to train next.

    Attributes:
        aim: other depths beside the one there is; more seeds; a grid over depths and settings; seeds for depths that
            may be as good as the best; a depth between two; a deeper one; a lesser one.
        depths: to train, rising; `all` for as many layers as the backbone has.
        seeds: to train each with, rising.
        beside: for a depth between two: those.
        settings: for a grid: values that are crossed with depth, by name.
        like: for a grid: the run of the trial that has the other settings; empty elsewhere: those that all have.
        rivalry: for rivals; else None.
        seconds: for rivals: the duration of the seeds, by the median trial; None where unknown.
    """

    aim: Aim
    depths: tuple[int | str, ...]
    seeds: tuple[int, ...]
    beside: tuple[int, ...] = ()
    settings: Mapping[str, Sequence[Factor]] = field(default_factory=dict)
    like: str = ""
    rivalry: Rivalry | None = None
    seconds: float | None = None


def next_steps(facet: Facet, chosen: int) -> tuple[NextStep, ...]:
    """Return what to train next, the most useful first; `chosen`: the place of the recommended depth.

    What comes next in a time budget, the budget decides.
    """
    everywhere = range(len(facet.depths))
    if any(trial.stage for trial in facet.reduction.trials):
        return ()
    if len(facet.depths) == 1:
        return (NextStep("depths", _around(facet), _seeds(facet, everywhere, max(_LEAST_SEEDS, *facet.design.counts))),)
    if facet.reduction.pooled:
        return (_grid(facet), *_untried(facet, chosen))
    if not facet.design.freedom:
        return (NextStep("seeds", facet.depths, _seeds(facet, everywhere, _LEAST_SEEDS)),)
    return (*_for_rivals(facet), *_untried(facet, chosen))


def rivalry(facet: Facet) -> Rivalry | None:
    """Return the best depth and the worst one that may be as good; None where there is none."""
    best, means = facet.comparison.best, facet.comparison.estimate.means.tolist()
    rival = min(_rivals(facet), key=means.__getitem__, default=None)
    if rival is None:
        return None
    needed = outlook(facet.comparison, best, rival)
    return Rivalry((facet.depths[best], facet.depths[rival]), means[best] - means[rival], needed)


def _rivals(facet: Facet) -> list[int]:
    return [place for place in range(len(facet.depths)) if place not in (facet.comparison.best, *facet.worse)]


def _for_rivals(facet: Facet) -> Iterator[NextStep]:
    """Yield seeds for the depths that may be as good as the best."""
    rivals = rivalry(facet)
    if rivals is None:
        return
    places, counts = sorted((facet.comparison.best, *_rivals(facet))), facet.design.counts
    goal = rivals.outlook.seeds or min(counts[place] for place in places) + 1
    missing = sum(max(0, goal - counts[place]) for place in places)
    seconds = median_seconds([trial for place in places for trial in facet.trials(place)])
    depths = tuple(facet.depths[place] for place in places)
    duration = missing * seconds if seconds else None
    yield NextStep("rivals", depths, _seeds(facet, places, goal), rivalry=rivals, seconds=duration)


def _grid(facet: Facet) -> NextStep:
    """Return a grid over depths, and over settings that went with them, by the settings of each depth's best trial."""
    best = [max(facet.trials(place), key=attrgetter("score")) for place in range(len(facet.depths))]
    mixed = facet.going_with_depth if facet.withheld else []
    settings = {name: [trial.factors.get(name, "null") for trial in best] for name in mixed}
    like = max(best, key=attrgetter("score")).run_id
    return NextStep("grid", facet.depths, tuple(range(_LEAST_SEEDS)), settings=settings, like=like)


def _untried(facet: Facet, chosen: int) -> Iterator[NextStep]:
    """Yield depths beside the chosen one that nobody tried."""
    depths = facet.depths
    known = _seeds(facet, [chosen], len({trial.seed for trial in facet.trials(chosen)}))
    for low, high in pairwise(depths[max(0, chosen - 1) : chosen + 2]):
        if high - low > max(2, low):
            yield NextStep("between", ((low + high) // 2,), known, beside=(low, high))
    if chosen == len(depths) - 1 and not facet.is_whole(depths[chosen]):
        yield NextStep("deeper", ("all",), known)
    if chosen == 0 and depths[0] > 0:
        yield NextStep("less", (0,), known)


def _around(facet: Facet) -> tuple[int | str, ...]:
    """Return the one depth that was tried, with two more; the backbone's number of layers is unknown."""
    (depth,) = facet.depths
    return tuple(sorted({0, depth // 2, depth})) if facet.is_whole(depth) else (0, depth or 2, "all")


def _seeds(facet: Facet, places: Iterable[int], goal: int) -> tuple[int, ...]:
    """Return so many seeds for `places`: those that most of them have, then new ones; rising."""
    shared = Counter(trial.seed for place in places for trial in facet.trials(place))
    known = sorted(shared, key=lambda seed: (-shared[seed], seed))[:goal]
    first = max(shared) + 1
    return (*sorted(known), *range(first, first + goal - len(known)))
