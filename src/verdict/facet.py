"""A facet of a study: its trials reduced to depth and seed, and the depths compared."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from src.statistics.best import BestComparison, compare_with_best, mean_interval
from src.statistics.design import Floats
from src.statistics.influence import influences
from src.statistics.intervals import Interval
from src.statistics.mrmc import Scores, estimate
from src.verdict.confounding import confounded, going_with_depth
from src.verdict.reduction import Reduction, reduce_to_depth
from src.verdict.trials import TrialRecord, judged_by


@dataclass(frozen=True)
class Facet:
    """The comparison that a verdict rests on; a *place* is a depth's position among the depths, rising.

    Attributes:
        label: the hyperparameters that keep it apart, as they would be typed; empty where there is one facet.
        study: the name of the study that it is of; empty where there is none, or more than one.
        withheld: pairs of depths whose difference may be of settings that went with depth, [depths, depths].
    """

    label: str
    reduction: Reduction
    scores: Scores
    comparison: BestComparison
    withheld: NDArray[np.bool_]
    study: str = ""

    @property
    def depths(self) -> tuple[int, ...]:
        """The canonical depths, rising."""
        return self.comparison.estimate.design.levels

    @property
    def is_testable(self) -> bool:
        """Whether there are two depths, and images or repetitions to judge them by."""
        return len(self.depths) > 1 and bool(self.scores.cases or self.freedom)

    @property
    def freedom(self) -> int:
        """Degrees of freedom of what seeds do; 0 where no depth is repeated."""
        return self.comparison.estimate.design.freedom

    @property
    def counts(self) -> tuple[int, ...]:
        """Trials at each depth."""
        return self.comparison.estimate.design.counts

    @property
    def is_paired(self) -> bool:
        """Whether the depths are compared seed by seed."""
        return self.comparison.estimate.design.paired

    @property
    def going_with_depth(self) -> list[str]:
        """The settings that differ between the depths."""
        return going_with_depth(self.reduction.trials)

    @cached_property
    def worse(self) -> tuple[int, ...]:
        """Places of depths that are clearly worse than the best."""
        if not self.is_testable:
            return ()
        best, found = self.comparison.best, self.comparison.is_worse
        return tuple(place for place in range(len(self.depths)) if found(place) and not self.withheld[place, best])

    @property
    def standard_error(self) -> float:
        """Of one mean, over seeds and images, seeds' common part taken out; NaN where nothing was repeated."""
        if not self.freedom:
            return math.nan
        best, errors = self.comparison.best, self.comparison.errors
        others = np.delete(errors[best], best) if len(self.depths) > 1 else errors[0] * math.sqrt(2)
        return float(np.median(others)) / math.sqrt(2)

    @property
    def deviation(self) -> float:
        """Of a trial's score once depth and seed are taken out; NaN where nothing was repeated."""
        design = self.comparison.estimate.design
        squares = np.square(design.project @ self.scores.values).sum()
        return math.sqrt(squares / design.freedom) if design.freedom else math.nan

    def mean(self, place: int) -> float:
        """Validation mean at an average seed, 0–1."""
        return float(self.comparison.estimate.means[place])

    def interval(self, place: int) -> Interval:
        """The mean of a depth's own trials, with its interval for new images and seeds."""
        return mean_interval(self.scores, self.depths[place])

    def to_best(self, place: int) -> Interval:
        """The depth's mean minus the best one's; no interval where nothing can be tested, or claimed."""
        found, best = self.comparison.difference(place), self.comparison.best
        if not self.is_testable or self.withheld[place, best]:
            return Interval(found.estimate, None, None, found.count)
        return found

    def pair(self, one: int, other: int) -> Interval:
        """Return the mean of the depth `one` minus that of `other`; its interval holds for all pairs at once."""
        return self.comparison.pair(self.depths.index(one), self.depths.index(other))

    def is_whole(self, depth: int) -> bool:
        """Return whether the whole backbone trains at a depth."""
        return any(trial.whole for trial in self.reduction.trials if trial.depth == depth)

    def trials(self, place: int) -> list[TrialRecord]:
        """The trials at a place."""
        return [trial for trial in self.reduction.trials if trial.depth == self.depths[place]]


def make_facet(label: str, trials: Sequence[TrialRecord], study: str = "") -> Facet:
    """Reduce measured `trials` and compare their depths.

    Raises:
        ValueError: no trial.
    """
    reduction = reduce_to_depth(trials)
    scores = _scores(reduction, image_step(trials))
    comparison = compare_with_best(estimate(scores))
    size = len(comparison.estimate.means)
    withheld = confounded(comparison, reduction.trials) if reduction.pooled else np.zeros((size, size), np.bool_)
    return Facet(label, reduction, scores, comparison, withheld, study)


def image_step(trials: Sequence[TrialRecord]) -> float:
    """The step that validation accuracies of `trials` come in: 1 / images, the coarsest; 0 where unknown.

    By so much an image moves balanced accuracy, too, on average over the images, and about so much macro F1.
    """
    return max((1 / trial.val_images for trial in trials if trial.val_images), default=0.0)


def _scores(reduction: Reduction, step: float) -> Scores:
    """Return the scores of a facet's trials; without influences where nothing can be said of other images.

    That is where a trial has no predictions, and where trials were validated on different images, as with another
    `data.split_seed`.
    """
    trials = reduction.trials
    return Scores(
        depths=np.array([trial.depth for trial in trials], np.int64),
        seeds=np.array(reduction.seeds, np.int64),
        values=np.array([trial.score for trial in trials], np.float64),
        influences=_influences(trials) if _share_images(trials) else None,
        step=step,
    )


def _share_images(trials: Sequence[TrialRecord]) -> bool:
    found = [trial.predictions for trial in trials]
    first = found[0]
    return first is not None and all(each is not None and np.array_equal(each.images, first.images) for each in found)


def _influences(trials: Sequence[TrialRecord]) -> Floats:
    """Return what each case adds to each trial's score, float64 [trials, cases]."""
    compute = judged_by(trials).compute
    known = [trial.predictions for trial in trials if trial.predictions is not None]
    cases = np.unique(known[0].groups, return_inverse=True)[1]
    return np.array([
        influences(compute, each.labels.astype(np.int64), each.predicted.astype(np.int64), cases) for each in known
    ])  # fmt: skip
