"""The texts of budget.j2, on how a time budget is spent."""

from collections.abc import Sequence

from src.advice.rounds import Round, State
from src.common.metrics import METRICS
from src.reporting.templates import say


def plan_line(state: State, decided: Round, names: Sequence[str]) -> str:
    """Return what is trained next, what it costs, and what a trial of each depth does.

    `names`: of the candidates, as they would be typed.
    """
    full = {names[number]: cost.of(state.options.epochs) for number, cost in sorted(state.costs.items())}
    trained = [names[number] for number in dict.fromkeys(trial.candidate for trial in decided.trials)]
    expected = state.seconds(decided.trials)
    return say("budget.j2", "plan", METRICS["accuracy"], decided, trained, expected, full)
