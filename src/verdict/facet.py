"""A facet of a study: its trials reduced to depth and seed, and the depths compared."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from src.verdict.comparison import Comparison, compare
from src.verdict.confounding import confounded
from src.verdict.records import TrialRecord
from src.verdict.reduction import Reduction, reduce_to_depth
from src.verdict.wording import layers


@dataclass(frozen=True)
class Facet:
    """What a verdict is spoken on; a *place* is a depth's position among the depths, rising.

    Attributes:
        label: the hyperparameters that keep it apart, as they would be typed; empty where there is one facet.
        resolution: the step that validation accuracies come in, as :func:`photo_step` gives it.
        study: the name of the study that it is of; empty where there is none, or more than one.
    """

    label: str
    reduction: Reduction
    comparison: Comparison
    resolution: float
    study: str = ""

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
    return Facet(label, reduction, comparison, resolution, study)


def photo_step(trials: Sequence[TrialRecord]) -> float:
    """The step that validation accuracies of `trials` come in: 1 / photos, the coarsest; 0 where unknown."""
    return max((1 / trial.val_images for trial in trials if trial.val_images), default=0.0)
