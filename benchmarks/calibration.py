"""Measure how often the verdict's statement on new images is right, on real predictions; print docs/statistics.md.

`python -m benchmarks.calibration > docs/statistics.md` reads the files in benchmarks/sets, which
`python -m benchmarks.prediction_sets benchmarks/sets` made: for each task what trials at several depths and seeds
predict for images that chose nothing. A *draw* takes some of the images and some of the seeds as a study, and the truth
from the images and seeds that were not drawn.
"""

import argparse
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from src.statistics.best import BestComparison, compare_with_best
from src.statistics.design import Floats
from src.statistics.mrmc import Scores, estimate

SETS = Path(__file__).with_name("sets")
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


@dataclass(frozen=True)
class Rates:
    """Shares of the draws of one size.

    Attributes:
        holds: in which all intervals hold the truth.
        claims: in which a depth is called worse though all are equal.
        half_width: of an interval, the mean over depths and draws.
    """

    images: int
    seeds: int
    holds: float
    claims: float
    half_width: float


def rates(of_set: PredictionSet, images: int, seeds: int, draws: int) -> Rates:
    """Draw so many studies from a set as it is, and so many in which all depths are equal."""
    rng = np.random.default_rng((images, seeds))
    equal = of_set.with_equal_depths(rng)
    real = [draw(of_set, images, seeds, rng) for _ in range(draws)]
    null = [draw(equal, images, seeds, rng) for _ in range(draws)]
    widths = [each.found.critical * each.found.errors[:, each.found.best].mean() for each in real]
    return Rates(
        images, seeds, float(np.mean([each.holds for each in real])),
        float(np.mean([each.claims > 0 for each in null])), float(np.mean(widths)),
    )  # fmt: skip


def page(sets: list[PredictionSet], draws: int) -> Iterator[str]:
    """Yield the lines of docs/statistics.md."""
    yield _INTRODUCTION.format(draws=draws)
    for each in sets:
        depths, seeds, images = each.hits.shape
        accuracies = ", ".join(f"{100 * mean:.1f}" for mean in each.hits.mean(axis=(1, 2)))
        yield f"## {each.name.replace('_', ' ')}\n"
        yield (
            f"{depths} depths ({', '.join(map(str, each.depths))} layers), {seeds} seeds, {images:,} images; accuracy, "
            f"%: {accuracies}.\n"
        )
        yield "| images | seeds | all intervals hold | claims, equal depths | half-width, points |"
        yield "|---|---|---|---|---|"
        for images_, seeds_ in ((images_, seeds_) for images_ in IMAGES for seeds_ in SEEDS):
            found = rates(each, images_, seeds_, draws)
            yield (f"| {images_} | {seeds_} | {found.holds:.1%} | {found.claims:.1%} | {100 * found.half_width:.1f} |")
        yield ""


_INTRODUCTION = """\
# The statistics of new images, measured

This page is printed by `python -m benchmarks.calibration`. A study compares depths over seeds *and* images, as
radiology compares modalities over readers and cases (Obuchowski and Rockette 1995; Hillis 2007, 2014):
`src/statistics/mrmc.py` states the model, and `src/statistics/best.py` compares each depth with the best (Hsu 1984),
all depths at once.

Each set below holds what trials predicted for many images that chose nothing. {draws} studies of each size are drawn
from it: some images, some seeds. The truth is taken from the images and seeds that were not drawn, and its own error
is allowed for.

- **all intervals hold**: the share of studies in which the 95% intervals of all depths' differences to the best hold
  the truth; 95% is asked for.
- **claims, equal depths**: the share of studies in which a depth is called clearly worse though none is: for each
  image, the depths' predictions have changed places at random. At most 5% is asked for.
- **half-width**: of the intervals, on average.

Found: the intervals hold more often than asked for, mostly with two or three seeds, and are wider than they need be:
how far seeds scatter is then hardly known. In these sets depths 0 and 2 are nearly one, and no depth scatters more than
the others. Of 200 to 400 drawn studies each with one depth of four or six that scatters ten times as
far as the others, 8 to 12% claim a difference with two or three seeds, and 4 to 7% with five.
"""


def main() -> None:
    """Print the page."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--draws", type=int, default=300, help="studies of each size (300)")
    parser.add_argument("--sets", type=Path, default=SETS, help="folder of .npz files (benchmarks/sets)")
    arguments = parser.parse_args()
    sets = [PredictionSet.load(path) for path in sorted(arguments.sets.glob("*.npz"))]
    for line in page(sets, arguments.draws):
        print(line, flush=True)


if __name__ == "__main__":
    main()
