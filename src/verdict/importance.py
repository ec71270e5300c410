"""The share of a metric's variance that each hyperparameter explains.

Analysis of variance with main effects, as in functional ANOVA (Hutter, Hoos and Leyton-Brown 2014, ICML), but by least
squares on the trials themselves. A factor's share is what the model loses without it (type II sums of squares, Yates
1934, JASA 29:51), minus what as many random columns would explain (epsilon squared, Kelley 1935, PNAS 21:554). In a
grid the shares add up; where trials are unbalanced, what two factors explain together is reported apart from both.
Factors can also hide one another (suppression): each explains more beside the other than alone, and the losses without
each add up to more than there is. So a factor's share is at most what it adds on average over all orders in which
factors may enter (Lindeman, Merenda and Gold 1980; Grömping 2007, The American Statistician 61:139), which sums to what
the model explains. Intervals invert the noncentral F distribution (Steiger 2004, Psychological Methods 9:164):
resampling a grid's trials would unbalance the grid, and make noise look like effects.
"""

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from scipy import optimize, stats

from src.statistics.design import Floats
from src.statistics.intervals import LEVEL
from src.verdict.encoding import encode, is_scattered, part
from src.verdict.reduction import last_of_rungs
from src.verdict.trials import Factor, TrialRecord, configuration, measured, once, varying

_SEED = "seed"
_LEAST_SHOWN = 0.005
_ALL_ORDERS = 6
_DRAWN_ORDERS = 100
_RANK_TOLERANCE = 1e-10


@dataclass(frozen=True)
class VarianceShare:
    """One hyperparameter's part.

    Attributes:
        factors: its name; several where they vary as one and cannot be separated.
        share: of the metric's variance, 0–1, corrected for chance.
        low: lower end of the share's interval; None where there is no noise, or the factor follows from others.
        high: upper end, likewise.
        levels: how many values it takes.
    """

    factors: tuple[str, ...]
    share: float
    low: float | None
    high: float | None
    levels: int


@dataclass(frozen=True)
class Importance:
    """A metric's variance by its sources.

    Attributes:
        shares: largest first.
        together: the share that several factors explain and none of them alone; 0 in a balanced grid.
        rest: noise and interactions.
        trials: how many were analysed.
    """

    shares: tuple[VarianceShare, ...]
    together: float
    rest: float
    trials: int

    @property
    def is_joint(self) -> bool:
        """Return whether several factors together explain a share that is not rounded to 0%."""
        return self.together >= _LEAST_SHOWN


class _Factor(NamedTuple):
    """Hyperparameters that vary as one, with their columns of the model, [trials, columns], and number of values."""

    names: tuple[str, ...]
    columns: Floats
    levels: int


def importance(records: Sequence[TrialRecord]) -> Importance | None:
    """Return the shares of all varying hyperparameters, of depth and of seed in the variance of the score.

    Returns:
        None where fewer than three trials were measured, nothing varies or the score does not, and where no degree of
        freedom is left to estimate the noise: shares could not be corrected for chance.
    """
    trials = _without_continued(once(measured(records)))
    values = np.asarray([trial.score for trial in trials], np.float64)
    if len(trials) < 3 or np.ptp(values) == 0:
        return None
    factors = _factors(trials)
    return _analyse(factors, values) if factors else None


def _without_continued(trials: Sequence[TrialRecord]) -> list[TrialRecord]:
    """Return `trials` without those that another continued, as hyperband's do; all of a grid over epochs.

    In a grid at least half of the configurations were trained for every number of epochs, which is what it studies;
    hyperband continues few of them.
    """
    lengths: dict[str, set[str]] = {}
    for trial in trials:
        names = [name for name in sorted(trial.factors) if not name.endswith("epochs")]
        same = f"{trial.depth} {trial.seed} {configuration(trial, names)}"
        lengths.setdefault(same, set()).add(configuration(trial, sorted(trial.factors.keys() - set(names))))
    every = set().union(*lengths.values())
    is_grid = 2 * sum(trained == every for trained in lengths.values()) >= len(lengths)
    return list(trials) if is_grid else last_of_rungs(trials)


def _analyse(factors: Sequence[_Factor], values: Floats) -> Importance | None:
    fit = _Fit([factor.columns for factor in factors], values)
    free = values.size - fit.rank(fit.whole)
    if not free:
        return None
    total, noise = fit.error(frozenset()), fit.error(fit.whole) / free
    shares, alone = [], 0.0
    for place, (factor, added) in enumerate(zip(factors, _mean_over_orders(fit).tolist(), strict=True)):
        rest = fit.whole - {place}
        lost, freedom = fit.error(rest) - fit.error(fit.whole), fit.rank(fit.whole) - fit.rank(rest)
        unique = max(0.0, min(lost, added))
        alone += unique
        shares.append(VarianceShare(factor.names, *_share(unique, lost, freedom, noise, free, total), factor.levels))
    together = max(0.0, 1 - fit.error(fit.whole) / total - alone / total)
    remaining = max(0.0, 1 - together - sum(share.share for share in shares))
    return Importance(tuple(sorted(shares, key=lambda share: -share.share)), together, remaining, values.size)


class _Fit:
    """Least squares on an intercept and any of the factors, by their positions."""

    def __init__(self, columns: Sequence[Floats], values: Floats) -> None:
        basis, triangle = np.linalg.qr(np.hstack([np.ones((values.size, 1)), *columns]))
        self.whole = frozenset(range(len(columns)))
        self._ends = np.cumsum([1, *(block.shape[1] for block in columns)])
        self._triangle, self._values = triangle, basis.T @ values
        self._least = float(np.square(values - basis @ self._values).sum())
        self._known: dict[frozenset[int], tuple[float, int]] = {}

    def error(self, factors: frozenset[int]) -> float:
        """Return the residual's sum of squares."""
        return self._solved(factors)[0]

    def rank(self, factors: frozenset[int]) -> int:
        """Return the model's rank, with the intercept."""
        return self._solved(factors)[1]

    def _solved(self, factors: frozenset[int]) -> tuple[float, int]:
        if factors not in self._known:
            places = [0, *(k for place in sorted(factors) for k in range(self._ends[place], self._ends[place + 1]))]
            model = self._triangle[:, places]
            solution, _, rank, _ = np.linalg.lstsq(model, self._values, rcond=_RANK_TOLERANCE)
            self._known[factors] = self._least + float(np.square(self._values - model @ solution).sum()), int(rank)
        return self._known[factors]


def _mean_over_orders(fit: _Fit) -> Floats:
    """Return the mean sum of squares that each factor adds to those before it, over all orders, or many drawn."""
    orders, added = _orders(len(fit.whole)), np.zeros(len(fit.whole))
    for order in orders:
        for place, factor in enumerate(order):
            before = frozenset(order[:place])
            added[factor] += fit.error(before) - fit.error(before | {factor})
    return added / len(orders)


def _orders(factors: int) -> list[tuple[int, ...]]:
    if factors <= _ALL_ORDERS:
        return list(itertools.permutations(range(factors)))
    rng = np.random.default_rng(0)
    drawn = [tuple(rng.permutation(factors).tolist()) for _ in range(_DRAWN_ORDERS)]
    return [*drawn, *(order[::-1] for order in drawn)]


def _share(
    unique: float, lost: float, freedom: int, noise: float, free: int, total: float
) -> tuple[float, float | None, float | None]:
    """Return the share of a factor and its interval.

    Args:
        unique: the sum of squares that the factor alone explains.
        lost: the sum of squares that the model loses without it.
        freedom: the degrees of freedom of the factor.
        noise: the residual variance.
        free: its degrees of freedom.
        total: the sum of squares of all trials.
    """
    if not freedom or lost <= 0:
        return 0.0, None, None
    scale = unique / lost
    share = scale * max(0.0, lost - freedom * noise) / total
    if noise <= 1e-9 * total:  # an interval of no width, whose noncentrality has no digits left
        return share, None, None
    ends = _noncentrality(lost / freedom / noise, freedom, free)
    low, high = (scale * end / (scale * end + (1 - share) * total / noise) for end in ends)
    return share, min(low, share), max(high, share)


def _noncentrality(ratio: float, freedom: int, free: int) -> tuple[float, float]:
    """Return the interval of the F distribution's noncentrality for an observed `ratio` (Steiger 2004)."""

    def end(level: float) -> float:
        def above(shift: float) -> float:
            return float(stats.ncf.cdf(ratio, freedom, free, shift)) - level

        if above(0.0) <= 0:
            return 0.0
        top = 10.0 + 4 * ratio * freedom
        while above(top) > 0:
            top *= 2
        return float(optimize.brentq(above, 0.0, top))

    return end((1 + LEVEL) / 2), end((1 - LEVEL) / 2)


def _factors(trials: Sequence[TrialRecord]) -> list[_Factor]:
    """Return all that varies, as columns of the model; hyperparameters with the same columns are one factor."""
    values: dict[str, list[Factor]] = {name: [trial.factor(name) for trial in trials] for name in varying(trials)}
    values |= {"depth": [trial.depth for trial in trials], _SEED: [trial.seed for trial in trials]}
    alike: dict[bytes, _Factor] = {}
    for name, column in values.items():
        levels = max(part(column)) + 1
        if levels > 1 and not (name == _SEED and is_scattered(levels, len(trials))):
            encoded = encode(column)
            same = alike.get(encoded.tobytes(), _Factor((), encoded, levels))
            alike[encoded.tobytes()] = same._replace(names=(*same.names, name))
    return list(alike.values())
