"""The gap's two parts by depth, and to which it is laid."""

from collections.abc import Mapping
from dataclasses import replace

import pytest

from src.reporting.gap_text import describe_gaps
from src.verdict.gaps import gap_rows
from src.verdict.trials import TrialRecord
from tests.verdict.studies import trial

Parts = Mapping[int, tuple[float, float]]


def trials(parts: Parts, *seeds: float) -> list[TrialRecord]:
    """Trials by depth with (mode, generalization); a seed adds its number to mode, but at depth 0."""
    return [
        replace(trial(depth, seed), metrics={"gap/mode": mode + more * (depth > 0), "gap/generalization": rest})
        for depth, (mode, rest) in parts.items()
        for seed, more in enumerate(seeds or (0.0,))
    ]


TRAIN = {0: (-0.05, 0.34), 2: (0.15, 0.34), 11: (0.52, 0.05)}
INFERENCE = {0: (-0.05, 0.34), 2: (-0.05, 0.33), 11: (-0.12, 0.24)}


@pytest.mark.parametrize(
    ("parts", "mainly"),
    [
        ({2: (0.3, 0.1)}, ["mode"]),
        ({2: (0.1, 0.3)}, ["generalization"]),
        ({2: (0.01, 0.015)}, ["neither"]),
        ({2: (-0.2, 0.01)}, ["neither"]),
        # what a head alone has is no fault of depth: here 2 layers add mode alone
        (TRAIN, ["generalization", "mode", "mode"]),
        # nothing added: the gap as it stands
        (INFERENCE, ["generalization"] * 3),
        # 2 points added, but by neither part alone: the gap as it stands
        ({0: (0.0, 0.34), 2: (0.012, 0.352)}, ["generalization"] * 2),
        ({0: (0.2, 0.1), 2: (0.2, 0.3)}, ["mode", "generalization"]),
        ({0: (0.0, 0.0), 2: (0.01, 0.005)}, ["neither", "neither"]),
    ],
)
def test_mainly(parts: Parts, mainly: list[str]) -> None:
    assert [row.mainly for row in gap_rows(trials(parts))] == mainly


def test_rows_are_means_over_seeds_with_intervals() -> None:
    (row,) = gap_rows(trials({11: (0.4, 0.1)}, 0.0, 0.1))
    assert (row.depth, row.added) == (11, None)
    assert row.mode.estimate == pytest.approx(0.45)
    assert row.whole.estimate == pytest.approx(0.55)
    assert row.mode.high == pytest.approx(0.45 + 12.7062 * 0.05)
    assert row.generalization.low == row.generalization.high == pytest.approx(0.1)


def test_what_is_added_counts_from_depth_0() -> None:
    head, row = gap_rows(trials({0: (-0.05, 0.3), 11: (0.4, 0.1)}))
    assert row.added == pytest.approx((0.45, -0.2))
    assert head.added is None
    assert (head.counted, row.counted) == ("gap", "added")


@pytest.mark.parametrize(
    ("seeds", "doubt"),
    [((0.0,), "one seed"), ((0.0, 0.0), ""), ((-0.01, 0.01), ""), ((-0.1, 0.1), "not told apart")],
)
def test_parts_are_told_apart_by_the_seeds(seeds: tuple[float, ...], doubt: str) -> None:
    _, row = gap_rows(trials({0: (0.0, 0.3), 2: (0.2, 0.3)}, *seeds))
    assert (row.mainly, row.doubt) == ("mode", doubt)
    assert row.apart.estimate == pytest.approx(0.2)
    if len(seeds) > 1:
        assert row.apart.low == pytest.approx(0.2 - 12.7062 * seeds[1])


def test_seeds_are_compared_with_their_own_head() -> None:
    """What a seed has in common at both depths says nothing of what unfreezing adds."""
    apart = [
        replace(trial(depth, seed), metrics={"gap/mode": more + 0.1 * seed, "gap/generalization": 0.3})
        for depth, more in ((0, 0.0), (2, 0.2)) for seed in (0, 1, 2)
    ]  # fmt: skip
    _, row = gap_rows(apart)
    assert (row.doubt, row.apart.count) == ("", 3)
    _, row = gap_rows([*apart[:3], *(replace(each, seed=each.seed + 7) for each in apart[3:])])
    assert (row.doubt, row.apart.low) == ("not told apart", None)
    assert row.added == pytest.approx((0.2, 0.0))


@pytest.mark.parametrize(
    ("parts", "seeds", "text"),
    [
        ({}, (0.0,), ""),
        (
            {2: (0.3, 0.1)}, (0.0,),
            "The gap between fit and validation is more mode than generalization at 2 layers, though one seed cannot "
            "tell how surely (mode +30.0, generalization +10.0 points).",
        ),
        (
            TRAIN, (-0.01, 0.01),
            "The gap between fit and validation is mainly generalization at 0 layers (mode −5.0, generalization +34.0 "
            "points). What unfreezing adds to it is mainly mode at 2 and 11 layers (mode +20.0 and +57.0, "
            "generalization +0.0 and −29.0 points; in all mode +15.0 and +52.0, generalization +34.0 and +5.0).",
        ),
        (
            TRAIN, (-0.05, 0.05),
            "The gap between fit and validation is mainly generalization at 0 layers (mode −5.0, generalization +34.0 "
            "points). What unfreezing adds to it is mainly mode at 11 layers (mode +57.0, generalization −29.0 points; "
            "in all mode +52.0, generalization +5.0), more mode than generalization at 2 layers, though the seeds do "
            "not tell them apart (mode +20.0, generalization +0.0 points; in all mode +15.0, generalization +34.0).",
        ),
        (
            INFERENCE, (-0.01, 0.01),
            "The gap between fit and validation is mainly generalization at 0, 2 and 11 layers (mode −5.0, −5.0 and "
            "−12.0, generalization +34.0, +33.0 and +24.0 points).",
        ),
        (
            {depth: (0.1 + depth / 100, 0.05) for depth in range(1, 5)}, (0.0, 0.0),
            "The gap between fit and validation is mainly mode at 1, 2, 3 and 4 layers (mode +11.0 to +14.0, "
            "generalization +5.0 to +5.0 points).",
        ),
        # next to no gap: nothing is sure or unsure of it, and nothing is widest
        (
            {0: (0.0, 0.01), 2: (-0.2, 0.0)}, (0.0,),
            "The gap between fit and validation is not worth naming at 0 and 2 layers (mode +0.0 and −20.0, "
            "generalization +1.0 and +0.0 points).",
        ),
    ],
)  # fmt: skip
def test_in_words(parts: Parts, seeds: tuple[float, ...], text: str) -> None:
    assert describe_gaps(gap_rows(trials(parts, *seeds))) == text


def test_of_a_search_all_trials_count_and_nothing_is_laid_to_depth() -> None:
    """Its trials share a seed and differ in other settings."""
    records = [
        replace(trial(depth, 0, run_id=f"{depth} {k}"), metrics={"gap/mode": mode, "gap/generalization": 0.1})
        for depth, modes in ((0, (0.0, 0.02)), (2, (0.3, 0.4, 0.5))) for k, mode in enumerate(modes)
    ]  # fmt: skip
    head, row = gap_rows(records, pooled=True)
    assert (head.mode.count, row.mode.count) == (2, 3)
    assert row.mode.estimate == pytest.approx(0.4)
    assert (row.added, row.counted, row.mainly) == (None, "gap", "mode")
    text = describe_gaps((head, row), pooled=True)
    assert text.endswith("What unfreezing adds to it is not known: other settings differ between the depths.")
    assert describe_gaps((), pooled=True) == ""


def test_trials_without_gaps_are_left_out() -> None:
    assert gap_rows([trial(2), trial(11)]) == ()
