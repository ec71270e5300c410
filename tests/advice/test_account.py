"""How a budget is accounted for, by what it left in its study."""

from types import SimpleNamespace
from typing import Any

import pytest

from src.advice.account import Account, account
from src.advice.rounds import LAYOUT_VERSION, MOST_SEEDS
from src.common.metrics import METRICS
from src.reporting.templates import say
from src.statistics.planning import Outlook
from src.verdict.next_steps import Rivalry

FACTS = {"version": LAYOUT_VERSION, "candidates": ["0", "2", "11"], "rates": ["1e-4", "1e-3"]}


def entry(stage: str, trials: list[list[float]], scores: list[float | None], seconds: float = 10.0) -> dict[str, Any]:
    return {"stage": stage, "trials": trials, "scores": scores, "seconds": [seconds] * len(scores)}


def session(*rounds: dict[str, Any], minutes: float = 5.0, spent: float = 200.0) -> dict[str, Any]:
    return {"minutes": minutes, "spent": spent, "rounds": list(rounds)}


MEASURED = entry("measure", [[0, 0, 0, 3, 1.0]], [0.5]), entry("measure", [[1, 0, 0, 3, 1.0]], [0.7])
FINAL = entry("final", [[0, 0, 1, 8, 1.0], [1, 0, 1, 8, 1.0]], [0.6, 0.8])


def made(*sessions: dict[str, Any], **more: Any) -> Account:
    found = account(
        {"facts": FACTS, "chosen": [[0, 0.5, 1], [0, 0.7, 1], [0, None, 0]], "sessions": list(sessions), **more}
    )
    assert found is not None
    return found


def test_nothing_is_accounted_for_before_a_trial_has_ended() -> None:
    assert account({}) is None
    assert account({"facts": FACTS, "sessions": [session()]}) is None


def test_what_was_tried_and_what_was_not() -> None:
    known = made(session(*MEASURED, FINAL), stage="final", finalists=[0, 1])
    assert [(row.name, row.trials, row.score, row.is_compared) for row in known.rows] == [
        ("0", 2, 0.5, True), ("2", 2, 0.7, True),
    ]  # fmt: skip
    assert known.untried == ("11",)
    assert known.seed_seconds == 20.0
    assert say("budget.j2", "untried", METRICS["accuracy"], known) == "Not tried within the time: 11."


def test_a_later_budget_that_ends_early_forgets_no_comparison() -> None:
    known = made(
        session(*MEASURED, FINAL), session(entry("rates", [[0, 1, 0, 3, 1.0]], [0.4])), stage="final", finalists=[0, 1]
    )
    assert all(row.is_compared for row in known.rows)
    assert known.seed_seconds == 20.0


def test_one_more_seed_is_priced_by_a_whole_round() -> None:
    cut_off = entry("seeds", [[0, 0, 2, 8, 1.0], [1, 0, 2, 8, 1.0]], [0.6])
    assert made(session(*MEASURED, FINAL, cut_off), stage="final").seed_seconds == 20.0


def test_a_candidate_whose_trials_all_failed_has_no_score() -> None:
    known = made(session(entry("measure", [[0, 0, 0, 3, 1.0]], [None])), chosen=[[0, None, 1]])
    assert [(row.name, row.score) for row in known.rows] == [("0", None)]
    assert say("budget.j2", "chosen", METRICS["accuracy"], known).startswith("By one seed 0 failed at 1e-4.")


def test_a_score_is_of_the_seeds_that_chose_at_the_rate_that_was_chosen() -> None:
    known = made(session(*MEASURED), chosen=[[1, 0.625, 2], [0, 0.7, 1]], stage="final")
    assert [(row.rate, row.score, row.seeds) for row in known.rows] == [("1e-3", 0.625, 2), ("1e-4", 0.7, 1)]
    said = say("budget.j2", "chosen", METRICS["accuracy"], known)
    assert said.startswith("By up to 2 seeds 0 reached 62.5% at 1e-3, 2 reached 70.0% at 1e-4.")


def test_reused_trials_count_with_what_they_took() -> None:
    new, reused = made(session(*MEASURED, FINAL)), made(session(*MEASURED, FINAL, spent=3.0))
    assert say("budget.j2", "spent", METRICS["accuracy"], new).endswith("on 4 trials (0: 20 s, 2: 20 s).")
    assert say("budget.j2", "spent", METRICS["accuracy"], reused).endswith("they count with what they took then.")


@pytest.mark.parametrize(("seeds", "expected"), [
    (8, "About 40 s more would probably tell 2 layers from 0 layers, were the difference of 1.5 points the true one: "
        "8 seeds each."),
    (23, "More minutes would not tell 2 layers from 0 layers (1.5 points apart), but 4,000 validation images would. "
         "By seeds it takes 23 of each; a budget trains 10 at the most."),
    (None, "More minutes would not tell 2 layers from 0 layers (1.5 points apart), but 4,000 validation images would."),
])  # fmt: skip
def test_no_more_seeds_are_promised_than_a_budget_trains(seeds: int | None, expected: str) -> None:
    known = made(session(*MEASURED, FINAL), stage="final")
    rivals = Rivalry((2, 0), 0.015, Outlook(seeds, 4000))
    verdict = SimpleNamespace(label="")
    assert say("budget.j2", "more", METRICS["accuracy"], known, verdict, rivals, 40.0, MOST_SEEDS) == expected


def test_what_another_version_has_left_is_not_accounted_for() -> None:
    assert account({"facts": {**FACTS, "version": 1}, "sessions": [session(*MEASURED)]}) is None
