"""Other hyperparameters taken out: who wins, who may compete, and that luck makes no difference of depths."""

import math

import numpy as np
import pytest

from src.statistics.design import Floats
from src.verdict.reduction import reduce_to_depth
from src.verdict.trials import TrialRecord
from tests.verdict.studies import cells, claims, design_of, grid, trial

LOW, HIGH = {"dropout": 0.2}, {"dropout": 0.5}


def values(records: list[TrialRecord]) -> list[float]:
    return [seen.value for seen in reduce_to_depth(records).observations]


def test_nothing_varies() -> None:
    found = reduce_to_depth(grid({2: [0.6, 0.7], 0: [0.5, 0.4]}))
    assert [tuple(seen) for seen in found.observations] == [(0, 0, 0.5), (0, 1, 0.4), (2, 0, 0.6), (2, 1, 0.7)]
    assert (found.text, found.picked, found.pooled) == ("", {}, False)
    assert found.candidates == {frozenset({"0-0", "0-1"}): 0.45, frozenset({"2-0", "2-1"}): pytest.approx(0.65)}


def test_each_depth_stands_with_its_best() -> None:
    records = [*grid({0: [0.5, 0.5], 2: [0.8, 0.7]}, factors=LOW), *grid({0: [0.6, 0.7], 2: [0.6, 0.6]}, factors=HIGH)]
    found = reduce_to_depth(records)
    assert found.picked == {0: "dropout=0.5", 2: "dropout=0.2"}
    assert [seen.value for seen in found.observations] == [0.6, 0.7, 0.8, 0.7]
    assert sorted(found.candidates.values()) == pytest.approx([0.5, 0.6, 0.65, 0.75])
    assert "its best of 2 configurations" in found.text
    assert "0 layers: dropout=0.5; 2 layers: dropout=0.2" in found.text


def test_a_configuration_that_lacks_a_depth_does_not_compete() -> None:
    records = [*grid({0: [0.5, 0.5], 2: [0.6, 0.6]}, factors=LOW), *grid({2: [0.9, 0.9]}, factors=HIGH)]
    found = reduce_to_depth(records)
    assert [seen.value for seen in found.observations] == [0.5, 0.5, 0.6, 0.6]
    assert "the one configuration that all share (dropout=0.2)" in found.text
    assert "1 more had not been trained at every depth" in found.text


def test_a_lucky_single_seed_does_not_compete_with_five() -> None:
    many = grid({0: [0.5] * 5, 2: [0.6] * 5}, factors=LOW)
    assert len(values([*many, *grid({0: [0.9], 2: [0.9]}, factors=HIGH)])) == 10
    assert len(values([*many, *grid({0: [0.9] * 3, 2: [0.9] * 3}, factors=HIGH)])) == 6


def test_without_a_common_configuration_the_rest_is_noise() -> None:
    records = [*grid({0: [0.5, 0.6]}, factors=LOW), *grid({2: [0.7, 0.9]}, factors=HIGH)]
    found = reduce_to_depth(records)
    assert found.pooled
    assert [seen.value for seen in found.observations] == [0.5, 0.6, 0.7, 0.9]
    assert len({seen.seed for seen in found.observations}) == 4
    assert "counts as noise" in found.text


def picked(values: Floats) -> Floats:
    """Values [studies, depths, configurations, seeds] reduced to [studies, trials], many studies at once."""
    best = values.mean(axis=3).argmax(axis=2)[:, :, None, None]
    found = np.take_along_axis(values, best, axis=2)[:, :, 0].reshape(len(values), -1)
    for study, expected in zip(values[:20], found, strict=False):
        cells = np.ndindex(study.shape)
        records = [trial(depth, seed, float(study[depth, k, seed]), {"dropout": k / 10}) for depth, k, seed in cells]
        assert [seen.value for seen in reduce_to_depth(records).observations] == list(expected)
    return found


def false_claims(depths: int, seeds: int, truth: Floats) -> float:
    """Share of 6,000 studies that claim a difference; `truth` [depths, configurations]."""
    configurations = truth.shape[1]
    rng = np.random.default_rng([depths, seeds, configurations])
    values = rng.standard_normal((6000, depths, configurations, seeds)) + rng.standard_normal((6000, 1, 1, seeds))
    design = design_of(cells(depths, seeds))
    return float(claims(design, picked(values + truth[:, :, None])).any((1, 2)).mean())


@pytest.mark.parametrize(("depths", "seeds", "configurations"), [(2, 3, 4), (4, 3, 2), (6, 2, 8), (3, 5, 4), (2, 2, 3)])
@pytest.mark.parametrize("effect", [0.0, 1.0])
def test_where_configurations_act_alike_at_all_depths_picking_claims_no_more(
    depths: int, seeds: int, configurations: int, effect: float
) -> None:
    alike = effect * np.random.default_rng(configurations).standard_normal(configurations)
    found = false_claims(depths, seeds, np.tile(alike, (depths, 1)))
    assert found <= 0.05 + 3.5 * math.sqrt(0.0475 / 6000)


@pytest.mark.parametrize(("depths", "lone", "seeds"), [(2, 1, 2), (2, 1, 10), (4, 2, 5), (6, 4, 10)])
@pytest.mark.parametrize(("configurations", "most"), [(4, 0.07), (9, 0.12)])
def test_where_one_stands_out_at_some_depths_picking_claims_as_much_as_is_told(
    depths: int, lone: int, seeds: int, configurations: int, most: float
) -> None:
    """All depths' bests are equal; at `lone` of them one configuration is far better than the rest, elsewhere none."""
    truth = np.zeros((depths, configurations))
    truth[:lone, 1:] = -20
    assert false_claims(depths, seeds, truth) <= most + 0.005 + 3.5 * math.sqrt(most / 6000)


def test_where_one_depth_was_tried_luck_lifts_none_above_another() -> None:
    found = reduce_to_depth([*grid({2: [0.5, 0.5]}, factors=LOW), *grid({2: [0.6, 0.6]}, factors=HIGH)])
    assert found.picked == {2: "dropout=0.5"}
    assert "may be claimed" not in found.text


def test_that_picking_may_claim_more_is_told_with_figures() -> None:
    records = [*grid({0: [0.5, 0.5], 2: [0.6, 0.6]}, factors=LOW), *grid({0: [0.6, 0.6], 2: [0.6, 0.7]}, factors=HIGH)]
    assert "up to 7 % with 4 configurations, 12 % with 9" in reduce_to_depth(records).text
