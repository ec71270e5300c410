"""How often the verdict's statistics are right, on real predictions and on drawn ones; writes docs/statistics.md.

`python -m benchmarks.calibration FOLDER` reads what `python -m benchmarks.prediction_sets FOLDER` left there: for each
task what trials at several depths and seeds predict for images that chose nothing. A *draw* takes some of the images
and some of the seeds as a study, and the truth from the images and seeds that were not drawn.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from src.statistics.best import BestComparison, compare_with_best
from src.statistics.mrmc import Floats, Scores, estimate

IMAGES, SEEDS = (100, 250, 500), (2, 3, 5, 8)
_DRAWS = 500
"""Of the bound, in place of the 4,000 that a report takes: a draw of a study is one of hundreds."""


@dataclass(frozen=True)
class PredictionSet:
    """A task's predictions.

    Attributes:
        depths: int64 [depths].
        hits: float64 [depths, seeds, images].
        seconds: of a trial's phases, the median of each depth, [depths].
    """

    name: str
    depths: NDArray[np.int64]
    hits: Floats
    seconds: Floats

    @classmethod
    def load(cls, path: Path) -> "PredictionSet":
        """Read what a task left."""
        with np.load(path) as file:
            hits = (file["predicted"] == file["labels"]).astype(np.float64)
            return cls(path.stem, file["depths"], hits, file["seconds"])

    def with_equal_depths(self, rng: np.random.Generator) -> "PredictionSet":
        """Return a set in which all depths are equally good: at each image and seed, the depths change places.

        An image's hits are kept; which depth had which is drawn anew for each image, the same for all of its seeds, so
        that images and seeds go on to scatter as they did.
        """
        order = rng.permuted(np.tile(np.arange(len(self.depths))[:, None], self.hits.shape[2]), axis=0)
        hits = np.take_along_axis(self.hits, order[:, None, :], axis=0)
        return PredictionSet(self.name, self.depths, hits, self.seconds)


def scores_of(hits: Floats) -> Scores:
    """Return the scores of `hits`, [depths, seeds, images]."""
    depths, seeds, images = hits.shape
    flat = hits.reshape(-1, images)
    means = flat.mean(axis=1)
    places, numbers = np.repeat(np.arange(depths), seeds), np.tile(np.arange(seeds), depths)
    return Scores(places, numbers, means, (flat - means[:, None]) / images, 1 / images)


@dataclass(frozen=True)
class Draw:
    """A study drawn from a set, and the truth.

    Attributes:
        truth: the depths' means over images and seeds that were not drawn, [depths].
        doubt: variance of the truth's differences, [depths, depths].
    """

    found: BestComparison
    truth: Floats
    doubt: Floats

    @property
    def holds(self) -> bool:
        """Whether all intervals of differences to the best hold the truth, allowing for its own error."""
        best, found = self.found.best, self.found
        gaps = found.estimate.means - found.estimate.means[best] - (self.truth - self.truth[best])
        errors = np.sqrt(np.square(found.errors[:, best]) + self.doubt[:, best])
        return bool((np.abs(gaps) <= found.critical * errors).all())

    @property
    def claims(self) -> int:
        """How many depths are called worse."""
        return sum(self.found.is_worse(place) for place in range(len(self.truth)))


def draw(from_set: PredictionSet, images: int, seeds: int, rng: np.random.Generator) -> Draw:
    """Draw a study of so many images and seeds."""
    order = rng.permutation(from_set.hits.shape[2])
    numbers = rng.permutation(from_set.hits.shape[1])
    chosen = from_set.hits[:, numbers[:seeds]][:, :, order[:images]]
    rest = estimate(scores_of(from_set.hits[:, numbers[seeds:]][:, :, order[images:]]))
    return Draw(compare_with_best(estimate(scores_of(chosen)), draws=_DRAWS), rest.means, rest.variances())
