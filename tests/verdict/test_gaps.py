"""The gap's two parts by depth, and to which it is laid."""

from collections.abc import Mapping
from dataclasses import replace

import pytest

from src.verdict.gaps import describe_gaps, gap_rows
from src.verdict.records import TrialRecord
from tests.verdict.studies import trial

Parts = Mapping[int, tuple[float, float]]


def trials(parts: Parts, *seeds: float) -> list[TrialRecord]:
    """Trials by depth with (mode, generalization); a seed adds its number to mode."""
    return [
        replace(trial(depth, seed), metrics={"gap/mode": mode + more, "gap/generalization": rest})
        for depth, (mode, rest) in parts.items()
        for seed, more in enumerate(seeds or (0.0,))
    ]


@pytest.mark.parametrize(
    ("parts", "mainly"),
    [
        ({2: (0.3, 0.1)}, ["mode"]),
        ({2: (0.1, 0.3)}, ["generalization"]),
        ({2: (0.01, 0.015)}, ["neither"]),
        ({2: (-0.2, 0.01)}, ["neither"]),
        # what a head alone has is no fault of depth: here 2 layers add mode alone
        ({0: (-0.05, 0.34), 2: (0.16, 0.34), 11: (0.51, 0.09)}, ["generalization", "mode", "mode"]),
        # nothing added: the gap as it stands
        ({0: (-0.05, 0.34), 2: (-0.05, 0.34), 11: (-0.12, 0.26)}, ["generalization"] * 3),
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
    _, row = gap_rows(trials({0: (-0.05, 0.3), 11: (0.4, 0.1)}))
    assert row.added == pytest.approx((0.45, -0.2))


@pytest.mark.parametrize(
    ("parts", "text"),
    [
        ({}, ""),
        (
            {2: (0.3, 0.1)},
            "The gap between fit and validation is mainly mode at 2 layers. It is widest, 40.0 points, at 2 layers: "
            "30.0 mode, 10.0 generalization.",
        ),
        (
            {0: (-0.05, 0.3), 2: (0.15, 0.3), 11: (0.4, 0.1)},
            "The gap between fit and validation is mainly mode at 2 and 11 layers, mainly generalization at 0 layers. "
            "It is widest, 50.0 points, at 11 layers: 40.0 mode, 10.0 generalization (+45.0 and −20.0 beyond those "
            "at 0 layers).",
        ),
        (
            {0: (0.0, 0.01)},
            "The gap between fit and validation is next to none at 0 layers. It is widest, 1.0 points, at 0 layers: "
            "0.0 mode, 1.0 generalization.",
        ),
    ],
)
def test_in_words(parts: Parts, text: str) -> None:
    assert describe_gaps(gap_rows(trials(parts))) == text


def test_trials_without_gaps_are_left_out() -> None:
    assert gap_rows([trial(2), trial(11)]) == ()
