"""Remedies compared with what a study has tried, and with one another."""

from collections.abc import Mapping

import pytest

from src.diagnosis.remedies import Settings
from src.diagnosis.tried_remedies import TriedRemedy, are_opposed, find_tried
from src.verdict.trials import Factor, TrialRecord
from tests.verdict.studies import grid, trial

RATE = "fine_tune_learning_rate"


def rated(rate: float, depth: int = 2, **more: Factor) -> TrialRecord:
    return trial(depth, 0, 0.6, {RATE: rate, **more})


@pytest.mark.parametrize(
    ("own", "remedy", "others", "tried"),
    [
        ({"dropout": 0.2}, {"dropout": 0.5}, {"dropout": 0.5}, {"dropout": 0.5}),
        ({"dropout": 0.2}, {"dropout": 0.5}, {"dropout": 0.4}, None),
        ({"dropout": 0.2}, {"dropout": 0.5}, {"dropout": 0.5, "augment": "light"}, None),  # it differs in more
        ({"augment": "none"}, {"augment": "light"}, {"augment": "light"}, {"augment": "light"}),
        ({"augment": "none"}, {"augment": "light"}, {"augment": "strong"}, None),
        ({RATE: 1e-4}, {RATE: 0.0003}, {RATE: 1e-3}, {RATE: 1e-3}),  # further in the same direction
        ({RATE: 1e-4}, {RATE: 0.0003}, {RATE: 1e-5}, None),
        ({RATE: 1e-4}, {RATE: 3.3e-05}, {RATE: 1e-5}, {RATE: 1e-5}),
        ({RATE: 1e-4}, {RATE: 3.3e-05}, {RATE: 1e-3}, None),
        ({}, {"schedule.fine_tuning.epochs": 20}, {}, None),  # unknown of both
        ({}, {}, {}, None),
    ],
)
def test_a_remedy_was_tried_or_not(
    own: Mapping[str, Factor], remedy: Settings, others: Mapping[str, Factor], tried: Settings | None
) -> None:
    first = trial(2, 0, 0.6, own)
    assert find_tried(first, remedy, [first, trial(2, 1, 0.7, others)]) == (
        None if tried is None else TriedRemedy(tried, (0.7,), (0.6,))
    )


def test_scores_are_those_of_all_seeds_at_the_same_depth() -> None:
    without, with_it = {2: (0.5, 0.6), 11: (0.1, 0.1)}, {2: (0.7, 0.72), 11: (0.9, 0.9)}
    records = [*grid(without, factors={"dropout": 0.2}), *grid(with_it, factors={"dropout": 0.5})]
    assert find_tried(records[0], {"dropout": 0.5}, records) == TriedRemedy({"dropout": 0.5}, (0.7, 0.72), (0.5, 0.6))


@pytest.mark.parametrize(("depth", "whole", "tried"), [(0, False, [0, None]), (11, True, [None, "all"]),
                                                      (5, False, [None, None])])  # fmt: skip
def test_another_depth_is_a_remedy_too(depth: int, whole: bool, tried: list[Factor | None]) -> None:
    first = trial(2, 0, 0.6)
    records = [first, trial(depth, 0, 0.7, whole=whole)]
    assert [find_tried(first, {"unfrozen": asked}, records) for asked in (0, "all")] == [
        None if each is None else TriedRemedy({"unfrozen": each}, (0.7,), (0.6,)) for each in tried
    ]


def test_the_nearest_of_several_values_counts() -> None:
    records = [rated(rate) for rate in (1e-4, 1e-2, 1e-3)]
    tried = find_tried(records[0], {RATE: 0.0003}, records)
    assert tried is not None
    assert tried.settings == {RATE: 1e-3}


def test_what_failed_was_not_tried() -> None:
    first = trial(2, 0, 0.6, {"dropout": 0.2})
    failed = trial(2, 1, None, {"dropout": 0.5}, status="FAILED")
    assert find_tried(first, {"dropout": 0.5}, [first, failed]) is None


@pytest.mark.parametrize(
    ("one", "other", "are_opposite"),
    [
        ({RATE: 0.0003}, {RATE: 1e-05}, True),
        ({RATE: 3.3e-05}, {RATE: 1e-05}, False),
        ({RATE: 0.0003}, {"learning_rate": 1e-05}, False),
        ({"unfrozen": 0}, {"unfrozen": "all"}, True),
        ({"augment": "light"}, {"augment": "strong"}, True),
        ({"augment": "light"}, {"augment": "light"}, False),
        ({}, {"augment": "light"}, False),
    ],
)
def test_opposite_remedies(one: Settings, other: Settings, are_opposite: bool) -> None:
    assert are_opposed(rated(1e-4), one, rated(1e-4, 11), other) == are_opposite
