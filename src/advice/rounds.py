"""The rounds of a budget: which trials come next, by what is known and by the time that is left.

Successive halving (Jamieson and Talwalkar 2016, AISTATS): all candidates on a short schedule; at all rates on as long a
one as the time allows; the better ones on the whole one. What selects is seed 0, and two more where there is time. The
candidates left are then compared by *fresh* seeds, which no decision has seen, and all get the same ones; how many
follows from the time alone: neither dropping nor looking makes false claims.
"""

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from statistics import fmean
from typing import Literal, Self

import numpy as np

from src.advice.cost_model import Cost, MeasuredTime, costs
from src.advice.rates import Floats, best_rates

Stage = Literal["measure", "rates", "full", "final", "images", "seeds"]
STAGES: tuple[Stage, ...] = ("measure", "rates", "full", "final", "images", "seeds")
LAYOUT_VERSION = 5
"""Raise it when the same budget would decide otherwise, or its log holds other values."""
_REPEATED = ("measure", "rates", "final", "seeds")
"""Stages that may have several rounds."""
_FINAL = ("final", "seeds")

_SHARES: Mapping[Stage, float] = {"rates": 0.4, "full": 0.35}
"""Of the time left at its start, what a stage may take where a comparison by fresh seeds fits afterwards."""
_SHARE_OF_CHOICE = 0.6
"""What rates may take where no comparison fits afterwards."""
_SHARE_OF_SEED = 0.2
"""What all rates with a further seed may take."""
_TOO_SLOW = 3
"""A budget in which a candidate could not be trained so often does not try deeper ones."""
_LEAST_SEEDS, _SEEDS, MOST_SEEDS = 2, 5, 10
"""Fresh seeds: that a comparison is begun for, before images are thinned, and in all."""
CHOOSING_SEEDS = (0, MOST_SEEDS + 1, MOST_SEEDS + 2)
"""Seeds that choose: the first, and others where all rates had full schedules and there is time left."""
_ALIKE = 0.5
"""The correlation of two networks' errors on the same images, as assumed for dropping."""
_CLEAR = 2.0
"""Standard errors behind the best at which a candidate is dropped."""
FRACTIONS = (0.5, 0.25)
"""Of the training images, for what more of them would bring."""


@dataclass(frozen=True, order=True)
class PlannedTrial:
    """A trial of a budget.

    Attributes:
        candidate: its number; candidates of a group go from the least depth to the deepest.
        rate: the number of its rate, in the order in which rates are tried.
        seed: 0 where it selects, as may 11 and 12; 1 to 10 where it compares.
        epochs: of fine-tuning.
        fraction: of the training images.
    """

    candidate: int
    rate: int
    seed: int
    epochs: int
    fraction: float = 1.0


@dataclass(frozen=True)
class Outcome:
    """A trial's validation score (0–1; None where it failed), of how many images, the time it took, and its key."""

    score: float | None
    images: int
    time: MeasuredTime
    key: str = ""

    @classmethod
    def failed(cls, seconds: float, key: str) -> Self:
        """Return the outcome of a trial without a score."""
        return cls(None, 0, MeasuredTime(seconds, 0.0, 0), key)


@dataclass(frozen=True)
class Options:
    """The choices that a budget has.

    Attributes:
        groups: each candidate's, such as its backbone: costs rise with the number within a group.
        rates: how many there are.
        epochs: of fine-tuning in a full schedule.
    """

    groups: tuple[str, ...]
    rates: int
    epochs: int

    @property
    def short(self) -> int:
        """Return the epochs of a short schedule: a third, but two to measure one without compilation."""
        return min(self.epochs, max(2, self.epochs // 3))


@dataclass(frozen=True)
class Round:
    """Trials that were decided on together, when `remaining` seconds were left."""

    stage: Stage
    trials: tuple[PlannedTrial, ...]
    remaining: float


@dataclass(frozen=True)
class Choice:
    """The rate of a candidate, its mean score (0–1; None where a trial failed or none ended), and of how many seeds."""

    rate: int
    score: float | None
    seeds: int


Known = Mapping[PlannedTrial, Outcome]


@dataclass(frozen=True)
class State:
    """All that decisions follow from: the options, what is known, and the rounds of this session and earlier ones."""

    options: Options
    known: Known
    session: tuple[Round, ...] = ()
    earlier: tuple[Round, ...] = ()

    def score(self, trial: PlannedTrial) -> float:
        """Return a trial's score; less than any where it has none."""
        outcome = self.known.get(trial)
        return -math.inf if outcome is None or outcome.score is None else outcome.score

    @cached_property
    def costs(self) -> dict[int, Cost]:
        """Return the costs of the candidates that were measured."""
        times: dict[int, list[MeasuredTime]] = {}
        for trial, outcome in self.known.items():
            if outcome.score is not None and trial.fraction == 1:
                times.setdefault(trial.candidate, []).append(outcome.time)
        return costs(times)

    def seconds(self, trials: Iterable[PlannedTrial]) -> float:
        """Return the expected time of `trials`; nothing for known ones, infinity for a candidate without a cost."""
        return sum(self._seconds(trial) for trial in trials)

    def _seconds(self, trial: PlannedTrial) -> float:
        if trial in self.known:
            return 0.0
        if trial.candidate not in self.costs:
            return math.inf
        resumed = [other.epochs for other in self.known if _goes_on(other, trial)]
        return self.costs[trial.candidate].of(trial.epochs - max(resumed, default=0))

    def new(self, trials: Iterable[PlannedTrial]) -> list[PlannedTrial]:
        """Return those of `trials` that are not known."""
        return [trial for trial in trials if trial not in self.known]

    def best_rate(self, candidate: int) -> int:
        """Return the rate that a candidate's trials go on with, by the scores of seeds that choose."""
        return self._best_rates[candidate]

    @cached_property
    def _best_rates(self) -> list[int]:
        groups, rates = self.options.groups, range(self.options.rates)
        rungs = [[self.rung(number, rate) for rate in rates] for number in range(len(groups))]
        scores = np.array([[self._choosing_score(trial) for trial in trials] for trials in rungs])
        best = np.zeros(len(groups), np.int64)
        for group in set(groups):
            members = np.flatnonzero(np.array(groups) == group)
            best[members] = best_rates(scores[members], self._noise(scores[members]))
        return [int(rate) for rate in best]

    def _noise(self, scores: Floats) -> float:
        """Return the variance by which scores of networks on the same images differ by chance."""
        mean = float(np.mean(scores[np.isfinite(scores)])) if np.isfinite(scores).any() else 0.5
        return _variance(mean, self.images) / (1 + len(self._further_seeds))

    def short(self, candidate: int, rate: int) -> PlannedTrial:
        """Return a candidate's trial on the short schedule."""
        return PlannedTrial(candidate, rate, 0, self.options.short)

    def rung(self, candidate: int, rate: int) -> PlannedTrial:
        """Return a candidate's trial on the schedule that rates are compared on."""
        epochs = self._rate_trials[0].epochs if self._rate_trials else self.options.short
        return PlannedTrial(candidate, rate, 0, epochs)

    def chosen_rung(self, candidate: int) -> PlannedTrial:
        """Return a candidate's trial on that schedule at its best rate."""
        return self.rung(candidate, self.best_rate(candidate))

    @cached_property
    def _rate_trials(self) -> tuple[PlannedTrial, ...]:
        """Return the trials that compared rates in whole rounds, of the longest schedule that any of these had."""
        rounds = [item.trials for item in (*self.earlier, *self.session) if item.stage == "rates"]
        trials = [trial for trials in rounds if not self.new(trials) for trial in trials]
        longest = max((trial.epochs for trial in trials), default=0)
        return tuple(trial for trial in trials if trial.epochs == longest)

    @cached_property
    def _further_seeds(self) -> list[int]:
        return sorted({trial.seed for trial in self._rate_trials} - {0})

    def _choosing_score(self, trial: PlannedTrial) -> float:
        """Return the mean score of a trial with the seeds that choose, as far as it had them; none where one failed."""
        return fmean(map(self.score, self._choosing(trial)))

    def _choosing(self, trial: PlannedTrial) -> list[PlannedTrial]:
        further = (replace(trial, seed=seed) for seed in self._further_seeds)
        return [trial, *(other for other in further if other in self._rate_trials)]

    def choice(self, candidate: int) -> Choice:
        """Return what was chosen for a candidate, by its longest schedule."""
        rate = self.best_rate(candidate)
        known = [trial for trial in self.known if (trial.candidate, trial.rate, trial.seed) == (candidate, rate, 0)]
        trials = self._choosing(max(known, key=lambda trial: trial.epochs)) if known else []
        scores = [self.score(trial) for trial in trials]
        return Choice(rate, fmean(scores) if scores and min(scores) > -math.inf else None, len(scores))

    def full(self, candidate: int, seed: int = 0, fraction: float = 1.0) -> PlannedTrial:
        """Return a candidate's trial on the full schedule at its best rate."""
        return PlannedTrial(candidate, self.best_rate(candidate), seed, self.options.epochs, fraction)

    def measured(self) -> list[int]:
        """Return the candidates with a score on the schedule that rates are compared on, the best first."""
        return self.ranked(self.chosen_rung)

    def trained(self) -> list[int]:
        """Return the candidates with a score on the full schedule, the best first."""
        return self.ranked(self.full)

    def in_race(self) -> list[int]:
        """Return the candidates that are not clearly behind on the full schedule, as `near` does."""
        return self.near(self.full)

    def promising(self) -> list[int]:
        """Return the candidates that are not clearly behind on the schedule of their rates, as `near` does."""
        return self.near(self.chosen_rung)

    def near(self, of: Callable[[int], PlannedTrial]) -> list[int]:
        """Return the candidates whose trial `of` is not clearly behind the best one, and two of their groups at least.

        The two best of each group come first, and the best group before others.
        """
        ranked = self.ranked(of)
        scores = {number: self._choosing_score(of(number)) for number in ranked}
        pairs, further = list[int](), list[int]()
        for members in self.by_group(ranked):
            near = [n for n in members if not is_clearly_behind(scores[n], scores[ranked[0]], self.images)]
            pairs += members[:2] if near else []
            further += near[2:]
        return pairs + further

    def by_group(self, numbers: Sequence[int]) -> list[list[int]]:
        """Return `numbers` by their groups, in their order."""
        groups = dict.fromkeys(self.options.groups[number] for number in numbers)
        return [[number for number in numbers if self.options.groups[number] == group] for group in groups]

    def ranked(self, of: Callable[[int], PlannedTrial]) -> list[int]:
        """Return the candidates whose trial `of` has a score, the best first."""
        scores = {number: self._choosing_score(of(number)) for number in range(len(self.options.groups))}
        scored = [number for number in scores if scores[number] > -math.inf]
        return sorted(scored, key=lambda number: (-scores[number], number))

    def finalists(self) -> list[int]:
        """Return the candidates of the last final comparison, rising; none before there was one."""
        return sorted({trial.candidate for trial in _last_comparison((*self.earlier, *self.session))})

    @cached_property
    def earlier_comparison(self) -> list[PlannedTrial]:
        """Return the trials with fresh seeds of the last comparison of earlier sessions."""
        places = {(trial.candidate, trial.rate) for trial in _last_comparison(self.earlier)}
        fresh = [trial for trial in self.known if trial.seed not in CHOOSING_SEEDS and trial.fraction == 1]
        return [trial for trial in fresh if (trial.candidate, trial.rate) in places]

    @property
    def is_comparing(self) -> bool:
        """Return whether this session has begun its final comparison."""
        return any(item.stage == "final" for item in self.session)

    @cached_property
    def images(self) -> int:
        """Return how many images validate; 1 before that is known."""
        return max((outcome.images for outcome in self.known.values()), default=0) or 1

    @property
    def has_scores(self) -> bool:
        """Return whether a trial has a score: where none has, all have failed, and further ones would."""
        return any(outcome.score is not None for outcome in self.known.values())


def next_round(state: State, remaining: float) -> Round | None:
    """Return the trials to train next with `remaining` seconds left; None where nothing more fits, or is worth it."""
    first = _first_stage(state.session)
    for stage in STAGES[first:]:
        trials = _DECIDE[stage](state, remaining)
        if trials:
            return Round(stage, tuple(trials), remaining)
    return None


def compared(state: State) -> tuple[list[PlannedTrial], bool]:
    """Return the trials that a verdict rests on, and whether their seeds are fresh.

    Fresh seeds count where all finalists have two at least; a group without a finalist has its best trial beside them.
    Before that, what selected is all that is known: full schedules where several candidates have one, or only one is
    left, and else short ones.
    """
    trained, fresh = state.trained(), _fresh(state, (*state.earlier, *state.session))
    if fresh:
        finalists = {trial.candidate for trial in fresh}
        others = [group for group in state.by_group(state.promising()) if not {*group} & finalists]
        return fresh + [_longest(state, group) for group in others], True
    if len(trained) > 1 or (trained and len(state.promising()) == 1):
        return [state.full(number) for number in trained], False
    return [state.chosen_rung(number) for number in state.measured()], False


def _fresh(state: State, rounds: Sequence[Round]) -> list[PlannedTrial]:
    """Return the trials of the last comparison in `rounds` that two fresh seeds have in common; none before one has.

    One that was cut off, or is still to be repeated at other rates, withdraws none that stood before.
    """
    comparisons = (_of_common_seeds(state, item.trials) for item in reversed(rounds) if item.stage in _FINAL)
    return next(filter(None, comparisons), [])


def _of_common_seeds(state: State, trials: Sequence[PlannedTrial]) -> list[PlannedTrial]:
    """Return `trials` with all fresh seeds that each of them is known with; none where these are too few."""
    seeds = [s for s in range(1, MOST_SEEDS + 1) if not state.new(replace(trial, seed=s) for trial in trials)]
    of_a_seed = sorted({replace(trial, seed=0) for trial in trials})
    return [replace(trial, seed=s) for s in seeds for trial in of_a_seed] if len(seeds) >= _LEAST_SEEDS else []


def _longest(state: State, numbers: Sequence[int]) -> PlannedTrial:
    """Return the best full trial of some candidates; before one has a score, the best one that compares rates."""
    trained = [number for number in state.trained() if number in numbers]
    return state.full(trained[0]) if trained else state.chosen_rung(numbers[0])


def _last_comparison(rounds: Sequence[Round]) -> tuple[PlannedTrial, ...]:
    return next((item.trials for item in reversed(rounds) if item.stage in _FINAL), ())


def is_clearly_behind(score: float, best: float, images: int) -> bool:
    """Return whether a score lies clearly behind the best one, both of the same images.

    By two standard errors of a paired difference of shares (McNemar 1947), two networks' errors correlated by 0.5.
    """
    return best - score > _CLEAR * math.sqrt(2 * _variance((score + best) / 2, images))


def _variance(score: float, images: int) -> float:
    """Return the variance of a score beyond what networks on the same images share; no score is taken for certain."""
    share = min(max(score, 1 / (images + 2)), 1 - 1 / (images + 2))
    return share * (1 - share) * (1 - _ALIKE) / images


def _first_stage(session: Sequence[Round]) -> int:
    if not session:
        return 0
    last = session[-1].stage
    return STAGES.index(last) + (last not in _REPEATED)


def _measure(state: State, remaining: float) -> list[PlannedTrial]:
    """Return the next candidate's first trial; deeper ones of a group are left out once one is too slow."""
    known_costs, epochs = state.costs, state.options.epochs
    too_slow = set()
    for number, group in enumerate(state.options.groups):
        trial = state.short(number, 0)
        if trial not in state.known and group not in too_slow:
            return [trial]
        if number in known_costs and _TOO_SLOW * known_costs[number].of(epochs) > remaining:
            too_slow.add(group)
    return []


def _rates(state: State, remaining: float) -> list[PlannedTrial]:
    """Return the trials at all rates on the longest schedule that fits; on the short one, at as many rates as fit.

    After a few epochs rates look alike: a lower one has lost nothing yet, a higher one not gained. In a later session
    no schedule is shorter than that of an earlier one, and a comparison that is known could be repeated afterwards.
    """
    remaining -= sum(state.costs[trial.candidate].of(trial.epochs) for trial in state.earlier_comparison)
    if state.session and state.session[-1].stage == "rates":
        return _rates_again(state, remaining)
    options, ranked = state.options, state.ranked(lambda number: state.short(number, 0))
    share, shortest = _SHARES["rates"], state.rung(0, 0).epochs
    if state.seconds(_comparison(state, ranked)) > (1 - share) * remaining:
        share = _SHARE_OF_CHOICE
    longer = [(options.rates, epochs) for epochs in range(options.epochs, shortest, -1)]
    for count, epochs in [*longer, *((count, shortest) for count in range(options.rates, 1, -1))]:
        trials = _at_rates(ranked, count, 0, epochs)
        if count > 1 and state.seconds(trials) <= share * remaining:
            return state.new(trials) or _rates_again(state, remaining)
    return []


def _rates_again(state: State, remaining: float) -> list[PlannedTrial]:
    """Return the trials of promising candidates with a further seed, where rates were compared on full schedules."""
    options = state.options
    if state.rung(0, 0).epochs < options.epochs:
        return []
    trials = _at_rates(state.promising(), options.rates, 0, options.epochs)
    scored = [trial for trial in trials if state.score(trial) > -math.inf]
    for seed in CHOOSING_SEEDS[1:] if len({trial.rate for trial in scored}) > 1 else ():
        again = [replace(trial, seed=seed) for trial in scored]
        if state.new(again):
            return state.new(again) if state.seconds(again) <= _SHARE_OF_SEED * remaining else []
    return []


def _at_rates(numbers: Iterable[int], rates: int, seed: int, epochs: int) -> list[PlannedTrial]:
    return [PlannedTrial(number, rate, seed, epochs) for number in sorted(numbers) for rate in range(rates)]


def _full(state: State, remaining: float) -> list[PlannedTrial]:
    """Return the full schedules of the best candidates, as many as fit in a share of the time.

    Where a comparison of the two best would not fit afterwards, they get all of it; at least one that it is enough for.
    """
    promising = state.promising()
    remaining -= state.seconds(state.full(trial.candidate, trial.seed) for trial in state.earlier_comparison)
    fitting = _fitting(state, promising, _SHARES["full"] * remaining)
    if len(fitting) < 2 or state.seconds({*_comparison(state, fitting), *_with(state, fitting, [0])}) > remaining:
        fitting = _fitting(state, promising, remaining)
    if not fitting:
        fitting = [number for number in promising if state.seconds([state.full(number)]) <= remaining][:1]
    return state.new(_with(state, fitting, [0]))


def _fitting(state: State, ranked: Sequence[int], seconds: float) -> list[int]:
    """Return the best candidate and those after it whose full trials fit into the time beside its own; none without."""
    fitting: list[int] = []
    for number in ranked:
        if state.seconds(_with(state, [*fitting, number], [0])) <= seconds:
            fitting.append(number)
        elif not fitting:
            return []
    return fitting


def _comparison(state: State, ranked: Sequence[int]) -> list[PlannedTrial]:
    """Return what the least comparison takes: the two best of a group with the seed that chooses, and fresh ones."""
    pair = state.by_group(ranked)[0][:2] if ranked else []
    return _with(state, pair, range(_LEAST_SEEDS + 1))


def _final(state: State, remaining: float, most: int = _SEEDS) -> list[PlannedTrial]:
    """Return the finalists' trials with the next fresh seed, where it fits."""
    finalists = state.finalists() if state.is_comparing else _enough(state, remaining)
    for seed in range(1, most + 1):
        trials = _with(state, finalists, [seed])
        if state.new(trials) or not state.is_comparing:
            return trials if state.seconds(trials) <= remaining else []
    return []


def _enough(state: State, remaining: float) -> list[int]:
    """Return the candidates to compare, as many as can have two seeds: two of a group, or none, then further ones."""
    race, finalists = state.in_race(), list[int]()
    for best, *others in state.by_group(race):
        pairs = [[best, other] for other in others] or ([[best]] if _is_alone(state, best) else [])
        finalists += next((pair for pair in pairs if _takes(state, [*finalists, *pair]) <= remaining), [])
    groups = {state.options.groups[number] for number in finalists}
    for number in race:
        is_further = number not in finalists and state.options.groups[number] in groups
        if is_further and _takes(state, [*finalists, number]) <= remaining:
            finalists.append(number)
    return sorted(finalists)


def _is_alone(state: State, number: int) -> bool:
    """Return whether no other candidate of a group could be compared with it: there is none, or the others failed."""
    others = {*state.promising()} - {number}
    groups = state.options.groups
    return all(state.full(other) in state.known for other in others if groups[other] == groups[number])


def _takes(state: State, numbers: Sequence[int]) -> float:
    """Return the seconds of the least fresh seeds of some candidates."""
    return state.seconds(_with(state, numbers, range(1, _LEAST_SEEDS + 1)))


def _images(state: State, remaining: float) -> list[PlannedTrial]:
    """Return the leader's trials with a half and a quarter of the training images."""
    trials = _fresh(state, state.session)
    if not trials:
        return []
    candidates = sorted({trial.candidate for trial in trials})
    means = {n: fmean(state.score(trial) for trial in trials if trial.candidate == n) for n in candidates}
    leader = max(candidates, key=lambda number: means[number])
    fewer = state.new(state.full(leader, 1, fraction) for fraction in FRACTIONS)
    return fewer if state.seconds(fewer) <= remaining else []


def _seeds(state: State, remaining: float) -> list[PlannedTrial]:
    return _final(state, remaining, MOST_SEEDS) if state.is_comparing else []


def _with(state: State, numbers: Sequence[int], seeds: Iterable[int]) -> list[PlannedTrial]:
    return [state.full(number, seed) for seed in seeds for number in numbers]


def _goes_on(shorter: PlannedTrial, longer: PlannedTrial) -> bool:
    """Return whether `longer` resumes the epochs of `shorter`."""
    names = ("candidate", "rate", "seed", "fraction")
    return shorter.epochs < longer.epochs and all(getattr(shorter, name) == getattr(longer, name) for name in names)


_DECIDE: Mapping[Stage, Callable[[State, float], list[PlannedTrial]]] = {
    "measure": _measure, "rates": _rates, "full": _full, "final": _final, "images": _images, "seeds": _seeds,
}  # fmt: skip
