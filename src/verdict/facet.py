"""A facet of a study: its trials reduced to depth and seed, and its depths compared."""

import math
from collections.abc import Sequence, Set
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from src.statistics.best import BestComparison, compare_with_best, mean_interval
from src.statistics.design import Design, Floats
from src.statistics.influence import influences
from src.statistics.intervals import Interval
from src.statistics.mrmc import Scores, estimate
from src.verdict.confounding import confounded, going_with_depth
from src.verdict.cost import median_seconds
from src.verdict.reduction import Reduction, reduce_to_depth
from src.verdict.trials import TrialRecord, judged_by


@dataclass(frozen=True)
class DepthRow:
    """One depth of a study.

    Attributes:
        depth: canonical, layers from the end.
        block: the first block that trains; empty where none does.
        parameters: how many of the backbone's train.
        seconds: the median duration of a trial's phases; None where unknown.
        score: validation mean and its interval for new images and seeds, 0–1.
        to_best: this depth's mean minus the best one's; its interval holds for all depths at once. No interval where
            nothing can be tested, or claimed.
        is_worse: whether that interval lies below 0.
    """

    depth: int
    block: str
    parameters: int
    seconds: float | None
    score: Interval
    to_best: Interval
    is_worse: bool


@dataclass(frozen=True)
class Facet:
    """The comparison of a verdict; a *place* is a depth's position among the depths, rising.

    Attributes:
        withheld: the places of depths whose difference to the best is not claimed: it is confounded with settings, or
            these trials chose the settings.
    """

    reduction: Reduction
    scores: Scores
    comparison: BestComparison
    withheld: Set[int]

    @property
    def depths(self) -> tuple[int, ...]:
        """Return the canonical depths, rising."""
        return self.design.levels

    @property
    def design(self) -> Design:
        """Return the depth and seed of each trial, as the model has them."""
        return self.comparison.estimate.design

    @property
    def is_testable(self) -> bool:
        """Return whether there are two depths, and images or repetitions to compare them by."""
        return len(self.depths) > 1 and bool(self.scores.cases or self.design.freedom)

    @property
    def going_with_depth(self) -> list[str]:
        """Return the settings that differ between the depths."""
        return going_with_depth(self.reduction.trials)

    @cached_property
    def worse(self) -> tuple[int, ...]:
        """Return the places of depths that are clearly worse than the best."""
        if not self.is_testable:
            return ()
        places = filter(self.comparison.is_worse, range(len(self.depths)))
        return tuple(place for place in places if place not in self.withheld)

    @property
    def standard_error(self) -> float:
        """Return the standard error of a mean without the seeds' common effect, 0–1; NaN without repetitions."""
        if not self.design.freedom:
            return math.nan
        best, errors = self.comparison.best, self.comparison.errors
        others = np.delete(errors[best], best) if len(self.depths) > 1 else errors[0] * math.sqrt(2)
        return float(np.median(others)) / math.sqrt(2)

    @property
    def deviation(self) -> float:
        """Return the residual standard deviation of a score, without depth and seed, 0–1; NaN without repetitions."""
        squares, freedom = np.square(self.design.project @ self.scores.values).sum(), self.design.freedom
        return math.sqrt(squares / freedom) if freedom else math.nan

    def row(self, place: int) -> DepthRow:
        """Return what is known of the depth at a place."""
        trials, to_best = self.trials(place), self.comparison.difference(place)
        if not self.is_testable or place in self.withheld:
            to_best = replace(to_best, low=None, high=None)
        return DepthRow(
            depth=self.depths[place],
            block=trials[0].block,
            parameters=trials[0].parameters,
            seconds=median_seconds(trials),
            score=mean_interval(self.scores, self.depths[place]),
            to_best=to_best,
            is_worse=place in self.worse,
        )

    def pair(self, one: int, other: int) -> Interval:
        """Return the mean of the depth `one` minus that of `other`; its interval holds for all pairs at once."""
        return self.comparison.pair(self.depths.index(one), self.depths.index(other))

    def is_whole(self, depth: int) -> bool:
        """Return whether the whole backbone trains at a depth."""
        return any(trial.whole for trial in self.reduction.trials if trial.depth == depth)

    def trials(self, place: int) -> list[TrialRecord]:
        """Return the trials of the depth at a place."""
        return [trial for trial in self.reduction.trials if trial.depth == self.depths[place]]


def make_facet(trials: Sequence[TrialRecord]) -> Facet:
    """Return the facet of measured `trials`, reduced to depth and seed, with their depths compared.

    The step of scores is an image's share of accuracy. An image moves balanced accuracy by as much, on average over the
    images, and macro F1 by about as much.

    Raises:
        ValueError: no trial.
    """
    reduction = reduce_to_depth(trials)
    scores = Scores(
        depths=np.array([trial.depth for trial in reduction.trials], np.int64),
        seeds=np.array(reduction.seeds, np.int64),
        values=np.array([trial.score for trial in reduction.trials], np.float64),
        influences=_influences(reduction.trials),
        step=max((1 / trial.val_images for trial in trials if trial.val_images), default=0.0),
    )
    comparison = compare_with_best(estimate(scores))
    withheld = confounded(comparison, reduction.trials) if reduction.pooled else set[int]()
    if any(trial.stage == "search" for trial in trials):  # what chose the settings claims nothing of them
        withheld = set(range(len(comparison.estimate.means)))
    return Facet(reduction, scores, comparison, withheld)


def _influences(trials: Sequence[TrialRecord]) -> Floats | None:
    """Return the influence of each case on each trial's score, float64 [trials, cases]; None where unknown.

    It is unknown where a trial has no predictions, and where trials were validated on different images, as with
    another `data.split_seed`.
    """
    compute = judged_by(trials).compute
    known = [trial.predictions for trial in trials if trial.predictions is not None]
    if len(known) < len(trials) or not all(np.array_equal(other.images, known[0].images) for other in known):
        return None
    cases = np.unique(known[0].groups, return_inverse=True)[1]
    return np.array([
        influences(compute, other.labels.astype(np.int64), other.predicted.astype(np.int64), cases) for other in known
    ])  # fmt: skip
