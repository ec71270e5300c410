"""How much the best of many validation scores flatters."""

import functools
import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import integrate, stats

_DRAWS = 10_000


@dataclass(frozen=True)
class SelectionBias:
    """By how much the winner's validation mean lies above what its configuration is worth, on average; 0–1.

    Attributes:
        choices: how many means the winner was picked from.
        estimate: expected excess over the winner's own mean over all seeds, on the same validation photos.
        at_most: were all choices equally good: the expected largest of so many means, in excess.
    """

    choices: int
    estimate: float
    at_most: float


@functools.cache
def expected_maximum(count: int) -> float:
    """Expected largest of `count` independent standard normal numbers (Tippett 1925, Biometrika 17:364).

    >>> round(expected_maximum(2), 6) == round(1 / math.pi**0.5, 6)
    True
    """
    if count < 2:
        return 0.0

    def density(x: float) -> float:
        return x * count * float(stats.norm.pdf(x)) * float(stats.norm.cdf(x)) ** (count - 1)

    return float(integrate.quad(density, -9, 9)[0])


def selection_bias(means: Sequence[float], standard_error: float, *, seed: int = 0) -> SelectionBias | None:
    """The flattery of the largest of `means`, each with `standard_error`, by parametric bootstrap.

    Studies are drawn from true means as they may be: the observed ones drawn together by as much as their scatter is
    noise (Efron and Morris 1975, JASA 70:311), because observed means lie further apart than true ones, and further
    apart means less flattery (Cawley and Talbot 2010, JMLR 11:2079, on the bias itself).

    Args:
        means: what the winner was picked from, 0–1.
        standard_error: of one mean, with the seeds' common part taken out, 0–1.
        seed: of the draws.

    Returns:
        None where the standard error is unknown or there is no mean.
    """
    if not means or not math.isfinite(standard_error):
        return None
    observed = np.asarray(means, np.float64)
    true = observed.mean() + _share_that_is_real(observed, standard_error) * (observed - observed.mean())
    drawn = true + standard_error * np.random.default_rng(seed).standard_normal((_DRAWS, true.size))
    excess = drawn.max(axis=1) - true[drawn.argmax(axis=1)]
    at_most = standard_error * expected_maximum(true.size)
    return SelectionBias(true.size, float(np.clip(excess.mean(), 0, at_most)), at_most)


def _share_that_is_real(observed: np.ndarray[tuple[int, ...], np.dtype[np.float64]], error: float) -> float:
    """The factor by which means are drawn towards each other: 0 where noise explains all their scatter."""
    variance = float(observed.var(ddof=1)) if observed.size > 1 else 0.0
    return math.sqrt(max(0.0, 1 - error**2 / variance)) if variance > 0 else 0.0
