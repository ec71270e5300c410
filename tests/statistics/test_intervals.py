"""Intervals: against scipy and by coverage."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats  # type: ignore[import-untyped]

from src.statistics.intervals import (
    design_effect,
    grouped_interval,
    t_interval,
    wilson_ends,
    wilson_interval,
)

accuracies = st.lists(st.floats(0, 1), min_size=2, max_size=8)


@given(accuracies)
def test_t_is_scipys(values: list[float]) -> None:
    found = t_interval(values)
    error = np.std(values, ddof=1) / math.sqrt(len(values))
    low, high = stats.t.interval(0.95, len(values) - 1, np.mean(values), error) if error else [np.mean(values)] * 2
    assert found.low == pytest.approx(low)
    assert found.high == pytest.approx(high)


def test_one_value_has_no_interval_and_none_is_an_error() -> None:
    assert (t_interval([0.4]).estimate, t_interval([0.4]).low, t_interval([0.4]).count) == (0.4, None, 1)
    with pytest.raises(ValueError, match="at least one"):
        t_interval([])


@pytest.mark.parametrize("seeds", [2, 3, 4, 5])
@pytest.mark.parametrize("seed_deviation", [0.0, 1.5])
def test_t_covers_the_truth(seeds: int, seed_deviation: float) -> None:
    rng = np.random.default_rng([seeds, int(seed_deviation)])
    noise = rng.standard_normal((2000, seeds)) + seed_deviation * rng.standard_normal((2000, seeds))
    found = [t_interval(list(0.7 + 0.02 * row)) for row in noise]
    covered = np.mean([each.low <= 0.7 <= each.high for each in found if each.low is not None and each.high])
    assert 0.93 <= covered <= 0.97


@given(st.integers(1, 2000), st.data())
def test_wilson_is_scipys(count: int, data: st.DataObject) -> None:
    right = data.draw(st.integers(0, count))
    found = wilson_interval(right / count, count)
    expected = stats.binomtest(right, count).proportion_ci(0.95, method="wilson")
    assert found.low == pytest.approx(expected.low, abs=1e-12)
    assert found.high == pytest.approx(expected.high)


def test_wilson_without_photos_and_outside() -> None:
    assert wilson_interval(0.5, 0).low is None
    with pytest.raises(ValueError, match="0–1"):
        wilson_interval(1.2, 10)


@pytest.mark.parametrize(("count", "share"), [(50, 0.6), (200, 0.9), (500, 0.97)])
def test_wilson_covers_the_truth(count: int, share: float) -> None:
    rights = np.random.default_rng(count).binomial(count, share, 2000)
    found = {right: wilson_interval(right / count, count) for right in set(rights.tolist())}
    covered = np.mean([(found[r].low or 0) <= share <= (found[r].high or 0) for r in rights.tolist()])
    assert 0.93 <= covered <= 0.975


@given(st.integers(1, 2000), st.data())
def test_the_lower_ends_are_those_of_the_intervals(count: int, data: st.DataObject) -> None:
    right = data.draw(st.integers(0, count))
    ((found,), _) = wilson_ends(np.array([right / count]), np.array([float(count)]))
    assert found == pytest.approx(wilson_interval(right / count, count).low, abs=1e-9)


def test_photos_that_are_groups_of_their_own_have_the_interval_of_independent_ones() -> None:
    right = np.arange(30) % 3 > 0
    plain = wilson_interval(20 / 30, 30)
    assert grouped_interval(right, None) == grouped_interval(right, np.arange(30, dtype=np.uint64)) == plain
    assert grouped_interval(np.zeros(0, np.bool_), None).low is None


def test_equal_photos_of_a_group_count_once() -> None:
    right, groups = np.repeat([True, False], [60, 40]), np.repeat(np.arange(20), 5).astype(np.uint64)
    assert design_effect(right, groups) == pytest.approx(5, rel=0.06)
    assert design_effect(np.ones(100, np.bool_), groups) == 5
    assert design_effect(right, np.zeros(100, np.uint64)) == 100
    found, of_groups = grouped_interval(right, groups), wilson_interval(0.6, 20)
    assert (found.estimate, found.count) == (0.6, 100)
    assert (found.low, found.high) == (pytest.approx(of_groups.low, abs=0.02), pytest.approx(of_groups.high, abs=0.02))


@pytest.mark.parametrize("agreement", [0.0, 0.5, 1.0])
def test_intervals_of_photos_in_groups_cover_the_truth(agreement: float) -> None:
    """In each group of 6, a photo is right as the group's first one with the probability `agreement`."""
    rng, share, groups = np.random.default_rng(0), 0.8, np.repeat(np.arange(60), 6).astype(np.uint64)
    found = []
    for _ in range(1000):
        alone, first = rng.random((60, 6)) < share, rng.random((60, 1)) < share
        right = np.where(rng.random((60, 6)) < agreement, first, alone).ravel()
        found.append(grouped_interval(right, groups))
    assert 0.92 <= np.mean([(each.low or 0) <= share <= (each.high or 0) for each in found]) <= 0.98
