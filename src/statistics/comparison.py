"""Depths compared, all pairs at once.

All pairs are judged together by the studentized range (Tukey 1949, Biometrics 5:99; Kramer 1956, Biometrics 12:307, for
unequal counts) over the two-way model's pooled variance, so that where all depths are equal *any* difference is claimed
in 5 % of studies, whatever pair looked best. The best depth picked first and tested then by paired t with Holm's
correction claims one in 6–9 % (3–6 depths): picking inflates.
"""

import itertools
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from src.statistics.design import (
    Design,
    Floats,
    Observation,
    Sample,
    critical_t,
    least_within_one_error,
    make_sample,
)
from src.statistics.duplicate_depths import duplicate_depths
from src.statistics.intervals import Interval
from src.statistics.unequal_variance import added_deviation, collapsed


@dataclass(frozen=True)
class Comparison:
    """Depths compared pair by pair; a place is a depth's position in `design.levels`.

    Attributes:
        means: at an average seed, [depths].
        deviation: of a trial's value once depth and seed are taken out; NaN where nothing was repeated.
        unsteady: places of depths that scatter more than the rest and are judged by their own deviation.
        own_deviation: theirs; NaN where there are none.
        errors: standard errors of differences, [depths, depths]; NaN where nothing was repeated.
        freedom: the errors' degrees of freedom, [depths, depths].
        copies: places of depths that agree with a lesser one with every seed, so that both count once in the deviation.
        withheld: pairs of which nothing is claimed, since other settings went with depth, [depths, depths].
    """

    design: Design
    means: Floats
    deviation: float
    unsteady: tuple[int, ...]
    own_deviation: float
    errors: Floats
    freedom: NDArray[np.int64]
    duplicate_depths: tuple[int, ...]
    withheld: NDArray[np.bool_]

    @property
    def testable(self) -> bool:
        """Whether there are two depths and a spread to judge them by."""
        return len(self.means) > 1 and self.design.freedom > 0

    @property
    def best(self) -> int:
        """Place of the best mean; the least depth of equal ones."""
        return int(self.means.argmax())

    @property
    def named(self) -> int:
        """Place of the depth that the one-standard-error rule names; without a spread, the best."""
        return int(least_within_one_error(self.means, self.errors)) if self.testable else self.best

    @property
    def standard_error(self) -> float:
        """Of one mean, the best, seeds' common part taken out; NaN where nothing was repeated."""
        if not self.testable:
            return self.deviation / math.sqrt(self.design.counts[0])
        to_best = np.delete(self.errors[self.best], self.best)
        error = to_best.min() if self.named == self.best else self.errors[self.best, self.named]
        return float(error) / math.sqrt(2)

    @property
    def clearest(self) -> tuple[int, int]:
        """The pair (better, worse) whose difference is largest, measured by what would be needed to show it.

        Of pairs that are not withheld, where there are such.

        Raises:
            ValueError: one depth alone.
        """
        return max(self._pairs(), key=lambda pair: (not self.withheld[pair], self._ratio(*pair)))

    @property
    def clearest_withheld(self) -> tuple[int, int]:
        """The same of pairs that are withheld.

        Raises:
            ValueError: none is.
        """
        return max((pair for pair in self._pairs() if self.withheld[pair]), key=lambda pair: self._ratio(*pair))

    def shown(self, better: int, worse: int) -> bool:
        """Whether it is shown that one place is better than another."""
        claimed = self.testable and not self.withheld[better, worse]
        return claimed and self._gap(better, worse) > self._needed(better, worse)

    def p(self, one: int, other: int) -> float | None:
        """p-value of a difference, adjusted over all pairs; None where nothing can be tested, or claimed."""
        if not self.testable or one == other or self.withheld[one, other]:
            return None
        ratio = abs(self._gap(one, other)) / float(self.errors[one, other]) * math.sqrt(2)
        p = float(stats.studentized_range.sf(ratio, len(self.means), int(self.freedom[one, other])))
        return min(1.0, max(0.0, p))

    def difference(self, one: int, other: int) -> Interval:
        """Mean of `one` minus that of `other`; its interval holds for all pairs at once."""
        gap, count = self._gap(one, other), min(self.design.counts[one], self.design.counts[other])
        if not self.testable or self.withheld[one, other]:
            return Interval(gap, None, None, count)
        half = self._needed(one, other)
        return Interval(gap, gap - half, gap + half, count)

    def _pairs(self) -> list[tuple[int, int]]:
        return [(one, other) for other, one in itertools.permutations(range(len(self.means)), 2)]

    def _ratio(self, better: int, worse: int) -> float:
        return self._gap(better, worse) / self._needed(better, worse)

    def _gap(self, one: int, other: int) -> float:
        return float(self.means[one] - self.means[other])

    def _needed(self, one: int, other: int) -> float:
        """The difference above which one is shown."""
        return critical_t(len(self.means), int(self.freedom[one, other])) * float(self.errors[one, other])


def compare(observations: Sequence[Observation], resolution: float = 0.0) -> Comparison:
    """Compare the depths of `observations`.

    Args:
        observations: a trial each; depths and seeds in any order and number.
        resolution: the step that values come in: 1 / validation photos, or 0 where unknown.

    Raises:
        ValueError: no observation.
    """
    if not observations:
        raise ValueError("a comparison needs at least one trial")
    sample = make_sample(observations)
    design, copied = sample.design, duplicate_depths(sample, resolution)
    own = sample.without(copied)
    deviation = float(own.design.deviation(own.values, resolution))
    even = Comparison(
        design=design,
        means=design.means(sample.values),
        deviation=deviation,
        unsteady=(),
        own_deviation=math.nan,
        errors=deviation * design.errors,
        freedom=np.full(design.errors.shape, own.design.freedom),
        duplicate_depths=_places(design, copied),
        withheld=np.zeros(design.errors.shape, np.bool_),
    )
    wide = collapsed(own, resolution)
    wide += [depth for depth, original in copied.items() if original in wide]
    return _set_apart(even, sample, wide, resolution) if wide else even


def _set_apart(even: Comparison, sample: Sample, wide: Sequence[int], resolution: float) -> Comparison:
    """Steady depths compared by themselves; pairs with an unsteady one by the unsteady ones' deviation."""
    rest, levels = sample.without(wide), np.asarray(even.design.levels)
    copied = levels[list(even.duplicate_depths)].tolist()
    once = rest.without(copied)
    deviation = float(once.design.deviation(once.values, resolution))
    own, own_freedom = added_deviation(sample.without(copied), once)
    steady = np.flatnonzero(~np.isin(levels, wide))
    square = np.ix_(steady, steady)
    means, errors, freedom = even.means.copy(), own * even.design.errors, np.full_like(even.freedom, own_freedom)
    means[steady] = rest.design.means(rest.values)
    errors[square], freedom[square] = deviation * rest.design.errors, once.design.freedom
    return replace(
        even, means=means, deviation=deviation, unsteady=_places(even.design, wide), own_deviation=own, errors=errors,
        freedom=freedom,
    )  # fmt: skip


def _places(design: Design, depths: Iterable[int]) -> tuple[int, ...]:
    return tuple(int(place) for place in np.flatnonzero(np.isin(design.levels, list(depths))))
