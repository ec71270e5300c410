"""The next trials to train: other depths, more seeds, a grid; as commands where the trials have theirs.

Seeds are listed from the first on: known trials are reused, and depths that lack some catch up.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from operator import attrgetter
from typing import Any, Literal

from src.common.override import override_key
from src.common.shell import TRAIN, setting, shell_line
from src.statistics.planning import Outlook, outlook
from src.verdict.cost import median_seconds
from src.verdict.facet import Facet
from src.verdict.trials import TrialRecord, configuration, tuned, typed_value

Aim = Literal["depths", "seeds", "grid", "rivals", "between", "deeper", "less"]

_LEAST_SEEDS = 3
_MOST_LISTED = 5
_READS_DEPTH = "schedule=two_phase"
"""The override that trains other depths where a trial's schedule fixes its depth."""
_REPLACED = ("unfrozen", "seed", "study")


@dataclass(frozen=True)
class NextStep:
    """Something to train next.

    Attributes:
        aim: other depths beside the one there is; more seeds; a grid over depths and settings; seeds for depths that
            may be as good as the best; a depth between two; a deeper one; a lesser one.
        command: as typed in a shell; overrides alone where the trials have no command.
        is_command: whether it is a whole command.
        depths: the depths that it compares.
        settings: names of the settings that it varies beside depth.
        outlook: for rivals: what would show the difference; else None.
        difference: for rivals: the observed difference, 0–1.
        seconds: for rivals: the duration of the seeds, by the median trial; None where unknown.
    """

    aim: Aim
    command: str
    is_command: bool
    depths: tuple[int, ...] = ()
    settings: tuple[str, ...] = ()
    outlook: Outlook | None = None
    difference: float = 0.0
    seconds: float | None = None


def next_steps(facet: Facet, chosen: int) -> tuple[NextStep, ...]:
    """Return what to train next, the most useful first; `chosen`: the place of the recommended depth.

    What comes next in a time budget, the budget decides.
    """
    if any(trial.stage for trial in facet.reduction.trials):
        return ()
    if len(facet.depths) == 1:
        seeds = _seeds(facet, [0], max(_LEAST_SEEDS, len(facet.trials(0))))
        return (_step(facet, "depths", _typed(_around(facet), seeds)),)
    if facet.reduction.pooled:
        return (_grid(facet), *_untried(facet, chosen))
    if not facet.design.freedom:
        seeds = _seeds(facet, range(len(facet.depths)), _LEAST_SEEDS)
        return (_step(facet, "seeds", _typed(facet.depths, seeds)),)
    return (*_for_rivals(facet), *_untried(facet, chosen))


def _for_rivals(facet: Facet) -> Iterator[NextStep]:
    """Yield seeds for the depths that may be as good as the best."""
    best, rivals = facet.comparison.best, _rivals(facet)
    farthest = farthest_rival(facet)
    if farthest is None:
        return
    difference = facet.mean(best) - facet.mean(farthest)
    places = sorted((best, *rivals))
    counts = facet.design.counts
    needed = outlook(facet.comparison, best, farthest)
    goal = needed.seeds or min(counts[place] for place in places) + 1
    missing = sum(max(0, goal - counts[place]) for place in places)
    seconds = median_seconds([trial for place in places for trial in facet.trials(place)])
    yield _step(
        facet, "rivals", _typed([facet.depths[place] for place in places], _seeds(facet, places, goal)),
        depths=(facet.depths[best], facet.depths[farthest]), outlook=needed, difference=difference,
        seconds=missing * seconds if seconds else None,
    )  # fmt: skip


def farthest_rival(facet: Facet) -> int | None:
    """Return the place of the worst depth that may be as good as the best; None where there is none."""
    return min(_rivals(facet), key=facet.mean, default=None)


def _rivals(facet: Facet) -> list[int]:
    return [place for place in range(len(facet.depths)) if place not in (facet.comparison.best, *facet.worse)]


def _grid(facet: Facet) -> NextStep:
    """Return a grid over depths, and over settings that went with them, by the settings of each depth's best trial."""
    trials = facet.reduction.trials
    best = [max(facet.trials(place), key=attrgetter("score")) for place in range(len(facet.depths))]
    mixed = facet.going_with_depth if facet.withheld.any() else []
    values = {name: [typed_value(trial.factors.get(name, "null")) for trial in best] for name in mixed}
    crossed = [f"{name}={','.join(dict.fromkeys(values[name]))}" for name in mixed]
    grid = " ".join([_typed(facet.depths, range(_LEAST_SEEDS)), *crossed])
    first = max(trials, key=attrgetter("score"))
    command = _sweep(facet, first, mixed)
    rest = configuration(first, [name for name in tuned(trials) if name not in mixed])
    text = f"{command} {grid}" if command else f"-m {grid} {rest}".strip()
    return NextStep("grid", text, bool(command), settings=tuple(mixed))


def _untried(facet: Facet, chosen: int) -> Iterator[NextStep]:
    """Yield depths beside the chosen one that nobody tried."""
    depths = facet.depths
    known = _seeds(facet, [chosen], len({trial.seed for trial in facet.trials(chosen)}))
    for low, high in pairwise(depths[max(0, chosen - 1) : chosen + 2]):
        if high - low > max(2, low):
            yield _step(facet, "between", _typed([(low + high) // 2], known), depths=(low, high))
    if chosen == len(depths) - 1 and not facet.is_whole(depths[chosen]):
        yield _step(facet, "deeper", _typed(["all"], known))
    if chosen == 0 and depths[0] > 0:
        yield _step(facet, "less", _typed([0], known))


def _step(facet: Facet, aim: Aim, overrides: str, **more: Any) -> NextStep:
    """Return the step that trains `overrides` as trials of the study; `more` are attributes of it."""
    is_one = not facet.reduction.pooled and len(facet.reduction.candidates) == len(facet.depths)
    command = _sweep(facet, facet.trials(len(facet.depths) - 1)[0]) if is_one else ""
    unfreezing = "" if all(trial.reads_depth for trial in facet.reduction.trials) else f"{_READS_DEPTH} "
    text = f"{command} {overrides}" if command else f"{unfreezing}{overrides}"
    return NextStep(aim, text, bool(command), **more)


def _sweep(facet: Facet, trial: TrialRecord, without: Sequence[str] = ()) -> str:
    """Return the command of `trial` as a sweep of the study, but for depths, seeds and more; empty where unknown.

    A run that is a trial of several facets has the command of one.
    """
    words = trial.command
    if not facet.study or len(words) < len(TRAIN) or not set(trial.overrides) <= set(words):
        return ""
    replaced = {*_REPLACED, *without} | (set() if trial.reads_depth else {"schedule"})
    kept = [word for word in words[len(TRAIN) :] if override_key(word) not in replaced and word != "hydra.mode=RUN"]
    kept = [*kept, *_batchnorm_of(facet, kept)] + ([] if trial.reads_depth else [_READS_DEPTH])
    return f"{shell_line([*words[: len(TRAIN)], '-m', *kept])} {setting('study', facet.study)}"


def _batchnorm_of(facet: Facet, words: Sequence[str]) -> list[str]:
    """Return the facet's BatchNorm mode where `words`, of a trial whose backbone does not train, lack it."""
    mode = facet.reduction.trials[0].factors.get("batchnorm")
    if mode is None or "batchnorm=" not in facet.label or "batchnorm" in map(override_key, words):
        return []
    return [f"batchnorm={mode}"]


def _around(facet: Facet) -> list[int | str]:
    """Return the one depth that was tried, with two more; the backbone's number of layers is unknown."""
    depth = facet.depths[0]
    if facet.is_whole(depth):
        return [*sorted({0, depth // 2, depth})]
    return [0, depth or 2, "all"]


def _seeds(facet: Facet, places: Sequence[int], goal: int) -> list[int]:
    """Return so many seeds for `places`: those that most of them have, then new ones."""
    shared = Counter(trial.seed for place in places for trial in facet.trials(place))
    known = sorted(shared, key=lambda seed: (-shared[seed], seed))[:goal]
    first = max(shared) + 1
    return [*sorted(known), *range(first, first + goal - len(known))]


def _typed(depths: Sequence[int | str], seeds: Sequence[int]) -> str:
    """Return the overrides that train `depths` with `seeds`, rising.

    >>> _typed([0, 11, "all"], [3, 4]), _typed([0], range(23))
    ('unfrozen=0,11,all seed=3,4', "unfrozen=0 'seed=range(0,23)'")
    """
    unbroken = seeds[-1] - seeds[0] + 1 == len(seeds)
    many = f"'seed=range({seeds[0]},{seeds[-1] + 1})'"
    few = "seed=" + ",".join(map(str, seeds))
    return f"unfrozen={','.join(map(str, depths))} {many if unbroken and len(seeds) > _MOST_LISTED else few}"
