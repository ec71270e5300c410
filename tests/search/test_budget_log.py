"""What a budget keeps of its course, and which session goes on."""

from typing import Any

import pytest

from src.advice.rounds import Outcome, PlannedTrial
from src.search.budget_log import BudgetLog, LoggedRound, Session
from src.tracking.study import Study


class Kept:
    """A study that keeps its budget in memory."""

    def __init__(self, *sessions: Session) -> None:
        self.content: dict[str, Any] = {}
        log = BudgetLog(self.as_study(), {})
        log.sessions = list(sessions)
        log.save()

    def as_study(self) -> Study:
        study: Any = self
        return study

    def budget(self) -> dict[str, Any]:
        return self.content

    def keep_budget(self, content: dict[str, Any]) -> None:
        self.content = content


@pytest.mark.parametrize(
    ("last", "minutes", "expected"),
    [
        (Session(5, 300.0, ended=True), 5, (1, 5)),
        (Session(5, 300.0, ended=True), 3, (1, 5)),
        (Session(5, 300.0, ended=True), 20, (2, 20)),
        (Session(20, 300.0), 5, (1, 5)),
        (Session(5, 100.0), 20, (1, 20)),
    ],
)
def test_the_same_command_goes_on_and_more_minutes_begin_anew(
    last: Session, minutes: float, expected: tuple[int, float]
) -> None:
    log = BudgetLog(Kept(last).as_study(), {})
    opened = log.open(minutes)
    assert (len(log.sessions), opened.minutes) == expected
    assert opened.spent == last.spent


def test_failed_trials_of_a_round_are_known_with_their_seconds() -> None:
    ended = ([0.5, None], [4.0, 2.0], ["a", "b"])
    logged = LoggedRound("measure", [[0, 0, 0, 3, 1], [1, 0, 0, 3, 1]], 100.0, 2, *ended)
    assert logged.failed() == {PlannedTrial(1, 0, 0, 3, 1.0): Outcome.failed(2.0, "b")}
