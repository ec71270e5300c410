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


def confounded(comparison: BestComparison, trials: Sequence[TrialRecord]) -> set[int]:
    """Return the places of depths that `comparison` shows to be worse where settings may be why.

    Args:
        comparison: of the pooled `trials`.
        trials: all trials of the facet.
    """
    depths = np.asarray([trial.depth for trial in trials])
    values = np.asarray([trial.score for trial in trials], np.float64)
    settings = [[trial.factor(name) for trial in trials] for name in tuned(trials)]
    of_depth, best = [depths == level for level in np.unique(depths)], comparison.best
    p_values = _adjusted(values, of_depth, best, [encode(setting) for setting in settings])
    return {
        worse
        for worse in filter(comparison.is_worse, range(len(of_depth)))
        if p_values[worse] >= 1 - LEVEL
        or not all(_overlap(setting, of_depth[best], of_depth[worse]) for setting in settings)
    }


def going_with_depth(trials: Sequence[TrialRecord]) -> list[str]:
    """Return the settings with half of their variance or more between depths; if none, the one with most."""
    depths = np.asarray([trial.depth for trial in trials])
    names = tuned(trials)
    between = {name: _between(encode([trial.factor(name) for trial in trials]), depths) for name in names}
    most = max(between.values(), default=0.0)
    return [name for name in names if between[name] >= min(_MOSTLY, most)]


def _adjusted(values: Floats, of_depth: Sequence[NDArray[np.bool_]], best: int, settings: Sequence[Floats]) -> Floats:
    """Return the p-values of the best depth's differences beside the settings, by Tukey's range test, [depths].

    A p-value is 1 where the settings leave the difference unknown.
    """
    model, size = np.hstack([np.stack(of_depth, axis=1).astype(np.float64), *settings]), len(of_depth)
    inverse = np.linalg.pinv(model, rcond=_TOLERANCE)
    free = len(values) - int(np.linalg.matrix_rank(model, tol=_TOLERANCE))
    if free < 1:
        return np.ones(size)
    solution = inverse @ values
    deviation = float(np.sqrt(np.square(values - model @ solution).sum() / free))
    differences = np.eye(model.shape[1])[best] - np.eye(model.shape[1])[:size]
    known = np.isclose(differences @ (inverse @ model), differences, atol=1e-6).all(axis=1)
    errors = np.maximum(deviation * np.linalg.norm(differences @ inverse, axis=1), np.finfo(np.float64).tiny)
    ratios = np.where(known, np.maximum(differences @ solution / errors, 0), 0)
    return np.asarray(stats.studentized_range.sf(ratios * math.sqrt(2), size, free))


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
