"""How much of a metric's variance each hyperparameter accounts for.

Analysis of variance with main effects, as in functional ANOVA (Hutter, Hoos and Leyton-Brown 2014, ICML), but by least
squares on the trials themselves. A factor's share is what the model loses without it (type II sums of squares, Yates
1934, JASA 29:51), less what as many random columns would have taken (epsilon squared, Kelley 1935, PNAS 21:554). In a
grid the shares add up; where trials are unbalanced, what two factors explain together is given to neither and told
apart. Factors can also hide one another (suppression): each explains more beside the other than alone, and what the
model loses without each adds up to more than there is. A factor has no more, therefore, than it adds on average over
all orders in which factors may enter (Lindeman, Merenda and Gold 1980; Grömping 2007, The American Statistician
61:139), which sums to what the model explains. Intervals invert the noncentral F distribution (Steiger 2004,
Psychological Methods 9:164): resampling a grid's trials would tear the grid, and make noise look like effects.
"""

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from scipy import optimize, stats

from src.statistics.design import Floats
from src.statistics.intervals import LEVEL
from src.verdict.encoding import encode, is_scattered, part
from src.verdict.reduction import last_of_rungs
from src.verdict.trials import Factor, TrialRecord, configuration, measured, once, varying

_SEED = "seed"
_LEAST_TOLD = 0.005
_ALL_ORDERS = 6
_DRAWN_ORDERS = 100
_RANK_TOLERANCE = 1e-10


@dataclass(frozen=True)
class VarianceShare:
    """One hyperparameter's part.

    Attributes:
        factor: its name; several joined by " = " where they vary as one and cannot be told apart.
        share: of the metric's variance, 0–1, corrected for chance.
        low: lower end of the share's interval; None where there is no noise, or the factor follows from others.
        high: upper end, likewise.
        levels: how many values it takes.
    """

    factor: str
    share: float
    low: float | None
    high: float | None
    levels: int


@dataclass(frozen=True)
class Importance:
    """Where a metric's variance comes from.

    Attributes:
        shares: largest first.
        together: share that several factors explain and none of them alone; 0 in a balanced grid.
        rest: noise, and what hyperparameters do to one another's effects.
        trials: how many it rests on.
    """

    shares: tuple[VarianceShare, ...]
    together: float
    rest: float
    trials: int

    @property
    def is_joint(self) -> bool:
        """Whether several explain together a share that is not rounded to nothing."""
        return self.together >= _LEAST_TOLD


def importance(records: Sequence[TrialRecord]) -> Importance | None:
    """The shares of all varying hyperparameters, of depth and of seed in the variance of the score.

    Returns:
        None where fewer than three trials were measured, nothing varies or the score does not, and where no degree of
        freedom is left to know the noise by: shares could not be corrected for chance.
    """
    trials = _each_once(once(measured(records)))
    values = np.asarray([trial.score for trial in trials], np.float64)
    if len(trials) < 3 or np.ptp(values) == 0:
        return None
    columns = _columns(trials)
    if not columns:
        return None
    return _analyse(columns, values, {name: _levels(trials, name) for name in columns})


def _each_once(trials: Sequence[TrialRecord]) -> list[TrialRecord]:
    """Return `trials` without those that another went on from, as hyperband's do; all of a grid over epochs.

    In a grid half of the configurations or more were trained for every number of epochs, and those are what is asked
    about; hyperband takes few of them further.
    """
    lengths: dict[str, set[str]] = {}
    for trial in trials:
        names = [name for name in sorted(trial.factors) if not name.endswith("epochs")]
        own = f"{trial.depth} {trial.seed} {configuration(trial, names)}"
        lengths.setdefault(own, set()).add(configuration(trial, sorted(trial.factors.keys() - set(names))))
    every = set().union(*lengths.values())
    is_grid = 2 * sum(found == every for found in lengths.values()) >= len(lengths)
    return list(trials) if is_grid else last_of_rungs(trials)


def _analyse(columns: Mapping[str, Floats], values: Floats, levels: Mapping[str, int]) -> Importance | None:
    fit = _Fit(list(columns.values()), values)
    free = values.size - fit.rank(fit.whole)
    if not free:
        return None
    total, noise = fit.error(frozenset()), fit.error(fit.whole) / free
    added = _mean_over_orders(fit)
    parts = [
        _Part(fit.error(rest) - fit.error(fit.whole), fit.rank(fit.whole) - fit.rank(rest), mean)
        for rest, mean in ((fit.whole - {place}, float(added[place])) for place in range(len(columns)))
    ]
    shares = [
        VarianceShare(name, *_share(part, noise, free, total), levels[name])
        for name, part in zip(columns, parts, strict=True)
    ]
    explained = 1 - fit.error(fit.whole) / total
    together = max(0.0, explained - sum(part.own for part in parts) / total)
    rest = max(0.0, 1 - together - sum(share.share for share in shares))
    return Importance(tuple(sorted(shares, key=lambda each: -each.share)), together, rest, values.size)


class _Fit:
    """Least squares on an intercept and any of the factors, by their places."""

    def __init__(self, columns: Sequence[Floats], values: Floats) -> None:
        basis, triangle = np.linalg.qr(np.hstack([np.ones((values.size, 1)), *columns]))
        self.whole = frozenset(range(len(columns)))
        self._ends = np.cumsum([1, *(each.shape[1] for each in columns)])
        self._triangle, self._values = triangle, basis.T @ values
        self._least = float(np.square(values - basis @ self._values).sum())
        self._known: dict[frozenset[int], tuple[float, int]] = {}

    def error(self, factors: frozenset[int]) -> float:
        """The residual's sum of squares."""
        return self._solved(factors)[0]

    def rank(self, factors: frozenset[int]) -> int:
        """The model's rank, with the intercept."""
        return self._solved(factors)[1]

    def _solved(self, factors: frozenset[int]) -> tuple[float, int]:
        if factors not in self._known:
            places = [0, *(k for each in sorted(factors) for k in range(self._ends[each], self._ends[each + 1]))]
            model = self._triangle[:, places]
            solution, _, rank, _ = np.linalg.lstsq(model, self._values, rcond=_RANK_TOLERANCE)
            self._known[factors] = self._least + float(np.square(self._values - model @ solution).sum()), int(rank)
        return self._known[factors]


@dataclass(frozen=True)
class _Part:
    """One factor's sums of squares: lost without it, of `freedom` columns, and `mean`, added over all orders."""

    lost: float
    freedom: int
    mean: float

    @property
    def own(self) -> float:
        """What is the factor's alone."""
        return max(0.0, min(self.lost, self.mean))


def _mean_over_orders(fit: _Fit) -> Floats:
    """What each factor adds to those before it, as a sum of squares, on average over orders: all, or many drawn."""
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


def _share(part: _Part, noise: float, free: int, total: float) -> tuple[float, float | None, float | None]:
    """Share and interval of one factor."""
    if not part.freedom or part.lost <= 0:
        return 0.0, None, None
    scale = part.own / part.lost
    share = scale * max(0.0, part.lost - part.freedom * noise) / total
    if noise <= 1e-12 * total:
        return share, None, None
    ends = _noncentrality(part.lost / part.freedom / noise, part.freedom, free)
    low, high = (scale * end / (scale * end + (1 - share) * total / noise) for end in ends)
    return share, min(low, share), max(high, share)


def _noncentrality(ratio: float, freedom: int, free: int) -> tuple[float, float]:
    """Interval of the F distribution's noncentrality that an observed `ratio` leaves."""

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


def _columns(trials: Sequence[TrialRecord]) -> dict[str, Floats]:
    """The model's columns by factor; factors with the same columns are one."""
    alike: dict[bytes, tuple[list[str], Floats]] = {}
    for name in [*varying(trials), "depth", _SEED]:
        values = _values(trials, name)
        levels = max(part(values)) + 1
        if levels > 1 and not (name == _SEED and is_scattered(levels, len(trials))):
            columns = encode(values)
            alike.setdefault(columns.tobytes(), ([], columns))[0].append(name)
    return {" = ".join(names): columns for names, columns in alike.values()}


def _levels(trials: Sequence[TrialRecord], name: str) -> int:
    return max(part(_values(trials, name.partition(" = ")[0]))) + 1


def _values(trials: Sequence[TrialRecord], name: str) -> list[Factor]:
    own = {"depth": lambda trial: trial.depth, _SEED: lambda trial: trial.seed}
    return [own[name](trial) if name in own else trial.factor(name) for trial in trials]
