"""Verdicts: which depth, which are clearly worse, and what they rest on."""

import math
from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from src.reporting.verdict_text import answer, headline, limits, next_steps, note
from src.verdict.trials import TrialRecord
from src.verdict.verdict import Kind, Verdict, judge
from tests.verdict.studies import TIE, WINNER, grid, predicted, trial


def only(records: Sequence[TrialRecord]) -> Verdict:
    (verdict,) = judge(records)
    return verdict


TABLE: list[tuple[str, list[TrialRecord], Kind, int | None]] = [
    ("a clear winner", grid(WINNER), "shown", 11),
    ("a tie", grid(TIE), "tie", 20),
    ("nothing moves", grid({0: (0.5, 0.625), 2: (0.5, 0.625)}), "tie", 0),
    ("one seed", grid({0: (0.5,), 2: (0.6,), 11: (0.55,)}), "one seed", 2),
    ("one seed with predictions", predicted({0: 0.4, 11: 0.8}, seeds=1), "shown", 11),
    ("one depth", grid({2: (0.5, 0.6)}), "one depth", 2),
    ("one trial", [trial(1, 0, 0.5)], "one depth", 1),
    ("a missing cell", grid({0: (*WINNER[0], 0.61), 2: (*WINNER[2], 0.62), 11: WINNER[11]}), "shown", 11),
    ("two seeds of three", grid({0: WINNER[0], 2: WINNER[2], 11: (0.70, 0.723)}), "tie", 11),
    ("all failed", [trial(status="FAILED", val=None)], "nothing", None),
    ("no trial", [], "nothing", None),
]


@pytest.mark.parametrize(("records", "kind", "depth"), [row[1:] for row in TABLE], ids=[row[0] for row in TABLE])
def test_kinds_and_depths(records: list[TrialRecord], kind: Kind, depth: int | None) -> None:
    verdict = only(records)
    assert (verdict.kind, verdict.depth) == (kind, depth)


def test_rows_hold_each_depth_and_its_difference_to_the_best() -> None:
    rows = only(grid(WINNER)).rows
    assert [row.depth for row in rows] == [0, 2, 11]
    assert [row.is_worse for row in rows] == [True, True, False]
    assert rows[0].to_best.estimate == pytest.approx(-0.1033, abs=1e-4)
    assert rows[0].to_best.low is not None
    assert rows[0].to_best.low < rows[0].to_best.estimate < (rows[0].to_best.high or 0) < 0


def test_a_margin_recommends_the_least_depth_within_it() -> None:
    records = predicted({0: 0.50, 11: 0.79, 29: 0.80})
    best = judge(records)[0]
    cheap, cheaper = (judge(records, margin=margin)[0].depth for margin in (0.05, 0.5))
    assert (cheap, cheaper) == (11, 0)
    assert best.depth == best.best


def test_the_least_depth_that_may_be_as_good_is_priced() -> None:
    verdict = only(predicted({0: 0.5, 11: 0.795, 29: 0.8}))
    if verdict.depth == 29:
        assert verdict.lesser == 11
    assert only(predicted({0: 0.3, 29: 0.8})).lesser is None


def test_bursts_count_as_one_image() -> None:
    apart, together = (only(predicted({0: 0.7, 11: 0.75}, burst=burst)).rows[0].to_best for burst in (1, 20))
    assert apart.estimate == together.estimate
    assert apart.low != together.low


def test_the_more_images_the_narrower_the_interval() -> None:
    few, many = (only(predicted({0: 0.7, 11: 0.75}, images=images)).rows[0].to_best for images in (100, 1600))
    assert (many.high or 0) - (many.low or 0) < ((few.high or 0) - (few.low or 0)) / 2


@pytest.mark.parametrize("objective", ["balanced_accuracy", "macro_f1"])
def test_other_metrics_are_judged_for_new_images_too(objective: str) -> None:
    verdict = only(predicted({0: 0.5, 11: 0.8}, objective=objective))
    assert verdict.facet is not None
    assert verdict.facet.scores.cases == 400
    assert [row.is_worse for row in verdict.rows] == [True, False]


def test_where_predictions_are_missing_or_of_different_images_seeds_alone_speak() -> None:
    trials = predicted({0: 0.5, 11: 0.8})
    missing = [*trials[1:], trial(0, 0, 0.5, val_images=400)]
    others = predicted({0: 0.5, 11: 0.8}, same_images=False)
    for records in (missing, others):
        verdict = only(records)
        assert verdict.facet is not None
        assert verdict.facet.scores.cases == 0
        assert "what other images would change is not known" in " ".join(limits(verdict))


def test_facets_are_judged_apart() -> None:
    records = [*grid(WINNER, factors={"batchnorm": "train"}), *grid(TIE, factors={"batchnorm": "frozen"})]
    assert {verdict.label: verdict.kind for verdict in judge(records)} == {
        "batchnorm=train": "shown", "batchnorm=frozen": "tie",
    }  # fmt: skip


def test_rates_are_tuned_where_each_depth_stands_with_the_best_of_several() -> None:
    one = grid(WINNER, factors={"fine_tune_learning_rate": 1e-4})
    other = grid({depth: [value - 0.01 for value in row] for depth, row in WINNER.items()},
                 factors={"fine_tune_learning_rate": 1e-3})  # fmt: skip
    assert only([*one, *other]).rates_tuned
    assert not only(one).rates_tuned
    assert "One learning rate of fine-tuning served all depths" in " ".join(limits(only(one)))
    assert "The learning rate of fine-tuning was tuned at each depth" in " ".join(limits(only([*one, *other])))


trials = st.builds(
    trial,
    depth=st.integers(0, 3),
    seed=st.integers(0, 3),
    val=st.one_of(st.none(), st.floats(0, 1), st.just(math.nan)),
    factors=st.dictionaries(st.sampled_from(["dropout", "batchnorm"]), st.sampled_from(["a", "b"])),
    status=st.sampled_from(["FINISHED", "FINISHED", "FINISHED", "FAILED", "RUNNING"]),
    val_images=st.sampled_from([None, 0, 50, 400]),
)


@settings(max_examples=60, deadline=None)
@given(st.lists(trials, max_size=16))
def test_whatever_the_trials_there_is_a_verdict(records: list[TrialRecord]) -> None:
    for verdict in judge(records):
        texts = [headline(verdict), answer(verdict), note(verdict), *limits(verdict)]
        texts += [text for step in next_steps(verdict) for text in step]
        assert all(texts)
        assert answer(verdict).endswith(".")
        assert "nan" not in " ".join(texts)
        assert "None" not in " ".join(texts)
        assert (verdict.depth is None) == (verdict.kind == "nothing")
