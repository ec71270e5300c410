"""How much of a metric's variance each hyperparameter accounts for.

Analysis of variance with main effects, as in functional ANOVA (Hutter, Hoos and Leyton-Brown 2014, ICML), but by least
squares on the trials themselves. A factor's share is what the model loses without it (type II sums of squares, Yates
1934, JASA 29:51), less what as many random columns would have taken (epsilon squared, Kelley 1935, PNAS 21:554). In a
grid the shares add up; where trials are unbalanced, what two factors explain together is given to neither and told
apart. Intervals invert the noncentral F distribution (Steiger 2004, Psychological Methods 9:164): resampling a grid's
trials would tear the grid, and make noise look like effects.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from scipy import optimize, stats

from src.verdict.design import Floats
from src.verdict.intervals import LEVEL
from src.verdict.records import VALIDATION, Factor, TrialRecord, measured, once, varying

_SEED = "seed"


@dataclass(frozen=True)
class Share:
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

    shares: tuple[Share, ...]
    together: float
    rest: float
    trials: int


def importance(records: Sequence[TrialRecord], metric: str = VALIDATION) -> Importance | None:
    """The shares of all varying hyperparameters, of depth and of seed in the variance of `metric`.

    Returns:
        None where fewer than three trials were measured, nothing varies or the metric does not, and where no degree of
        freedom is left to know the noise by: shares could not be corrected for chance.
    """
    trials = once(measured(records, metric))
    values = np.asarray([trial.metrics[metric] for trial in trials], np.float64)
    if len(trials) < 3 or np.ptp(values) == 0:
        return None
    columns = _columns(trials)
    if not columns:
        return None
    return _analyse(columns, values, {name: _levels(trials, name) for name in columns})


def _analyse(columns: Mapping[str, Floats], values: Floats, levels: Mapping[str, int]) -> Importance | None:
    total = float(np.square(values - values.mean()).sum())
    error, rank = _residual(list(columns.values()), values)
    free = values.size - rank
    if not free:
        return None
    noise = error / free
    squares, freedom = {}, {}
    for name in columns:
        without, rank_without = _residual([each for other, each in columns.items() if other != name], values)
        squares[name], freedom[name] = without - error, rank - rank_without
    shift = {name: _shift(squares[name], freedom[name], noise) for name in columns}
    shares = [Share(name, *_share(name, squares, freedom, shift, noise, free, total), levels[name]) for name in columns]
    together = max(0.0, (total - error - sum(squares.values())) / total)
    rest = max(0.0, 1 - together - sum(share.share for share in shares))
    return Importance(tuple(sorted(shares, key=lambda each: -each.share)), together, rest, values.size)


def _share(
    name: str,
    squares: Mapping[str, float],
    freedom: Mapping[str, int],
    shift: Mapping[str, float],
    noise: float,
    free: int,
    total: float,
) -> tuple[float, float | None, float | None]:
    """Share and interval of one factor, given every factor's sum of squares and noncentrality."""
    if not freedom[name]:
        return 0.0, None, None
    share = max(0.0, squares[name] - freedom[name] * noise) / total
    if noise <= 1e-12 * total:
        return share, None, None
    others = sum(shift.values()) - shift[name] + sum(freedom.values()) + free
    ends = _noncentrality(squares[name] / freedom[name] / noise, freedom[name], free)
    low, high = (end / (end + others) for end in ends)
    return share, min(low, share), max(high, share)


def _shift(squares: float, freedom: int, noise: float) -> float:
    """Unbiased-in-large-samples estimate of the noncentrality: the sum of squares beyond chance, in noise."""
    return max(0.0, squares / noise - freedom) if noise > 0 else 0.0


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


def _residual(columns: Sequence[Floats], values: Floats) -> tuple[float, int]:
    """Residual sum of squares and rank of the model with an intercept and `columns`."""
    model = np.hstack([np.ones((values.size, 1)), *columns])
    solution, _, rank, _ = np.linalg.lstsq(model, values, rcond=None)
    return float(np.square(values - model @ solution).sum()), int(rank)


def _columns(trials: Sequence[TrialRecord]) -> dict[str, Floats]:
    """The model's columns by factor; factors that part the trials alike are one factor."""
    alike: dict[tuple[int, ...], list[str]] = {}
    for name in [*varying(trials), "depth", _SEED]:
        parts = _parts(trials, name)
        scattered = _is_scattered(len(set(parts)), len(trials))
        if max(parts) > 0 and not (name == _SEED and scattered):
            alike.setdefault(parts, []).append(name)
    return {" = ".join(names): _encode([_value(trial, names[0]) for trial in trials]) for names in alike.values()}


def _encode(values: Sequence[Factor]) -> Floats:
    """A column for each value but one; a number that hardly repeats enters as its rank and the rank's square."""
    numbers = [value for value in values if not isinstance(value, str)]
    if len(numbers) == len(values) and _is_scattered(len(set(values)), len(values)):
        rank = stats.rankdata(np.asarray(numbers, np.float64), method="dense")
        centred = (rank - rank.mean()) / np.ptp(rank)
        return np.stack([centred, centred**2], axis=1)
    texts = np.asarray([str(value) for value in values])
    return np.asarray(texts[:, None] == np.unique(texts)[1:], np.float64)


def _is_scattered(levels: int, trials: int) -> bool:
    return 2 * levels > trials


def _parts(trials: Sequence[TrialRecord], name: str) -> tuple[int, ...]:
    """The trials' values of a factor, numbered as they first appear."""
    numbers: dict[str, int] = {}
    return tuple(numbers.setdefault(str(_value(trial, name)), len(numbers)) for trial in trials)


def _levels(trials: Sequence[TrialRecord], name: str) -> int:
    return len(set(_parts(trials, name.partition(" = ")[0])))


def _value(trial: TrialRecord, name: str) -> Factor:
    return trial.depth if name == "depth" else trial.seed if name == _SEED else trial.factor(name)
