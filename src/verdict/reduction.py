"""Reduction of a study to depth and seed: one configuration of the other hyperparameters for each depth.

*The best configuration overall* keeps contrasts of depths free of selection bias, but answers the wrong question: a
rate that suits ten layers is imposed on a hundred. *The best configuration at each depth* answers the right one. Where
configurations act alike at all depths, the same number of choices raises all depths alike, and false claims get rarer
(the largest of several means scatters less than one of them). Where configurations are equal at one depth and differ at
another, luck raises the first alone. So each depth has its best configuration among those that were trained at
**every** depth. Where there are none, as in a random search, nothing is picked: the other hyperparameters count as
noise, unless they go with depth (:mod:`src.verdict.confounding`). A trial that another continued for longer, as
hyperband promotes them, is the same trial, and counts once. A time budget has picked by trials that are not compared.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from src.verdict.trials import TrialRecord, configuration, tuned

Groups = dict[str, dict[int, list[TrialRecord]]]


@dataclass(frozen=True)
class Reduction:
    """One facet's trials, reduced to depth and seed.

    Attributes:
        trials: those that the comparison rests on.
        varied: the hyperparameters that were reduced, by name.
        picked: the winning configuration of each depth; empty where nothing was picked.
        candidates: every mean that a winner was picked from, of all depths, 0–1, by its run ids.
        configurations: how many a winner was picked from at each depth.
        left_out: how many configurations were not trained at every depth with as many seeds.
        continued: how many trials are left out because another continued them.
        pooled: whether the other hyperparameters count as noise.
    """

    trials: tuple[TrialRecord, ...]
    varied: tuple[str, ...]
    picked: Mapping[int, str]
    candidates: Mapping[frozenset[str], float]
    configurations: int = 1
    left_out: int = 0
    continued: int = 0
    pooled: bool = False

    @property
    def seeds(self) -> tuple[int, ...]:
        """Return the repetition that each trial is of: its seed, or its number where they are pooled."""
        return tuple(range(len(self.trials))) if self.pooled else tuple(trial.seed for trial in self.trials)


def reduce_to_depth(trials: Sequence[TrialRecord]) -> Reduction:
    """Return one facet's measured `trials` by depth and seed; pooled where no configuration has all depths."""
    names = tuned(trials)
    if all(trial.stage for trial in trials):
        return _all(trials, names, pooled=False)
    groups = _group(trials, names)
    fair = _fair(groups, {trial.depth for trial in trials})
    if fair:
        return replace(_pick(fair, names), left_out=len(groups) - len(fair))
    ended = last_of_rungs(trials)
    if len(ended) == len(trials):
        return _all(trials, names, pooled=True)
    return replace(reduce_to_depth(ended), continued=len(trials) - len(ended))


def last_of_rungs(trials: Sequence[TrialRecord]) -> list[TrialRecord]:
    """Return the trials that no other continued: whose epochs are not the first ones of another."""
    last: list[TrialRecord] = []
    for trial in sorted(trials, key=lambda trial: -len(trial.history)):
        if not any(_continues(other, trial) for other in last):
            last.append(trial)
    return last


def _continues(longer: TrialRecord, shorter: TrialRecord) -> bool:
    same = (longer.depth, longer.seed) == (shorter.depth, shorter.seed)
    return same and bool(shorter.history) and longer.history[: len(shorter.history)] == shorter.history


def _all(trials: Sequence[TrialRecord], names: Sequence[str], *, pooled: bool) -> Reduction:
    """Return all trials: pooled, or with the configurations that a time budget has chosen by other trials."""
    ordered = tuple(sorted(trials, key=lambda trial: (trial.depth, trial.seed)))
    picked = {trial.depth: configuration(trial, names) for trial in ordered} if names and not pooled else {}
    count = max(len(set(picked.values())), 1)
    return Reduction(ordered, tuple(names), picked, _means(_group(ordered, [])), count, pooled=pooled)


def _pick(fair: Groups, names: Sequence[str]) -> Reduction:
    depths = sorted(next(iter(fair.values())))
    picked = {depth: max(fair, key=lambda name: _mean(fair[name][depth])) for depth in depths}
    trials = tuple(trial for depth in depths for trial in fair[picked[depth]][depth])
    return Reduction(trials, tuple(names), picked if names else {}, _means(fair), len(fair))


def _fair(groups: Groups, depths: set[int]) -> Groups:
    """Return the configurations trained at every depth with at least half the seeds of the most repeated one.

    A mean of one seed scatters more than one of five, and would win by luck.
    """
    complete = {name: by_depth for name, by_depth in groups.items() if set(by_depth) == depths}
    most = max((_seeds(by_depth) for by_depth in complete.values()), default=0)
    return {name: by_depth for name, by_depth in complete.items() if 2 * _seeds(by_depth) >= most}


def _group(trials: Sequence[TrialRecord], names: Sequence[str]) -> Groups:
    groups: Groups = {}
    for trial in sorted(trials, key=lambda trial: (trial.depth, trial.seed)):
        groups.setdefault(configuration(trial, names), {}).setdefault(trial.depth, []).append(trial)
    return groups


def _seeds(by_depth: Mapping[int, Sequence[TrialRecord]]) -> int:
    return min(len(group) for group in by_depth.values())


def _means(groups: Groups) -> dict[frozenset[str], float]:
    cells = (cell for by_depth in groups.values() for cell in by_depth.values())
    return {frozenset(trial.run_id for trial in cell): _mean(cell) for cell in cells}


def _mean(trials: Sequence[TrialRecord]) -> float:
    return float(np.mean([trial.score for trial in trials]))
