"""What more seeds would show: against simulated studies and against itself."""

import math

import numpy as np
import pytest

from src.verdict.power import MOST_SEEDS, POWER, chance_to_show, detectable, seeds_to_show
from tests.verdict.studies import cells, claims, design_of, draw


@pytest.mark.parametrize("paired", [True, False])
@pytest.mark.parametrize(("depths", "seeds", "difference"), [(2, 5, 2.5), (4, 3, 3.0), (3, 2, 5.0), (6, 5, 2.0)])
def test_the_chance_is_what_studies_show(depths: int, seeds: int, difference: float, paired: bool) -> None:
    pairs, rng = cells(depths, seeds, paired=paired), np.random.default_rng([depths, seeds])
    truth = [0.0, difference] + [0.0] * (depths - 2)
    values = draw(pairs, 4000, rng, truth=truth, seed_deviation=0.0)
    seen = claims(design_of(pairs), values)[:, 1, 0].mean()
    assert chance_to_show(difference, 1.0, depths, seeds, paired=paired) == pytest.approx(seen, abs=0.03)


def test_more_seeds_show_more() -> None:
    chances = [chance_to_show(1.0, 1.0, 4, seeds, paired=True) for seeds in range(1, 30)]
    assert chances[0] == 0
    assert chances == sorted(chances)


@pytest.mark.parametrize(("difference", "depths"), [(3.0, 2), (1.0, 4), (0.5, 3)])
def test_the_number_of_seeds_is_the_least_that_does(difference: float, depths: int) -> None:
    seeds = seeds_to_show(difference, 1.0, depths, paired=True)
    assert seeds is not None
    assert chance_to_show(difference, 1.0, depths, seeds, paired=True) >= POWER
    assert chance_to_show(difference, 1.0, depths, seeds - 1, paired=True) < POWER


def test_what_no_number_of_seeds_shows() -> None:
    assert seeds_to_show(0.0, 1.0, 3, paired=True) is None
    assert seeds_to_show(0.1, 1.0, 3, paired=True) is None
    assert chance_to_show(0.1, 1.0, 3, MOST_SEEDS, paired=True) < POWER


def test_a_certain_difference_needs_two_seeds() -> None:
    assert seeds_to_show(0.1, 1e-9, 3, paired=True) == 2


@pytest.mark.parametrize(("depths", "seeds"), [(2, 2), (4, 3), (6, 5)])
def test_what_is_detectable_has_the_power(depths: int, seeds: int) -> None:
    least = detectable(0.02, depths, seeds, paired=True)
    assert chance_to_show(least, 0.02, depths, seeds, paired=True) == pytest.approx(POWER, abs=1e-6)
    assert least > 2 * 0.02 * math.sqrt(2 / seeds)
