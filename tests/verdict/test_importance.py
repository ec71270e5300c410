"""Shares of variance: closed forms, unbalanced trials, coverage."""

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from src.verdict.importance import Importance, VarianceShare, importance
from src.verdict.trials import TrialRecord
from tests.verdict.studies import grid, trial


def shares(found: Importance | None) -> dict[str, VarianceShare]:
    assert found is not None
    return {" = ".join(each.factors): each for each in found.shares}


def study(rng: np.random.Generator, *, scale: float = 1.0, lost: int = 0) -> list[TrialRecord]:
    """4 depths × 2 dropouts × 3 seeds; noise of deviation 1, depth's effect −scale … scale, dropout's half of it."""
    records = [
        trial(depth, seed, scale * (depth * 2 / 3 - 1 + dropout) + float(rng.standard_normal()), {"dropout": dropout})
        for depth, dropout, seed in itertools.product(range(4), (-0.5, 0.5), range(3))
    ]
    return [records[k] for k in sorted(rng.permutation(len(records))[lost:])]


def test_a_grid_is_the_textbooks_analysis_of_variance() -> None:
    rows = {0: [0.50, 0.54, 0.52], 2: [0.60, 0.63, 0.66], 11: [0.71, 0.70, 0.75]}
    values = np.asarray(list(rows.values()))
    deviation = values - values.mean()
    total = (deviation**2).sum()
    depth = 3 * (values.mean(1) - values.mean()) ** 2
    seed = 3 * (values.mean(0) - values.mean()) ** 2
    noise = (total - depth.sum() - seed.sum()) / 4
    found = importance(grid(rows))
    assert found is not None
    assert shares(found)["depth"].share == pytest.approx((depth.sum() - 2 * noise) / total)
    assert shares(found)["seed"].share == pytest.approx((seed.sum() - 2 * noise) / total)
    assert found.together == pytest.approx(0, abs=1e-9)
    assert found.rest + sum(each.share for each in found.shares) == pytest.approx(1)


def test_nothing_but_one_factor() -> None:
    found = shares(importance(grid({0: [0.5, 0.5, 0.5], 2: [0.7, 0.7, 0.7]})))
    assert found["depth"].share == pytest.approx(1)
    assert found["depth"].low is None  # no noise to know it by


def test_factors_that_vary_as_one_are_one() -> None:
    records = [
        *grid({0: [0.5, 0.6], 2: [0.6, 0.7]}, factors={"backbone": "a", "image_size": 96}),
        *grid({0: [0.7, 0.8], 2: [0.8, 0.95]}, factors={"backbone": "b", "image_size": 224}),
    ]
    found = shares(importance(records))
    assert set(found) == {"backbone = image_size", "depth", "seed"}


def test_what_two_factors_explain_together_is_given_to_neither() -> None:
    rng = np.random.default_rng(0)
    cells = [(0, 0.2, 5), (2, 0.5, 5), (0, 0.5, 1), (2, 0.2, 1)]  # dropout goes with depth in ten trials of twelve
    records = [
        trial(depth, seed, 0.5 + 0.1 * depth + 0.001 * float(rng.standard_normal()), {"dropout": dropout})
        for depth, dropout, count in cells
        for seed in range(count)
    ]
    found = importance(records)
    assert found is not None
    assert found.together > 0.2
    assert shares(found)["dropout"].share < 0.1


def test_a_number_that_hardly_repeats_enters_by_rank() -> None:
    rng = np.random.default_rng(1)
    rates = 10 ** rng.uniform(-5, -1, 20)
    records = [trial(2, 0, float(np.log10(rate)) / 10 + 1, {"learning_rate": float(rate)}) for rate in rates]
    found = shares(importance(records))
    assert found["learning_rate"].share > 0.9


def searched(trials: int) -> list[TrialRecord]:
    """A random search over two numbers, of which one matters; no value comes twice."""
    rng = np.random.default_rng(5)
    draws = [(float(10 ** rng.uniform(-5, -3)), float(rng.uniform(0.1, 0.6))) for _ in range(trials)]
    return [
        trial(depth, 0, np.log10(rate) / 10 + 0.01 * rng.standard_normal(), {"dropout": dropout, "rate": rate})
        for depth, (rate, dropout) in zip(itertools.cycle((0, 2)), draws, strict=False)
    ]


def test_numbers_that_hardly_repeat_are_told_apart() -> None:
    found = shares(importance(searched(20)))
    assert set(found) == {"dropout", "rate", "depth"}
    assert found["rate"].share > 0.7
    assert found["dropout"].share < 0.1


def test_a_number_is_one_with_what_it_ranks_alike_or_in_reverse() -> None:
    records = [
        replace(record, factors=record.factors | {"twice": 2 * float(rate), "less": 1 - float(rate)})
        for record in searched(20)
        if (rate := record.factors["rate"])
    ]
    assert set(shares(importance(records))) == {"dropout", "less = rate = twice", "depth"}


def hidden(values: Mapping[tuple[int, str], Sequence[float]]) -> list[TrialRecord]:
    return [
        trial(depth, seed, value, {"batchnorm": mode})
        for (depth, mode), row in values.items() for seed, value in enumerate(row)
    ]  # fmt: skip


def test_factors_that_hide_one_another_have_no_more_than_there_is() -> None:
    """Unfreezing harms and another mode heals, but where nothing is unfrozen there is one mode alone."""
    values = np.asarray([0.650, 0.659, 0.500, 0.491, 0.447, 0.403, 0.650, 0.646, 0.600, 0.628])
    names = [(0, "train"), (2, "train"), (11, "train"), (2, "inference"), (11, "inference")]
    found = importance(hidden({cell: values[2 * k : 2 * k + 2].tolist() for k, cell in enumerate(names)}))
    assert found is not None
    depth, mode, seed = np.repeat([0, 1, 2, 1, 2], 2), np.repeat([0, 0, 0, 1, 1], 2), np.tile([0, 1], 5)
    deep = depth[:, None] == [1, 2]
    left = {  # sums of squares that are left by nothing, depth, mode, both, and all
        key: float(np.linalg.lstsq(np.column_stack([np.ones(10), *columns]), values, rcond=None)[1][0])
        for key, columns in (("", []), ("d", [deep]), ("m", [mode]), ("dm", [deep, mode]), ("dms", [deep, mode, seed]))
    }
    noise, expected = left["dms"] / 5, {}
    for factor, alone, other, freedom in (("depth", "d", "m", 2), ("batchnorm", "m", "d", 1)):
        beside = left[other] - left["dm"]
        mean = (left[""] - left[alone] + beside) / 2
        assert mean < beside  # each explains more beside the other
        expected[factor] = mean / beside * (beside - freedom * noise) / left[""]
    assert {name: share.share for name, share in shares(found).items()} == pytest.approx(expected | {"seed": 0.0})
    assert sum(each.share for each in found.shares) + found.together + found.rest == pytest.approx(1)
    assert found.rest >= left["dms"] / left[""]
    assert found.together == pytest.approx(0, abs=1e-9)


@pytest.mark.slow
@pytest.mark.parametrize("scale", [0.0, 1.0, 3.0])
def test_intervals_cover_where_factors_hide_one_another(scale: float) -> None:
    means = {(0, "train"): 6.5, (2, "train"): 5.0, (11, "train"): 4.5, (2, "inference"): 6.5, (11, "inference"): 6.0}
    rng = np.random.default_rng(int(scale))

    def drawn(noise: float) -> dict[str, VarianceShare]:
        rows = {cell: (scale * mean + noise * rng.standard_normal(4)).tolist() for cell, mean in means.items()}
        return shares(importance(hidden(rows)))

    explained = 4 * scale**2 * float(np.square(np.subtract([*means.values()], 5.7)).sum())
    for factor in ("depth", "batchnorm"):
        share = drawn(1e-6)[factor].share * explained / (explained + 19) if scale else 0.0
        found = [drawn(1.0)[factor] for _ in range(200)]
        inside = [each.low <= share + 1e-12 and share <= each.high for each in found]  # type: ignore[operator]
        assert np.mean(inside) >= 0.91
        assert np.mean([each.share for each in found]) == pytest.approx(share, abs=0.06)


@pytest.mark.parametrize("records", [[], [trial()], grid({2: [0.5, 0.6]}), grid({0: [0.5, 0.5], 2: [0.5, 0.5]})])
def test_where_there_is_nothing_to_share(records: list[TrialRecord]) -> None:
    assert importance(records) is None


def test_a_saturated_study_has_no_shares() -> None:
    rows = [(0, 0.2, 0.5), (2, 0.2, 0.6), (2, 0.5, 0.7), (0, 0.5, 0.65)]
    records = [trial(depth, 0, val, {"dropout": dropout}) for depth, dropout, val in rows]
    assert importance(records[:3]) is None  # as many effects as trials: chance would be given to depth and dropout
    assert importance(records) is not None


@pytest.mark.slow
@pytest.mark.parametrize("lost", [0, 3])
@pytest.mark.parametrize("scale", [0.0, 0.7, 2.0])
def test_intervals_cover_and_estimates_are_right_on_average(scale: float, lost: int) -> None:
    rng = np.random.default_rng([int(10 * scale), lost])
    true = {"depth": 5 / 9 * scale**2, "dropout": scale**2 / 4, "seed": 0.0}
    total = sum(true.values()) + 1
    found = [shares(importance(study(rng, scale=scale, lost=lost))) for _ in range(400)]
    for factor, variance in true.items():
        share = variance / total
        inside = [each[factor].low <= share + 1e-12 and share <= each[factor].high for each in found]  # type: ignore[operator]
        assert np.mean(inside) >= 0.92
        assert np.mean([each[factor].share for each in found]) == pytest.approx(share, abs=0.06)


@settings(max_examples=40, deadline=None)
@given(
    st.lists(st.tuples(st.integers(0, 3), st.integers(0, 2), st.sampled_from([0.1, 0.5]), st.floats(0, 1)), max_size=12)
)
@example([(0, 0, 0.1, 0.0), (0, 0, 0.5, 0.5), (0, 1, 0.1, 1e-6)])
def test_whatever_the_trials_shares_are_shares(rows: list[tuple[int, int, float, float]]) -> None:
    found = importance([trial(depth, seed, val, {"dropout": dropout}) for depth, seed, dropout, val in rows])
    if found is None:
        return
    assert 0 <= found.together <= 1 + 1e-9
    assert 0 <= found.rest <= 1
    assert found.rest + found.together + sum(each.share for each in found.shares) == pytest.approx(1)
    for each in found.shares:
        assert 0 <= each.share <= 1 + 1e-9
        if each.low is not None and each.high is not None:
            assert 0 <= each.low <= each.share <= each.high <= 1


def test_a_run_that_answers_two_configurations_is_no_replicate() -> None:
    rng = np.random.default_rng(3)
    modes = ({"batchnorm": "train"}, {"batchnorm": "frozen"})
    head = [trial(0, seed, 0.5 + 0.02 * float(rng.standard_normal()), modes[0]) for seed in range(3)]
    deep = [
        trial(2, seed, 0.6 + 0.02 * float(rng.standard_normal()), factors) for factors in modes for seed in range(3)
    ]
    again = [replace(record, factors=modes[1]) for record in head]
    assert importance([*head, *deep, *again]) == importance([*head, *deep])


def _rung(dropout: float, epochs: int, val: float) -> TrialRecord:
    history = [{"epoch": float(k), "fit/loss": dropout + k, "val/accuracy": dropout} for k in range(epochs)]
    return trial(2, 0, val, {"dropout": dropout, "fine_tune_epochs": epochs}, history=history)


def test_hyperbands_rungs_count_once() -> None:
    rates = [k / 20 for k in range(9)]
    first = [_rung(rate, 2, 0.3 + 0.01 * k) for k, rate in enumerate(rates)]
    further = [_rung(rate, 6, 0.6 + 0.02 * k) for k, rate in enumerate(rates[:4])]
    found = importance([*first, *further])
    assert found is not None
    assert found.trials == len(rates)


def test_a_grid_over_epochs_keeps_its_shorter_trials() -> None:
    trials = [_rung(rate / 10, epochs, 0.3 + rate / 50 + epochs / 20) for rate in range(4) for epochs in (2, 6)]
    found = importance(trials)
    assert found is not None
    assert found.trials == len(trials)
    assert found.shares[0].factors == ("fine_tune_epochs",)
