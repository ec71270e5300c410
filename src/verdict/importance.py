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

import functools
import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from scipy import optimize, stats

from src.statistics.design import Floats
from src.statistics.intervals import LEVEL
from src.verdict.encoding import encode, is_scattered, part
from src.verdict.reduction import last_of_rungs
from src.verdict.trials import Factor, TrialRecord, configuration, measured, once, varying

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
    """

    factors: tuple[str, ...]
    share: float
    low: float | None
    high: float | None


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


_Factors = Sequence[tuple[tuple[str, ...], Floats]]
"""Hyperparameters that vary as one, by name, with their columns of the model, [trials, columns]."""
_Fit = Callable[[frozenset[int]], tuple[float, int]]
"""Factors, by their positions, to the residual's sum of squares and the model's rank, with the intercept."""


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


def _analyse(factors: _Factors, values: Floats) -> Importance | None:
    fit, whole = _least_squares([columns for _, columns in factors], values), frozenset(range(len(factors)))
    (total, _), (left, rank) = fit(frozenset()), fit(whole)
    free = values.size - rank
    if not free:
        return None
    shares, alone = [], 0.0
    for place, ((names, _), added) in enumerate(zip(factors, _mean_over_orders(fit, len(factors)), strict=True)):
        left_without, rank_without = fit(whole - {place})
        lost, freedom = left_without - left, rank - rank_without
        unique = max(0.0, min(lost, float(added)))
        alone += unique
        shares.append(VarianceShare(names, *_share(unique, lost, freedom, left / free, free, total)))
    together = max(0.0, 1 - left / total - alone / total)
    remaining = max(0.0, 1 - together - sum(share.share for share in shares))
    return Importance(tuple(sorted(shares, key=lambda share: -share.share)), together, remaining, values.size)


def _least_squares(columns: Sequence[Floats], values: Floats) -> _Fit:
    """Return the fit of an intercept and any of the factors, by their positions."""
    basis, triangle = np.linalg.qr(np.hstack([np.ones((values.size, 1)), *columns]))
    ends = np.cumsum([1, *(block.shape[1] for block in columns)])
    reduced = basis.T @ values
    least = float(np.square(values - basis @ reduced).sum())

    @functools.cache
    def fit(factors: frozenset[int]) -> tuple[float, int]:
        model = triangle[:, [0, *(k for place in sorted(factors) for k in range(ends[place], ends[place + 1]))]]
        solution, _, rank, _ = np.linalg.lstsq(model, reduced, rcond=_RANK_TOLERANCE)
        return least + float(np.square(reduced - model @ solution).sum()), int(rank)

    return fit


def _mean_over_orders(fit: _Fit, factors: int) -> Floats:
    """Return the mean sum of squares that each factor adds to those before it, over all orders, or many drawn."""
    orders, added = _orders(factors), np.zeros(factors)
    for order in orders:
        for place, factor in enumerate(order):
            before = frozenset(order[:place])
            added[factor] += fit(before)[0] - fit(before | {factor})[0]
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


def _factors(trials: Sequence[TrialRecord]) -> _Factors:
    """Return all that varies, as columns of the model; hyperparameters with the same columns are one factor."""
    values: dict[str, list[Factor]] = {name: [trial.factor(name) for trial in trials] for name in varying(trials)}
    values |= {"depth": [trial.depth for trial in trials], "seed": [trial.seed for trial in trials]}
    alike: dict[bytes, tuple[tuple[str, ...], Floats]] = {}
    for name, column in values.items():
        levels = max(part(column)) + 1
        if levels > 1 and not (name == "seed" and is_scattered(levels, len(trials))):
            encoded = encode(column)
            names, _ = alike.get(encoded.tobytes(), ((), encoded))
            alike[encoded.tobytes()] = (*names, name), encoded
    return list(alike.values())
