"""The flattery of the best: closed forms, and against studies whose truth is known."""

import math

import numpy as np
import pytest

from src.statistics.selection_bias import expected_maximum, selection_bias


@pytest.mark.parametrize(
    ("count", "expected"),
    # Tippett's values: 1/√π, 3/(2√π), and his table
    [(1, 0.0), (2, 1 / math.sqrt(math.pi)), (3, 1.5 / math.sqrt(math.pi)), (5, 1.16296), (10, 1.53875), (100, 2.50759)],
)
def test_the_largest_of_many_normals(count: int, expected: float) -> None:
    assert expected_maximum(count) == pytest.approx(expected, abs=1e-5)


@pytest.mark.parametrize("choices", [2, 5, 12])
@pytest.mark.parametrize("spread", [0.0, 0.5, 1.0, 2.0, 5.0])
def test_the_estimate_is_right_on_average(choices: int, spread: float) -> None:
    """True means scatter by `spread` standard errors; the estimate sees the observed ones alone."""
    rng = np.random.default_rng([choices, int(10 * spread)])
    truth = spread * rng.standard_normal((2000, choices))
    observed = truth + rng.standard_normal(truth.shape)
    excess = observed.max(axis=1) - np.take_along_axis(truth, observed.argmax(axis=1)[:, None], 1)[:, 0]
    found = [selection_bias(list(row), 1.0) for row in observed[:60]]
    assert np.mean([each.estimate for each in found if each]) == pytest.approx(excess.mean(), abs=0.16)
    assert excess.mean() <= expected_maximum(choices) + 0.05


def test_a_clear_winner_flatters_little_and_equals_most() -> None:
    clear, equal = selection_bias([0.5, 0.6, 0.9], 0.01), selection_bias([0.6, 0.6, 0.6], 0.01)
    assert clear is not None
    assert equal is not None
    assert clear.estimate < 0.0005
    assert equal.estimate == pytest.approx(equal.at_most, rel=0.05)
    assert equal.at_most == pytest.approx(0.01 * 0.84628, rel=1e-4)


def test_it_is_the_same_each_time() -> None:
    assert selection_bias([0.5, 0.6], 0.02) == selection_bias([0.5, 0.6], 0.02)


def test_one_choice_does_not_flatter_and_none_or_no_spread_says_nothing() -> None:
    alone = selection_bias([0.5], 0.02)
    assert alone is not None
    assert (alone.estimate, alone.at_most) == (0.0, 0.0)
    assert selection_bias([], 0.02) is None
    assert selection_bias([0.5, 0.6], math.nan) is None
