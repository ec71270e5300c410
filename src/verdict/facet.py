"""A facet of a study: its trials reduced to depth and seed, and the depths compared."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from src.common.metrics import Metric
from src.statistics.best import BestComparison
from src.statistics.comparison import Comparison, compare
from src.verdict.confounding import confounded
from src.verdict.new_images import compare_for_new_images
from src.verdict.reduction import Reduction, reduce_to_depth
from src.verdict.trials import TrialRecord, baseline, judged_by
from src.reporting.wording import layers, said, said_apart


@dataclass(frozen=True)
class Facet:
    """What a verdict is spoken on; a *place* is a depth's position among the depths, rising.

    Attributes:
        label: the hyperparameters that keep it apart, as they would be typed; empty where there is one facet.
        resolution: the step that validation scores come in, as :func:`photo_step` gives it.
        study: the name of the study that it is of; empty where there is none, or more than one.
        new_images: the depths compared for new images; None where nothing can be said of them.
    """

    label: str
    reduction: Reduction
    comparison: Comparison
    resolution: float
    study: str = ""
    new_images: BestComparison | None = None

    @property
    def metric(self) -> Metric:
        """What judges its trials."""
        return judged_by(self.reduction.trials)

    @property
    def baseline(self) -> float | None:
        """What always predicting the largest class scores; None where its trials do not know."""
        return baseline(self.reduction.trials)

    @property
    def is_no_better_than_guessing(self) -> bool:
        """Whether the named depth's mean does not exceed the baseline."""
        return self.baseline is not None and self.mean(self.comparison.named) <= self.baseline

    def said(self, value: float) -> str:
        """Return a value of the metric as text."""
        return said(value, self.metric)

    def apart(self, difference: float) -> str:
        """Return a difference of the metric's values as text, without a sign."""
        return said_apart(difference, self.metric)

    @property
    def depths(self) -> tuple[int, ...]:
        """The canonical depths, rising."""
        return self.comparison.design.levels

    @property
    def counts(self) -> tuple[int, ...]:
        """Trials at each depth."""
        return self.comparison.design.counts

    @property
    def unresolved(self) -> list[int]:
        """Places that could not be told apart from the named depth's."""
        shown, named = self.comparison.shown, self.comparison.named
        others = [place for place in range(len(self.depths)) if place != named]
        return [place for place in others if not shown(named, place) and not shown(place, named)]

    def mean(self, place: int) -> float:
        """Validation mean at an average seed, 0–1."""
        return float(self.comparison.means[place])

    def trials(self, place: int) -> list[TrialRecord]:
        """The trials at a place."""
        return [trial for trial in self.reduction.trials if trial.depth == self.depths[place]]

    def name(self, *places: int) -> str:
        """The depths at `places`, as text."""
        return layers([self.depths[place] for place in sorted(places)])

    def with_block(self, place: int) -> str:
        """The depth at `place`, with the first block that trains."""
        block = self.trials(place)[0].block
        return f"{self.name(place)} (from {block})" if block else self.name(place)


def make_facet(label: str, trials: Sequence[TrialRecord], study: str = "") -> Facet:
    """Reduce measured `trials` and compare their depths.

    Raises:
        ValueError: no trial.
    """
    reduction = reduce_to_depth(trials)
    resolution = photo_step(trials)
    comparison = compare(reduction.observations, resolution)
    if reduction.pooled:
        comparison = replace(comparison, withheld=confounded(comparison, reduction.trials))
    new_images = None if reduction.pooled else compare_for_new_images(reduction, resolution)
    return Facet(label, reduction, comparison, resolution, study, new_images)


def photo_step(trials: Sequence[TrialRecord]) -> float:
    """The step that validation accuracies of `trials` come in: 1 / photos, the coarsest; 0 where unknown.

    By so much a photo moves balanced accuracy, too, on average over the photos, and about so much macro F1.
    """
    return max((1 / trial.val_images for trial in trials if trial.val_images), default=0.0)
