"""How a budget is accounted for, by what it left in its study."""

from typing import Any

from src.advice.account import Account, account
from src.common.metrics import METRICS
from src.reporting.templates import say

FACTS = {"candidates": ["0", "2", "11"], "rates": ["1e-4", "1e-3"]}


def entry(stage: str, trials: list[list[float]], scores: list[float | None], seconds: float = 10.0) -> dict[str, Any]:
    return {"stage": stage, "trials": trials, "scores": scores, "seconds": [seconds] * len(scores)}


def session(*rounds: dict[str, Any], minutes: float = 5.0, spent: float = 200.0) -> dict[str, Any]:
    return {"minutes": minutes, "spent": spent, "rounds": list(rounds)}


MEASURED = entry("measure", [[0, 0, 0, 3, 1.0]], [0.5]), entry("measure", [[1, 0, 0, 3, 1.0]], [0.7])
FINAL = entry("final", [[0, 0, 1, 8, 1.0], [1, 0, 1, 8, 1.0]], [0.6, 0.8])


def made(*sessions: dict[str, Any], **more: Any) -> Account:
    found = account({"facts": FACTS, "rates": [0, 0, 0], "sessions": list(sessions), **more})
    assert found is not None
    return found


def test_nothing_is_accounted_for_before_a_trial_has_ended() -> None:
    assert account({}) is None
    assert account({"facts": FACTS, "sessions": [session()]}) is None


def test_what_was_tried_and_what_was_not() -> None:
    known = made(session(*MEASURED, FINAL), stage="final")
    assert [(row.name, row.trials, row.score, row.is_compared) for row in known.rows] == [
        ("0", 2, 0.5, True), ("2", 2, 0.7, True),
    ]  # fmt: skip
    assert known.untried == ("11",)
    assert known.seed_seconds == 20.0
    assert say("budget.j2", "untried", METRICS["accuracy"], known) == "Not tried within the time: 11."


def test_a_later_budget_that_ends_early_forgets_no_comparison() -> None:
    known = made(session(*MEASURED, FINAL), session(entry("rates", [[0, 1, 0, 3, 1.0]], [0.4])), stage="final")
    assert all(row.is_compared for row in known.rows)
    assert known.seed_seconds == 20.0


def test_one_more_seed_is_priced_by_a_whole_round() -> None:
    cut_off = entry("seeds", [[0, 0, 2, 8, 1.0], [1, 0, 2, 8, 1.0]], [0.6])
    assert made(session(*MEASURED, FINAL, cut_off), stage="final").seed_seconds == 20.0


def test_a_candidate_whose_trials_all_failed_has_no_score() -> None:
    known = made(session(entry("measure", [[0, 0, 0, 3, 1.0]], [None])))
    assert [(row.name, row.score) for row in known.rows] == [("0", None)]


def test_a_score_is_the_mean_of_the_seeds_that_chose_at_the_rate_that_was_chosen_on_the_longest_schedule() -> None:
    trials = [[0, 0, 0, 3, 1.0], [0, 0, 0, 8, 1.0], [0, 1, 0, 8, 1.0], [0, 1, 11, 8, 1.0], [0, 1, 1, 8, 1.0]]
    known = made(session(entry("rates", trials, [0.9, 0.8, 0.5, 0.75, 0.1])), rates=[1, 0, 0], stage="final")
    assert [(row.rate, row.score, row.seeds) for row in known.rows] == [("1e-3", 0.625, 2)]
    assert say("budget.j2", "chosen", METRICS["accuracy"], known).startswith(
        "By up to 2 seeds 0 reached 62.5% at 1e-3."
    )
