"""Depth against other hyperparameters, cell by cell."""

import numpy as np
import pytest

from src.reporting.interaction import interactions
from src.verdict.trials import Factor, TrialRecord
from tests.verdict.studies import trial


def grid(name: str, values: list[Factor], **more: Factor) -> list[TrialRecord]:
    return [
        trial(depth, seed, 0.5 + 0.1 * place + depth / 100 + seed / 1000, {name: value, **more})
        for depth in (0, 11) for place, value in enumerate(values) for seed in (0, 1)
    ]  # fmt: skip


def test_cells_are_means_over_seeds() -> None:
    (found,) = interactions(grid("dropout", [0.5, 0.2]))
    assert (found.factor, found.depths, found.values, found.facet) == ("dropout", (0, 11), ("0.2", "0.5"), "")
    assert np.allclose(found.means, [[0.6005, 0.5005], [0.7105, 0.6105]])
    assert found.counts.tolist() == [[2, 2], [2, 2]]


def test_a_cell_that_nobody_trained_is_empty() -> None:
    (found,) = interactions([*grid("dropout", [0.2, 0.5]), trial(20, 0, 0.9, {"dropout": 0.2})])
    assert np.isnan(found.means[2, 1])
    assert found.counts[2].tolist() == [1, 0]


def test_dropout_and_rates_come_first_and_facets_apart() -> None:
    records = [
        trial(depth, 0, 0.5, {"augment": a, "dropout": d, "learning_rate": r, "batchnorm": mode})
        for depth in (0, 2) for a in ("light", "none") for d in (0.1, 0.2) for r in (1e-3, 1e-4)
        for mode in ("train", "frozen")
    ]  # fmt: skip
    found = [(each.facet, each.factor) for each in interactions(records)]
    factors = ["dropout", "learning_rate", "augment"]
    assert found == [(f"batchnorm={mode}", factor) for mode in ("train", "frozen") for factor in factors]


def test_many_numbers_become_stretches() -> None:
    values: list[Factor] = [10.0**-k for k in range(1, 13)]
    (found,) = interactions(grid("learning_rate", values))
    assert len(found.values) == 6
    assert found.values[0] == "1e-12 – 1e-11"
    assert found.counts.tolist() == [[4] * 6] * 2


def test_whole_numbers_are_told_in_full() -> None:
    assert interactions(grid("image_size", [96.0, 224.0]))[0].values == ("96", "224")
    assert interactions(grid("learning_rate", [0.125, 0.00123456]))[0].values == ("0.001235", "0.125")
    sizes: list[Factor] = [32.0 * k for k in range(1, 13)]
    assert interactions(grid("image_size", sizes))[0].values[-1] == "352 – 384"


@pytest.mark.parametrize("values", [["light", "none"], [0.5, ""]])
def test_words_and_what_is_null(values: list[Factor]) -> None:
    (found,) = interactions(grid("augment", values))
    assert set(found.values) == {str(value) or "null" for value in values}


def test_one_depth_or_one_value_is_no_interaction() -> None:
    assert interactions([trial(2, 0, 0.5, {"dropout": 0.1}), trial(2, 0, 0.6, {"dropout": 0.2})]) == []
    assert interactions([trial(2, 0, 0.5, {"dropout": 0.1}), trial(11, 0, 0.6, {"dropout": 0.1})]) == []
    assert interactions([]) == []
