"""Other hyperparameters taken out: who wins, who may compete, and that luck makes no difference of depths."""

import math

import numpy as np
import pytest

from src.verdict.facet import make_facet
from src.verdict.reduction import reduce_to_depth
from src.verdict.trials import TrialRecord
from tests.verdict.studies import grid, trial

LOW, HIGH = {"dropout": 0.2}, {"dropout": 0.5}


def values(records: list[TrialRecord]) -> list[float]:
    return [seen.score for seen in reduce_to_depth(records).trials]


def test_nothing_varies() -> None:
    found = reduce_to_depth(grid({2: [0.6, 0.7], 0: [0.5, 0.4]}))
    assert [(seen.depth, seed, seen.score) for seen, seed in zip(found.trials, found.seeds, strict=True)] == [
        (0, 0, 0.5), (0, 1, 0.4), (2, 0, 0.6), (2, 1, 0.7),
    ]  # fmt: skip
    assert (found.varied, found.picked, found.pooled) == ((), {}, False)
    assert found.candidates == {frozenset({"0-0", "0-1"}): 0.45, frozenset({"2-0", "2-1"}): pytest.approx(0.65)}


def test_each_depth_stands_with_its_best() -> None:
    records = [*grid({0: [0.5, 0.5], 2: [0.8, 0.7]}, factors=LOW), *grid({0: [0.6, 0.7], 2: [0.6, 0.6]}, factors=HIGH)]
    found = reduce_to_depth(records)
    assert found.picked == {0: "dropout=0.5", 2: "dropout=0.2"}
    assert [seen.score for seen in found.trials] == [0.6, 0.7, 0.8, 0.7]
    assert sorted(found.candidates.values()) == pytest.approx([0.5, 0.6, 0.65, 0.75])
    assert (found.varied, found.configurations) == (("dropout",), 2)


def test_a_configuration_that_lacks_a_depth_does_not_compete() -> None:
    records = [*grid({0: [0.5, 0.5], 2: [0.6, 0.6]}, factors=LOW), *grid({2: [0.9, 0.9]}, factors=HIGH)]
    found = reduce_to_depth(records)
    assert [seen.score for seen in found.trials] == [0.5, 0.5, 0.6, 0.6]
    assert found.picked == {0: "dropout=0.2", 2: "dropout=0.2"}
    assert (found.configurations, found.left_out) == (1, 1)


def test_a_lucky_single_seed_does_not_compete_with_five() -> None:
    many = grid({0: [0.5] * 5, 2: [0.6] * 5}, factors=LOW)
    assert len(values([*many, *grid({0: [0.9], 2: [0.9]}, factors=HIGH)])) == 10
    assert len(values([*many, *grid({0: [0.9] * 3, 2: [0.9] * 3}, factors=HIGH)])) == 6


def test_without_a_common_configuration_the_rest_is_noise() -> None:
    records = [*grid({0: [0.5, 0.6]}, factors=LOW), *grid({2: [0.7, 0.9]}, factors=HIGH)]
    found = reduce_to_depth(records)
    assert found.pooled
    assert [seen.score for seen in found.trials] == [0.5, 0.6, 0.7, 0.9]
    assert len(set(found.seeds)) == 4


@pytest.mark.parametrize("configurations", [2, 6])
def test_where_configurations_are_alike_picking_claims_no_more(configurations: int) -> None:
    """In 60 studies of three equal depths and three seeds."""
    rng, claimed = np.random.default_rng(configurations), 0
    for _ in range(60):
        values = 0.6 + 0.01 * (rng.standard_normal((3, configurations, 3)) + rng.standard_normal((1, 1, 3)))
        cells = np.ndindex(values.shape)
        records = [trial(depth, seed, float(values[depth, k, seed]), {"dropout": k / 10}) for depth, k, seed in cells]
        claimed += bool(make_facet(records).worse)
    assert claimed / 60 <= 0.05 + 3 * math.sqrt(0.0475 / 60)


def test_where_one_depth_was_tried_its_best_is_picked() -> None:
    found = reduce_to_depth([*grid({2: [0.5, 0.5]}, factors=LOW), *grid({2: [0.6, 0.6]}, factors=HIGH)])
    assert found.picked == {2: "dropout=0.5"}
