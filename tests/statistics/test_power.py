"""What more seeds would show: against simulated studies and against itself."""

import math
from collections.abc import Callable

import numpy as np
import pytest

from src.statistics.power import MOST_SEEDS, POWER, chance_to_show, detectable, seeds_to_show
from tests.verdict.studies import cells, claims, design_of, draw


def error(seeds: int, deviation: float = 1.0) -> float:
    return deviation * math.sqrt(2 / seeds)


def paired(depths: int) -> Callable[[int], int]:
    return lambda seeds: (depths - 1) * (seeds - 1)


UNEQUAL = {
    "five seeds and two": [*((0, seed) for seed in range(5)), *((1, seed) for seed in range(2))],
    "six seeds, three and two": [(depth, seed) for depth, count in enumerate((3, 2, 6)) for seed in range(count)],
    "a cell failed": cells(3, 4)[:-1],
}


@pytest.mark.parametrize("unequal", UNEQUAL)
def test_the_chance_is_what_studies_with_unequal_counts_show(unequal: str) -> None:
    pairs, difference = UNEQUAL[unequal], 3.0
    design, rng = design_of(pairs), np.random.default_rng(len(pairs))
    truth = [0.0, difference] + [0.0] * (len(design.levels) - 2)
    seen = claims(design, draw(pairs, 4000, rng, truth=truth, seed_deviation=0.0))[:, 1, 0].mean()
    found = chance_to_show(difference, float(design.errors[1, 0]), len(design.levels), design.freedom)
    assert found == pytest.approx(seen, abs=0.03)


@pytest.mark.parametrize("paired", [True, False])
@pytest.mark.parametrize(("depths", "seeds", "difference"), [(2, 5, 2.5), (4, 3, 3.0), (3, 2, 5.0), (6, 5, 2.0)])
def test_the_chance_is_what_studies_show(depths: int, seeds: int, difference: float, paired: bool) -> None:
    pairs, rng = cells(depths, seeds, paired=paired), np.random.default_rng([depths, seeds])
    truth = [0.0, difference] + [0.0] * (depths - 2)
    values = draw(pairs, 4000, rng, truth=truth, seed_deviation=0.0)
    seen = claims(design_of(pairs), values)[:, 1, 0].mean()
    freedom = (seeds - 1) * (depths - 1 if paired else depths)
    assert chance_to_show(difference, error(seeds), depths, freedom) == pytest.approx(seen, abs=0.03)


def test_more_seeds_show_more() -> None:
    chances = [chance_to_show(1.0, error(seeds), 4, paired(4)(seeds)) for seeds in range(1, 30)]
    assert chances[0] == 0
    assert chances == sorted(chances)


@pytest.mark.parametrize(("difference", "depths"), [(3.0, 2), (1.0, 4), (0.5, 3)])
def test_the_number_of_seeds_is_the_least_that_does(difference: float, depths: int) -> None:
    seeds = seeds_to_show(difference, 1.0, depths, paired(depths))
    assert seeds is not None
    assert chance_to_show(difference, error(seeds), depths, paired(depths)(seeds)) >= POWER
    assert chance_to_show(difference, error(seeds - 1), depths, paired(depths)(seeds - 1)) < POWER


def test_what_no_number_of_seeds_shows() -> None:
    assert seeds_to_show(0.0, 1.0, 3, paired(3)) is None
    assert seeds_to_show(0.1, 1.0, 3, paired(3)) is None
    assert chance_to_show(0.1, error(MOST_SEEDS), 3, paired(3)(MOST_SEEDS)) < POWER


def test_a_certain_difference_needs_two_seeds() -> None:
    assert seeds_to_show(0.1, 1e-9, 3, paired(3)) == 2


@pytest.mark.parametrize(("depths", "seeds"), [(2, 2), (4, 3), (6, 5)])
def test_what_is_detectable_has_the_power(depths: int, seeds: int) -> None:
    freedom = paired(depths)(seeds)
    least = detectable(error(seeds, 0.02), depths, freedom)
    assert chance_to_show(least, error(seeds, 0.02), depths, freedom) == pytest.approx(POWER, abs=1e-6)
    assert least > 2 * 0.02 * math.sqrt(2 / seeds)
