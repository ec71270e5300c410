"""A small part of docs/statistics.md, drawn again."""

import numpy as np
import pytest

from benchmarks.calibration import SCATTERS, SETS, PredictionSet, draw, false_claims, gain_of, power, rates, regrets
from src.statistics.decision import GAIN


@pytest.mark.parametrize("path", sorted(SETS.glob("*16_seeds.npz")), ids=lambda path: path.stem)
def test_intervals_hold_and_equal_depths_are_not_called_worse(path: str) -> None:
    found = rates(PredictionSet.load(path), images=100, seeds=3, draws=40)
    assert found.holds >= 0.95 - 3 * np.sqrt(0.95 * 0.05 / 40)
    assert found.claims <= 0.05 + 3 * np.sqrt(0.95 * 0.05 / 40)


def test_a_depth_that_is_much_worse_is_called_so() -> None:
    real = PredictionSet.load(sorted(SETS.glob("*16_seeds.npz"))[0])
    worse = real.hits.copy()
    worse[0, :, ::3] = 0
    changed = PredictionSet(real.name, real.depths, worse, real.seconds)
    found = [draw(changed, 500, 5, np.random.default_rng(seed)).found.is_worse(0) for seed in range(5)]
    assert all(found)


def test_the_default_rule_loses_least_of_those_that_look_at_the_scores() -> None:
    found = regrets([PredictionSet.load(path) for path in sorted(SETS.glob("*.npz"))], seeds=3, draws=10)
    default = found["expected mean (the default)"]
    assert default.mean <= 0.4
    assert default.mean < found["one standard error"].mean


def test_the_constants_are_those_of_the_tasks() -> None:
    found = gain_of([PredictionSet.load(path) for path in sorted(SETS.glob("*.npz"))])
    assert (found.mean, found.spread) == pytest.approx((GAIN.mean, GAIN.spread), abs=0.01)


def test_a_depth_that_is_four_points_worse_is_shown() -> None:
    assert power(PredictionSet.load(SETS / "groceries_5.npz"), 4, draws=20) >= 0.6


@pytest.mark.parametrize(("seeds", "name"), list(enumerate(SCATTERS, start=2)), ids=[*SCATTERS])
def test_depths_that_scatter_unequally_are_seldom_called_worse(seeds: int, name: str) -> None:
    assert false_claims(seeds, *SCATTERS[name], draws=60) <= 0.05 + 2 * np.sqrt(0.05 * 0.95 / 60)
