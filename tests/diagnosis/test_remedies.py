"""Remedies against what a study has tried, and against one another."""

from collections.abc import Mapping

import pytest

from src.diagnosis.remedies import Settings, fared, pull_apart
from src.verdict.trials import Factor, TrialRecord
from tests.verdict.studies import grid, trial

RATE = "fine_tune_learning_rate"


def rated(rate: float, depth: int = 2, **more: Factor) -> TrialRecord:
    return trial(depth, 0, 0.6, {RATE: rate, **more})


TRIED = "This study tried it at 2 layers: "


@pytest.mark.parametrize(
    ("own", "remedy", "others", "said"),
    [
        ({"dropout": 0.2}, {"dropout": 0.5}, {"dropout": 0.5}, TRIED + "dropout=0.5 has"),
        ({"dropout": 0.2}, {"dropout": 0.5}, {"dropout": 0.4}, ""),
        ({"dropout": 0.2}, {"dropout": 0.5}, {"dropout": 0.5, "augment": "light"}, ""),  # it differs in more
        ({"augment": "none"}, {"augment": "light"}, {"augment": "light"}, TRIED + "augment=light has"),
        ({"augment": "none"}, {"augment": "light"}, {"augment": "strong"}, ""),
        ({RATE: 1e-4}, {RATE: 0.0003}, {RATE: 1e-3}, TRIED + f"{RATE}=0.001 has"),  # further the same way
        ({RATE: 1e-4}, {RATE: 0.0003}, {RATE: 1e-5}, ""),
        ({RATE: 1e-4}, {RATE: 3.3e-05}, {RATE: 1e-5}, TRIED + f"{RATE}=1e-05 has"),
        ({RATE: 1e-4}, {RATE: 3.3e-05}, {RATE: 1e-3}, ""),
        ({}, {"schedule.fine_tuning.epochs": 20}, {}, ""),  # not known of either
        ({}, {}, {}, ""),
    ],
)
def test_what_was_tried_is_told(
    own: Mapping[str, Factor], remedy: Settings, others: Mapping[str, Factor], said: str
) -> None:
    first = trial(2, 0, 0.6, own)
    found = fared(first, remedy, [first, trial(2, 1, 0.7, others)])
    assert found.startswith(said)
    assert bool(found) == bool(said)


def test_it_is_told_in_means_over_seeds_at_the_same_depth() -> None:
    without, with_it = {2: (0.5, 0.6), 11: (0.1, 0.1)}, {2: (0.7, 0.72), 11: (0.9, 0.9)}
    records = [*grid(without, factors={"dropout": 0.2}), *grid(with_it, factors={"dropout": 0.5})]
    assert fared(records[0], {"dropout": 0.5}, records) == (
        "This study tried it at 2 layers: dropout=0.5 has 71.0 % (2 trials) on validation, against 55.0 % (2 trials) "
        "without."
    )


@pytest.mark.parametrize(
    ("depth", "whole", "tried"), [(0, False, "unfrozen=0"), (11, True, "unfrozen=all"), (5, False, "")]
)
def test_another_depth_is_a_remedy_too(depth: int, whole: bool, tried: str) -> None:
    first = trial(2, 0, 0.6)
    records = [first, trial(depth, 0, 0.7, whole=whole)]
    told = [fared(first, {"unfrozen": depth}, records) for depth in (0, "all")]
    assert [text for text in told if text] == ([f"This study tried it: {tried} has 70.0 % (1 trial) on validation, "
                                               "against 60.0 % (1 trial) without."] if tried else [])  # fmt: skip


def test_of_several_values_the_nearest_is_told() -> None:
    records = [rated(rate) for rate in (1e-4, 1e-2, 1e-3)]
    assert f"{RATE}=0.001 has" in fared(records[0], {RATE: 0.0003}, records)


def test_what_failed_was_not_tried() -> None:
    first = trial(2, 0, 0.6, {"dropout": 0.2})
    assert not fared(first, {"dropout": 0.5}, [first, trial(2, 1, None, {"dropout": 0.5}, status="FAILED")])


@pytest.mark.parametrize(
    ("one", "other", "apart"),
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
def test_remedies_that_pull_one_setting_apart(one: Settings, other: Settings, apart: bool) -> None:
    assert pull_apart((rated(1e-4), one), (rated(1e-4, 11), other)) == apart
