"""Other hyperparameters taken out of a study, so that depth alone is left.

Two ways were weighed. *The best configuration overall* leaves contrasts of depths untouched by luck, but asks what no
one wants to know: a rate that suits ten layers is forced upon a hundred. *The best configuration at each depth* asks
the right question. Where configurations act alike at all depths, the same number of chances lifts all depths alike, and
false claims get rarer, not more frequent (the largest of several means scatters less than one of them). Where they are
equal at one depth and a single one stands out at another, luck lifts the first alone. So the best at each depth is
taken, among the configurations that were trained at **every** depth. Where there are none, as in a random search,
nothing is picked: the other hyperparameters count as noise, unless they go with depth
(:mod:`src.verdict.confounding`). A trial from which another went on for longer, as hyperband promotes them, is the same
trial, and counts once.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from src.verdict.trials import TrialRecord, configuration, tuned

Groups = dict[str, dict[int, list[TrialRecord]]]


@dataclass(frozen=True)
class Reduction:
    """One facet's trials, reduced to depth and seed.

    Attributes:
        trials: those that the comparison rests on.
        seeds: what each is a repetition by, [trials]: its seed; where the other hyperparameters count as noise, its
            number.
        varied: the hyperparameters that were reduced, by name.
        picked: the winning configuration of each depth; empty where nothing was picked.
        candidates: every mean that a winner was picked from, all depths together, 0–1, by the runs that it is of.
        configurations: how many a winner was picked from at each depth.
        left_out: how many configurations were not trained at every depth with as many seeds.
        continued: how many trials are left out since another went on from them.
        pooled: whether the other hyperparameters count as noise.
    """

    trials: tuple[TrialRecord, ...]
    seeds: tuple[int, ...]
    varied: tuple[str, ...] = ()
    picked: Mapping[int, str] = field(default_factory=dict)
    candidates: Mapping[frozenset[str], float] = field(default_factory=dict)
    configurations: int = 1
    left_out: int = 0
    continued: int = 0
    pooled: bool = False


def reduce_to_depth(trials: Sequence[TrialRecord]) -> Reduction:
    """Take the varying hyperparameters out of one facet's measured `trials`."""
    names = tuned(trials)
    groups = _group(trials, names)
    if not names:
        return _reduction(_flat(groups), groups)
    fair = _fair(groups, {trial.depth for trial in trials})
    if fair:
        return _pick(fair, groups, names)
    ended = last_of_rungs(trials)
    if len(ended) == len(trials):
        return _pool(trials, names)
    return replace(reduce_to_depth(ended), continued=len(trials) - len(ended))


def last_of_rungs(trials: Sequence[TrialRecord]) -> list[TrialRecord]:
    """The trials from which no other went on: whose epochs are not another's first ones."""
    found: list[TrialRecord] = []
    for trial in sorted(trials, key=lambda each: -len(each.history)):
        if not any(_goes_on(other, trial) for other in found):
            found.append(trial)
    return found


def _goes_on(longer: TrialRecord, shorter: TrialRecord) -> bool:
    same = (longer.depth, longer.seed) == (shorter.depth, shorter.seed)
    return same and bool(shorter.history) and longer.history[: len(shorter.history)] == shorter.history


def _pick(fair: Groups, groups: Groups, names: Sequence[str]) -> Reduction:
    depths = sorted(next(iter(fair.values())))
    picked = {depth: max(fair, key=lambda name: _mean(fair[name][depth])) for depth in depths}
    trials = [trial for depth in depths for trial in fair[picked[depth]][depth]]
    return replace(
        _reduction(trials, fair), varied=tuple(names), picked=picked, configurations=len(fair),
        left_out=len(groups) - len(fair),
    )  # fmt: skip


def _pool(trials: Sequence[TrialRecord], names: Sequence[str]) -> Reduction:
    ordered = tuple(sorted(trials, key=lambda trial: (trial.depth, trial.seed)))
    means = _means(_group(ordered, [])[""].values())
    return Reduction(ordered, tuple(range(len(ordered))), tuple(names), {}, means, pooled=True)


def _fair(groups: Groups, depths: set[int]) -> Groups:
    """The configurations trained at every depth; of those, the ones with half the seeds of the most repeated or more.

    A mean of one seed is luckier than one of five: let in, it would win.
    """
    complete = {name: by_depth for name, by_depth in groups.items() if set(by_depth) == depths}
    most = max((_seeds(by_depth) for by_depth in complete.values()), default=0)
    return {name: by_depth for name, by_depth in complete.items() if 2 * _seeds(by_depth) >= most}


def _reduction(trials: Sequence[TrialRecord], fair: Groups) -> Reduction:
    groups = [group for by_depth in fair.values() for group in by_depth.values()]
    return Reduction(tuple(trials), tuple(trial.seed for trial in trials), candidates=_means(groups))


def _group(trials: Sequence[TrialRecord], names: Sequence[str]) -> Groups:
    groups: Groups = {}
    for trial in sorted(trials, key=lambda each: (each.depth, each.seed)):
        groups.setdefault(configuration(trial, names), {}).setdefault(trial.depth, []).append(trial)
    return groups


def _flat(groups: Groups) -> list[TrialRecord]:
    return [trial for by_depth in groups.values() for group in by_depth.values() for trial in group]


def _seeds(by_depth: Mapping[int, Sequence[TrialRecord]]) -> int:
    return min(len(group) for group in by_depth.values())


def _means(groups: Iterable[Sequence[TrialRecord]]) -> dict[frozenset[str], float]:
    return {frozenset(trial.run_id for trial in group): _mean(group) for group in groups}


def _mean(trials: Sequence[TrialRecord]) -> float:
    return float(np.mean([trial.score for trial in trials]))
