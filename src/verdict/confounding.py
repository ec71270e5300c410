"""Settings that go with depth where a study is pooled, so that their effect would be attributed to depth.

A search gives each trial settings of its own. Where all depths draw them from one distribution, their effect is noise.
Where a tuner refined them at one depth, or where each depth has its own, their effect looks like one of depth. So a
pooled difference is claimed only if it is also shown with the settings in the model beside depth (analysis of
covariance, Fisher 1932; numbers that hardly repeat by their rank and its square), and if at least a third of either
depth's trials lie within the other's range of each setting: beyond that range the model extrapolates.

Simulated (200 to 300 studies; 2 and 3 equal depths, 8 to 40 trials, one rate that matters: evenly, by an optimum,
or by a step): where depths draw their rates from distributions that lean apart, Beta(1, 3) and Beta(3, 1), the pooled
test claims a difference in up to 100% of studies, with the model in up to 38%, and with both in up to 5%; from ones
that do not meet, in up to 100, 100 and 0%; where a tuner stays near the best trial so far, in 27, 7 and 4%. It costs:
of 12 trials at 2 depths six deviations apart, rates drawn at random, 84% claim it in place of all (20 trials: 98%),
and 67% with a second setting that does nothing (94%).
"""

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from src.statistics.best import BestComparison
from src.statistics.design import Floats
from src.statistics.intervals import LEVEL
from src.verdict.encoding import encode
from src.verdict.trials import Factor, TrialRecord, tuned

_LEAST_SHARED = 1 / 3
_MOSTLY = 0.5
_TOLERANCE = 1e-8


def confounded(comparison: BestComparison, trials: Sequence[TrialRecord]) -> NDArray[np.bool_]:
    """Return which differences that `comparison` shows may be the settings', [depths, depths].

    Args:
        comparison: of the pooled `trials`.
        trials: all trials of the facet.
    """
    depths = np.asarray([trial.depth for trial in trials])
    values = np.asarray([trial.score for trial in trials], np.float64)
    settings = [[trial.factor(name) for trial in trials] for name in tuned(trials)]
    levels = comparison.estimate.design.levels
    ratios, free = _adjusted(depths, values, [encode(setting) for setting in settings])
    withheld = np.zeros((len(levels), len(levels)), np.bool_)
    for worse in filter(comparison.is_worse, range(len(levels))):
        best = comparison.best
        overlaps = (_overlap(setting, depths == levels[best], depths == levels[worse]) for setting in settings)
        holds = all(overlaps) and _p(ratios[best, worse], len(levels), free) < 1 - LEVEL
        withheld[[best, worse], [worse, best]] = not holds
    return withheld


def going_with_depth(trials: Sequence[TrialRecord]) -> list[str]:
    """Return the settings with half of their variance or more between depths; if none, the one with most."""
    depths = np.asarray([trial.depth for trial in trials])
    names = tuned(trials)
    between = {name: _between(encode([trial.factor(name) for trial in trials]), depths) for name in names}
    most = max(between.values(), default=0.0)
    return [name for name in names if between[name] >= min(_MOSTLY, most)]


def _adjusted(depths: NDArray[np.int64], values: Floats, settings: Sequence[Floats]) -> tuple[Floats, int]:
    """Return the t-values of the depths' differences beside the settings, [depths, depths], and degrees of freedom.

    A t-value is 0 where the settings leave the difference unknown.
    """
    levels = np.unique(depths)
    model = np.hstack([np.asarray(depths[:, None] == levels, np.float64), *settings])
    inverse = np.linalg.pinv(model, rcond=_TOLERANCE)
    free, size = len(values) - int(np.linalg.matrix_rank(model, tol=_TOLERANCE)), levels.size
    if free < 1:
        return np.zeros((size, size)), free
    solution = inverse @ values
    deviation = float(np.sqrt(np.square(values - model @ solution).sum() / free))
    differences = np.eye(model.shape[1])[:size, None] - np.eye(model.shape[1])[None, :size]
    known = np.isclose(differences @ (inverse @ model), differences, atol=1e-6).all(axis=2)
    errors = deviation * np.linalg.norm(differences @ inverse, axis=2)
    return np.where(known, differences @ solution / np.maximum(errors, np.finfo(np.float64).tiny), 0.0), free


def _p(ratio: float, depths: int, free: int) -> float:
    """Return the p-value of a t-value by Tukey's range test over all pairs; 1 where it is not positive."""
    return float(stats.studentized_range.sf(ratio * math.sqrt(2), depths, free)) if ratio > 0 else 1.0


def _overlap(values: Sequence[Factor], one: NDArray[np.bool_], other: NDArray[np.bool_]) -> bool:
    """Return whether enough of either depth's trials have values within the other's range, or equal texts."""
    if any(isinstance(value, str) for value in values):
        texts = np.asarray([str(value) for value in values])
        shared = np.isin(texts[one], texts[other]).mean(), np.isin(texts[other], texts[one]).mean()
        return bool(min(shared) >= _LEAST_SHARED)
    numbers = np.asarray(values, np.float64)
    return all(
        np.mean((numbers[mine] >= numbers[its].min()) & (numbers[mine] <= numbers[its].max())) >= _LEAST_SHARED
        for mine, its in ((one, other), (other, one))
    )


def _between(columns: Floats, depths: NDArray[np.int64]) -> float:
    """Return which part of the columns' variance lies between depths, 0–1."""
    centred = columns - columns.mean(axis=0)
    means = [centred[depths == depth].mean(axis=0) for depth in depths]
    return float(np.square(means).sum() / np.square(centred).sum())
