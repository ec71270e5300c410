"""The texts of budget.j2: how a time budget is spent, and was."""

from collections.abc import Mapping, Sequence
from typing import Any

from src.advice.account import Account, account
from src.advice.rounds import MOST_SEEDS, Round, State
from src.common.metrics import METRICS, Metric
from src.common.shell import shell_line
from src.reporting.templates import say
from src.verdict.next_steps import rivalry
from src.verdict.verdict import Verdict


def plan_line(state: State, decided: Round, names: Sequence[str]) -> str:
    """Return what is trained next, what it costs, and what a trial of each depth does.

    `names`: of the candidates, as they would be typed.
    """
    full = {names[number]: cost.of(state.options.epochs) for number, cost in sorted(state.costs.items())}
    trained = [names[number] for number in dict.fromkeys(trial.candidate for trial in decided.trials)]
    expected = state.seconds(decided.trials)
    return say("budget.j2", "plan", METRICS["accuracy"], decided, trained, expected, full)


def budget_lines(
    budget: Mapping[str, Any], chosen_by: Metric, verdicts: Sequence[Verdict], store: Sequence[str]
) -> list[str]:
    """Return what a time budget was spent on, what more would bring, and how to go on with the model.

    Args:
        budget: what it left in its study.
        chosen_by: what its scores are of.
        verdicts: on the study.
        store: the words that name the store to a command.
    """
    spent = account(budget)
    if spent is None or not verdicts:
        return []
    texts = [say("budget.j2", name, chosen_by, spent) for name in ("spent", "chosen", "images", "untried")]
    texts += [_more(spent, verdict) for verdict in verdicts]
    return [*filter(None, texts), *_commands(spent, store)]


def _more(spent: Account, verdict: Verdict) -> str:
    """Return what more minutes would show of a facet."""
    facet = verdict.facet
    rivals = rivalry(facet) if facet and facet.design.freedom else None
    seeds = rivals.outlook.seeds if rivals else None
    seconds = (seeds - min(facet.design.counts)) * (spent.seed_seconds or 0.0) if facet and seeds else 0.0
    return say("budget.j2", "more", verdict.metric, spent, verdict, rivals, seconds, MOST_SEEDS)


def _commands(spent: Account, store: Sequence[str]) -> list[str]:
    if not spent.model:
        return []
    model = ("--model", f"runs:/{spent.model}")
    predict = shell_line(["python", "-m", "src.predict", *model, "photo.jpg", *store])
    export = shell_line(["python", "-m", "src.export", *model, "--format", "litert", *store])
    return [f"predict: {predict}", f"export: {export}"]
