"""The selection bias of the best of many validation scores."""

import functools
import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import stats

_DRAWS = 10_000


@dataclass(frozen=True)
class SelectionBias:
    """The expected excess of the winner's validation mean over its true one, on the same validation images; 0–1.

    Attributes:
        estimate: over the mean of all seeds.
        at_most: the same if all choices are equally good.
    """

    estimate: float
    at_most: float


@functools.cache
def expected_maximum(count: int) -> float:
    """Return the expected largest of `count` independent standard normal numbers (Tippett 1925, Biometrika 17:364).

    >>> round(expected_maximum(2), 6) == round(1 / math.pi**0.5, 6)
    True
    """
    if count < 2:
        return 0.0
    return float(stats.norm.expect(lambda x: x * count * stats.norm.cdf(x) ** (count - 1), lb=-9, ub=9))


def selection_bias(means: Sequence[float], standard_error: float) -> SelectionBias | None:
    """Return the selection bias of the largest of `means`, each with `standard_error`, by parametric bootstrap.

    The true means are taken to be the observed ones, shrunk by as much as their scatter is noise (Efron and Morris
    1975, JASA 70:311): observed means lie further apart, which would make the bias (Cawley and Talbot 2010, JMLR
    11:2079) look smaller.

    Args:
        means: what the winner was picked from, 0–1.
        standard_error: of one mean, without the seeds' common effect, 0–1.

    Returns:
        None where the standard error is unknown or there is no mean.
    """
    if not means or not math.isfinite(standard_error):
        return None
    observed = np.asarray(means, np.float64)
    variance = observed.var(ddof=1) if observed.size > 1 else 0.0
    real = math.sqrt(max(0.0, 1 - standard_error**2 / float(variance))) if variance > 0 else 0.0
    true = observed.mean() + real * (observed - observed.mean())
    drawn = true + standard_error * np.random.default_rng(0).standard_normal((_DRAWS, true.size))
    excess = drawn.max(axis=1) - true[drawn.argmax(axis=1)]
    at_most = standard_error * expected_maximum(true.size)
    return SelectionBias(float(np.clip(excess.mean(), 0, at_most)), at_most)
