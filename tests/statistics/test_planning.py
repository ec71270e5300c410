"""How many more seeds or images would show a difference: against studies of so many."""

from dataclasses import replace

import numpy as np

from benchmarks.calibration import scores_of, simulate
from src.statistics.best import BestComparison, compare_with_best
from src.statistics.mrmc import estimate
from src.statistics.planning import outlook

GAP, IMAGES = 0.06, 2000
SCATTER = (0.005, 0.005, 0.005, 0.06)


def study(seeds: int, rng: np.random.Generator, images: int = IMAGES) -> BestComparison:
    """A study whose last depth is worse, and scatters far more than the others."""
    values = simulate(rng, seeds, images, SCATTER) - np.array([0, 0, 0, GAP])[:, None, None]
    return compare_with_best(estimate(scores_of(values)), draws=500)


def test_so_many_seeds_show_a_difference_by_the_depths_own_seeds_too() -> None:
    rng = np.random.default_rng(0)
    found = [study(4, rng) for _ in range(20)]
    needed = [outlook(each, each.best, 3).seeds or 200 for each in found if not each.is_worse(3)]
    shown = [study(int(np.median(needed)), rng).is_worse(3) for _ in range(40)]
    assert np.mean(shown) >= 0.6
    by_the_model_alone = [replace(each, estimate=replace(each.estimate, unpooled=0 * each.unpooled)) for each in found]
    fewer = [outlook(each, each.best, 3).seeds or 200 for each in by_the_model_alone if not each.is_worse(3)]
    assert np.median(fewer) < np.median(needed)


def test_images_limit_where_seeds_agree() -> None:
    rng = np.random.default_rng(2)
    values = simulate(rng, 5, 60, (0.001, 0.001)) - np.array([0, 0.05])[:, None, None]
    comparison = compare_with_best(estimate(scores_of(values)))
    needed = outlook(comparison, 0, 1)
    assert needed.seeds is None
    assert needed.images is not None
    assert needed.images > 60


def test_a_difference_of_nothing_is_shown_by_nothing() -> None:
    comparison = study(3, np.random.default_rng(2), images=100)
    needed = outlook(comparison, 0, 0)
    assert (needed.seeds, needed.images) == (None, None)
