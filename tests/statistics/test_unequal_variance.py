"""Depths that collapse with one seed and not with the next."""

import numpy as np
import pytest

from src.statistics.comparison import compare
from src.statistics.design import Observation, Sample
from src.statistics.unequal_variance import collapsed
from tests.verdict.studies import Cells, cells, draw


def sample(pairs: Cells, values: np.ndarray[tuple[int, ...], np.dtype[np.float64]]) -> Sample:
    depths, seeds = (np.asarray(column, np.int64) for column in zip(*pairs, strict=True))
    return Sample(depths, seeds, values)


STEADY: dict[int, tuple[float, ...]] = {
    0: (0.60, 0.61, 0.60),
    2: (0.61, 0.612, 0.615),
    11: (0.70, 0.71, 0.705),
    20: (0.69, 0.70, 0.70),
}


def observations(rows: dict[int, tuple[float, ...]]) -> list[Observation]:
    return [Observation(depth, seed, value) for depth, row in rows.items() for seed, value in enumerate(row)]


def test_a_collapsed_depth_hides_no_difference_between_the_others() -> None:
    found = compare(observations(STEADY | {56: (0.10, 0.50, 0.30)}))
    assert found.unsteady == (4,)
    assert found.deviation < 0.01
    assert found.own_deviation > 0.1
    assert found.named == 2
    assert found.shown(2, 0)
    assert found.freedom[0, 1] == 6
    assert found.freedom[0, 4] == 2


def test_steady_depths_are_compared_as_if_the_collapsed_were_not_there_but_for_the_family() -> None:
    alone, found = compare(observations(STEADY)), compare(observations(STEADY | {56: (0.10, 0.50, 0.30)}))
    assert found.means[:4] == pytest.approx(alone.means)
    assert found.errors[:4, :4] == pytest.approx(alone.errors)
    narrow, wide = alone.difference(2, 0), found.difference(2, 0)
    assert (wide.low or 0) < (narrow.low or 0)


@pytest.mark.parametrize("rows", [STEADY, {0: (0.60, 0.61), 56: (0.1, 0.5)}, {0: (0.60,), 2: (0.61,), 56: (0.1,)}])
def test_even_scatter_two_depths_and_one_seed_set_nothing_apart(rows: dict[int, tuple[float, ...]]) -> None:
    assert compare(observations(rows)).unsteady == ()


@pytest.mark.parametrize(("depths", "seeds"), [(3, 3), (5, 3), (6, 5), (4, 2)])
def test_even_scatter_is_taken_for_collapse_in_two_studies_of_a_thousand(depths: int, seeds: int) -> None:
    pairs, rng = cells(depths, seeds), np.random.default_rng([depths, seeds])
    alarms = sum(bool(collapsed(sample(pairs, row))) for row in draw(pairs, 2000, rng))
    assert alarms <= 12


@pytest.mark.slow
@pytest.mark.parametrize(("depths", "seeds"), [(3, 3), (4, 3), (5, 2), (6, 5)])
def test_with_it_equal_depths_are_still_told_apart_in_one_study_of_twenty(depths: int, seeds: int) -> None:
    pairs, wrong = cells(depths, seeds), 0
    for row in draw(pairs, 2000, np.random.default_rng([3, depths, seeds])):
        values = row.tolist()
        found = compare([Observation(*cell, value) for cell, value in zip(pairs, values, strict=True)])
        wrong += found.shown(*found.clearest)
    assert wrong / 2000 <= 0.067
