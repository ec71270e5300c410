"""Which depth was trained with which seed, and the arithmetic that follows: a two-way additive model.

The model is ``value = depth + seed + noise``. Seeds are blocks, because trials that share a seed share the head's
start, the order of batches and mostly the first phase. One variance is pooled over depths, which is what makes two to
five seeds speak.
"""

import functools
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import optimize, stats

from src.statistics.intervals import LEVEL

Floats = NDArray[np.float64]
_LEAST_DEVIATION = 1e-9


class Observation(NamedTuple):
    """One trial's part in a comparison: `value` is an accuracy in 0–1."""

    depth: int
    seed: int
    value: float


@dataclass(frozen=True)
class Design:
    """Which depth was trained with which seed: all that the comparison's arithmetic follows from.

    Attributes:
        levels: the depths, rising.
        counts: trials of each depth.
        paired: whether seeds are blocks. They are where seeds shared by depths tie all depths together and leave at
            least half of the degrees of freedom that trials without pairing would have; this follows from the design
            alone, never from the values.
        freedom: the residual's degrees of freedom.
        members: which depth each trial is of, 0 or 1, [trials, depths].
        solve: values to the depths' means at an average seed, [depths, trials].
        project: values to residuals, [trials, trials].
        errors: standard errors of differences of means in units of the residual's deviation, [depths, depths].
    """

    levels: tuple[int, ...]
    counts: tuple[int, ...]
    paired: bool
    freedom: int
    members: Floats
    solve: Floats
    project: Floats
    errors: Floats

    @property
    def own_freedom(self) -> Floats:
        """Each depth's part of the degrees of freedom, [depths]."""
        return np.asarray(np.diag(self.project) @ self.members)

    def means(self, values: Floats) -> Floats:
        """The depths' means at an average seed, [..., depths], of `values` [..., trials]."""
        return values @ self.solve.T

    def deviation(self, values: Floats, resolution: float = 0.0) -> Floats:
        """The residual's standard deviation, [...], of `values` [..., trials]; NaN without degrees of freedom.

        Accuracies come in steps of `resolution` (one photo). Equal ones can hide a scatter below a step: the variance
        of rounding, resolution² / 12 (Sheppard 1898), is the least that is believed.
        """
        if not self.freedom:
            return np.full(values.shape[:-1], np.nan)
        variance = np.square(values @ self.project.T).sum(axis=-1) / self.freedom
        least = max(_LEAST_DEVIATION**2, resolution**2 / 12)
        return np.asarray(np.sqrt(np.maximum(variance, least)))


@dataclass(frozen=True)
class Sample:
    """Trials as arrays [trials]: their depths, seeds and values."""

    depths: NDArray[np.int64]
    seeds: NDArray[np.int64]
    values: Floats

    @property
    def design(self) -> Design:
        """The trials' design."""
        return make_design(tuple(self.depths.tolist()), tuple(self.seeds.tolist()))

    @property
    def squares(self) -> float:
        """The residual's sum of squares."""
        return float(np.square(self.design.project @ self.values).sum())

    def without(self, depths: Iterable[int]) -> "Sample":
        """The trials of other depths."""
        kept = ~np.isin(self.depths, list(depths))
        return Sample(self.depths[kept], self.seeds[kept], self.values[kept])


def make_sample(observations: Sequence[Observation]) -> Sample:
    """The arrays of `observations`."""
    depths, seeds, values = (np.asarray(column) for column in zip(*observations, strict=True))
    return Sample(depths.astype(np.int64), seeds.astype(np.int64), values.astype(np.float64))


@functools.lru_cache(maxsize=512)
def make_design(depths: tuple[int, ...], seeds: tuple[int, ...]) -> Design:
    """The design of trials with these `depths` and `seeds`, in the order that values will come in."""
    depth_columns, seed_columns = _indicators(depths), _indicators(seeds)
    blocks = np.hstack([depth_columns, seed_columns[:, :-1] - seed_columns[:, -1:]])
    trials, levels = depth_columns.shape
    free_alone, free_paired = trials - levels, trials - blocks.shape[1]
    paired = (
        seed_columns.shape[1] > 1
        and free_paired >= max(1, free_alone / 2)
        and int(np.linalg.matrix_rank(blocks)) == blocks.shape[1]
    )
    columns = blocks if paired else depth_columns
    inverse: Floats = np.asarray(np.linalg.pinv(columns), np.float64)
    covariance = (inverse @ inverse.T)[:levels, :levels]
    spread = np.diag(covariance)
    return Design(
        levels=tuple(sorted(set(depths))),
        counts=tuple(int(count) for count in depth_columns.sum(axis=0)),
        paired=paired,
        freedom=free_paired if paired else free_alone,
        members=depth_columns,
        solve=inverse[:levels],
        project=np.eye(trials) - columns @ inverse,
        errors=np.sqrt(np.maximum(spread[:, None] + spread - 2 * covariance, 0)),
    )


def least_within_one_error(means: Floats, errors: Floats) -> NDArray[np.intp]:
    """Position of the least depth whose mean lies within one standard error of the best mean.

    The one-standard-error rule (Breiman et al. 1984, sec. 3.4.3; Hastie, Tibshirani and Friedman, ESL, sec. 7.10).
    The standard error is that of *a mean* with the seeds' common part taken out: that of the difference to the best,
    divided by √2. Where every depth has n seeds it is the residual's deviation / √n.

    Args:
        means: [..., depths], depths rising.
        errors: standard errors of differences, [..., depths, depths].
    """
    best = means.argmax(axis=-1)[..., None]
    gaps = np.take_along_axis(means, best, -1) - means
    allowed = np.take_along_axis(errors, best[..., None], -2)[..., 0, :] / math.sqrt(2)
    return np.asarray((gaps <= allowed).argmax(axis=-1))


@functools.cache
def critical_t(depths: int, freedom: int) -> float:
    """What |difference| / standard error must exceed to be shown among all pairs of `depths`.

    The studentized range's bound / √2. It lies between one pair's t and Bonferroni's, which spares scipy its search.
    """
    alone, bonferroni = stats.t.isf((1 - LEVEL) / 2 / np.asarray([1, math.comb(depths, 2)]), freedom)
    if depths == 2:
        return float(alone)

    def lacking(t: float) -> float:
        return float(stats.studentized_range.sf(t * math.sqrt(2), depths, freedom)) - (1 - LEVEL)

    return float(optimize.brentq(lacking, alone, bonferroni, xtol=1e-9))


def _indicators(labels: Sequence[int]) -> Floats:
    return np.asarray(np.asarray(labels)[:, None] == np.unique(labels), np.float64)
