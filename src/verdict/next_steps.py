"""What would settle what a study leaves open: more seeds, or other depths.

What to add is told as a command where depths are compared in one configuration and the trials know what trained them,
else as overrides that go with the study's other settings. Seeds are listed from the first on: trials that are known are
answered, and depths that lack some catch up.
"""

from collections import Counter
from collections.abc import Sequence
from itertools import pairwise

from src.common.override import override_key
from src.common.shell import TRAIN, setting, shell_line
from src.statistics.comparison import Comparison
from src.statistics.intervals import Interval
from src.statistics.power import MOST_SEEDS, POWER, detectable, seeds_to_show
from src.verdict.confounding import going_with_depth
from src.verdict.facet import Facet
from src.verdict.trials import TrialRecord, configuration, tuned, typed_value
from src.reporting.wording import listed, percent, typed
from src.reporting.wording import seeds as counted_seeds

_LEAST_SEEDS = 3
_READS_DEPTH = "schedule=two_phase"
"""What trains other depths where a trial's own schedule fixes its depth."""

_REPLACED = ("unfrozen", "seed", "study")


def next_step_of_one_depth(facet: Facet) -> tuple[str, ...]:
    """Two more depths, with the same seeds and at least three."""
    seeds = _seeds(facet, [0], max(_LEAST_SEEDS, len(facet.trials(0))))
    return (f"Other depths, with three seeds or more: {_adding(facet, typed(_around(facet), seeds))}",)


def next_step_of_one_seed(facet: Facet) -> tuple[str, ...]:
    """Two more seeds."""
    if facet.reduction.pooled:
        return (_grid(facet),)
    seeds = _seeds(facet, range(len(facet.depths)), _LEAST_SEEDS)
    return (f"Two more seeds a depth: {_adding(facet, typed(facet.depths, seeds))}",)


def next_step_of_tie(facet: Facet) -> tuple[str, ...]:
    """The seeds that would show a tie's clearest difference, and what it excludes."""
    if facet.reduction.pooled:
        return (_grid(facet),)
    return (_more_seeds(facet, facet.comparison.clearest, range(len(facet.depths))), _excluded(facet))


def next_step_of_confounded(facet: Facet) -> tuple[str, ...]:
    """A grid over depths and the settings that went with them."""
    trials = facet.reduction.trials
    best = [max(facet.trials(place), key=_score) for place in range(len(facet.depths))]
    mixed = going_with_depth(trials)
    rest = [name for name in tuned(trials) if name not in mixed]
    crossed = [_crossed(name, best) for name in mixed]
    grid = " ".join([typed(facet.depths, range(_LEAST_SEEDS)), *crossed])
    first = max(trials, key=_score)
    command = _sweep(facet, first, mixed)
    return (
        f"A grid over depths and {listed(mixed)} tells them apart, here with the settings of each depth's best trial: "
        + (f"{command} {grid}" if command else f"-m {grid} {configuration(first, rest)}".strip()),
    )


def next_step_of_shown(facet: Facet) -> tuple[str, ...]:
    """Seeds for the depths not told apart from the named one, and depths beside it that nobody tried."""
    if facet.reduction.pooled:
        return (_grid(facet), *_untried(facet))
    if not facet.unresolved:
        return _untried(facet)
    named = facet.comparison.named
    rival = max(facet.unresolved, key=lambda place: abs(facet.mean(place) - facet.mean(named)))
    return (_more_seeds(facet, (named, rival), sorted((named, *facet.unresolved))), *_untried(facet))


def _grid(facet: Facet) -> str:
    """What takes other hyperparameters out of the comparison, where every trial has its own."""
    best = max(facet.reduction.trials, key=_score)
    depths, command = typed(facet.depths, range(_LEAST_SEEDS)), _sweep(facet, best)
    settings = configuration(best, tuned(facet.reduction.trials))
    return (
        "More seeds do not take out what the other hyperparameters do; a grid over depths does, here with those of the "
        f"best trial: {f'{command} {depths}' if command else f'-m {depths} {settings}'}"
    )


def _crossed(name: str, trials: Sequence[TrialRecord]) -> str:
    """All values that `trials` have of a setting."""
    values = dict.fromkeys(typed_value(trial.factors.get(name, "null")) for trial in trials)
    return f"{name}={','.join(values)}"


def _score(trial: TrialRecord) -> float:
    return trial.score


def _excluded(facet: Facet) -> str:
    comparison, size = facet.comparison, len(facet.depths)
    pairs = [(one, other) for other in range(size) for one in range(other)]
    largest = max(_reach(comparison.difference(*pair)) for pair in pairs)
    widest = max(pairs, key=lambda pair: _width(comparison.difference(*pair)))
    least = detectable(float(comparison.errors[widest]), size, int(comparison.freedom[widest]))
    return (
        f"Differences above {facet.apart(largest)} are excluded (95 %). With {counted_seeds(facet.counts)} a depth, a "
        f"true difference of {facet.apart(least)} is shown in {_power()} of studies."
    )


def _more_seeds(facet: Facet, pair: tuple[int, int], places: Sequence[int]) -> str:
    """What shows the difference of a `pair`, if all of `places` get more seeds."""
    comparison = facet.comparison
    gap, deviation = comparison.difference(*pair), _deviation(comparison, pair)
    needed = seeds_to_show(
        gap.estimate, deviation, len(facet.depths), lambda seeds: _freedom(facet, pair, places, seeds)
    )
    seen = f"{facet.apart(abs(gap.estimate))} between {facet.name(*pair)}"
    if needed is None:
        return (
            f"To show {seen} would take more than {MOST_SEEDS} seeds a depth; that they differ by up to "
            f"{facet.apart(_reach(gap))} is not ruled out."
        )
    goal = max(needed, min(facet.counts[place] for place in places) + 1)
    more = typed([facet.depths[place] for place in places], _seeds(facet, places, goal))
    return f"To show {seen} takes {goal} seeds a depth at least ({_power()} power): {_adding(facet, more)}"


def _deviation(comparison: Comparison, pair: tuple[int, int]) -> float:
    return comparison.own_deviation if set(pair) & set(comparison.unsteady) else comparison.deviation


def _freedom(facet: Facet, pair: tuple[int, int], places: Sequence[int], seeds: int) -> int:
    """Degrees of freedom of a pair's error once each of `places` has so many seeds.

    A trial more is one degree more, less one for each seed that is new where seeds are blocks. Steady depths and
    unsteady ones lend one another none, and copies of another depth lend none.
    """
    comparison, known = facet.comparison, {seen.seed for seen in facet.reduction.observations}
    apart = bool(set(pair) & set(comparison.unsteady))
    added = sum(
        max(0, seeds - facet.counts[place])
        for place in places
        if (place in comparison.unsteady) == apart and place not in comparison.duplicate_depths
    )
    blocks = max(0, seeds - len(known)) if comparison.design.paired and not apart else 0
    return int(comparison.freedom[pair]) + added - blocks


def _untried(facet: Facet) -> tuple[str, ...]:
    """Depths beside the named one that nobody tried."""
    depths, place = facet.depths, facet.comparison.named
    known = _seeds(facet, [place], len({trial.seed for trial in facet.trials(place)}))
    found = [
        f"Nothing was tried between {low} and {high} layers: {_adding(facet, typed([(low + high) // 2], known))}"
        for low, high in pairwise(depths[max(0, place - 1) : place + 2])
        if high - low > max(2, low)
    ]
    if place == len(depths) - 1 and not _is_whole(facet, place):
        found.append(f"The deepest tried is named, so try deeper: {_adding(facet, typed(['all'], known))}")
    if place == 0 and depths[0] > 0:
        found.append(f"The least tried is named, so try less: {_adding(facet, typed([0], known))}")
    return tuple(found)


def _around(facet: Facet) -> list[int | str]:
    """The one depth that was tried, with two more. How many layers the backbone has is not known."""
    depth = facet.depths[0]
    if _is_whole(facet, 0):
        return [*sorted({0, depth // 2, depth})]
    return [0, depth or 2, "all"]


def _is_whole(facet: Facet, place: int) -> bool:
    """Whether the whole backbone trains at a place, so that there is no deeper."""
    return any(trial.whole for trial in facet.trials(place))


def _seeds(facet: Facet, places: Sequence[int], goal: int) -> list[int]:
    """So many seeds for `places`: those that most of them have, then new ones."""
    shared = Counter(trial.seed for place in places for trial in facet.trials(place))
    known = sorted(shared, key=lambda seed: (-shared[seed], seed))[:goal]
    first = max(shared) + 1
    return [*sorted(known), *range(first, first + goal - len(known))]


def _adding(facet: Facet, overrides: str) -> str:
    """What trains `overrides` as trials of the study."""
    is_one = not facet.reduction.pooled and len(facet.reduction.candidates) == len(facet.depths)
    command = _sweep(facet, facet.trials(len(facet.depths) - 1)[0]) if is_one else ""
    of = f"for {facet.label}, " if facet.label else ""
    unfreezing = "" if all(trial.reads_depth for trial in facet.reduction.trials) else f"{_READS_DEPTH} "
    settings = f"with the study's name and other settings, {unfreezing}{overrides}"
    return f"{command} {overrides}" if command else f"{of}{settings}"


def _sweep(facet: Facet, trial: TrialRecord, without: Sequence[str] = ()) -> str:
    """The command of `trial` as a sweep of the study, but for depths, seeds and more; empty where it is not known.

    A run that answers several facets remembers the command of one.
    """
    words = trial.command
    if not facet.study or len(words) < len(TRAIN) or not set(trial.overrides) <= set(words):
        return ""
    replaced = {*_REPLACED, *without} | (set() if trial.reads_depth else {"schedule"})
    kept = [word for word in words[len(TRAIN) :] if override_key(word) not in replaced and word != "hydra.mode=RUN"]
    kept = [*kept, *_facets_mode(facet, kept)] + ([] if trial.reads_depth else [_READS_DEPTH])
    return f"{shell_line([*words[: len(TRAIN)], '-m', *kept])} {setting('study', facet.study)}"


def _facets_mode(facet: Facet, words: Sequence[str]) -> list[str]:
    """Return the facet's BatchNorm mode where `words`, of a trial whose backbone does not train, lack it."""
    mode = facet.reduction.trials[0].factors.get("batchnorm")
    if mode is None or "batchnorm=" not in facet.label or "batchnorm" in map(override_key, words):
        return []
    return [f"batchnorm={mode}"]


def _reach(difference: Interval) -> float:
    """The largest difference within the interval."""
    return max(abs(difference.low or 0), abs(difference.high or 0))


def _width(difference: Interval) -> float:
    return (difference.high or 0) - (difference.low or 0)


def _power() -> str:
    return percent(POWER).replace(".0", "")
