"""Rules applied to trials: what is wrong with them, in words and numbers."""

from collections.abc import Sequence
from dataclasses import dataclass

from src.verdict.records import TrialRecord, once
from src.verdict.rules import RULES, Rule
from src.verdict.signs import Numbers
from src.verdict.wording import layers


@dataclass(frozen=True)
class Finding:
    """A rule that fired.

    Attributes:
        name: the rule's.
        text: what was found, with the numbers of the worst trial.
        figure: which figure shows it.
        override: what to train to see whether the remedy helps; empty where training is no remedy.
        source: where the rule comes from.
        size: what was held against the rule's limit, of the worst trial.
        run_ids: the trials that it fired for, worst first.
    """

    name: str
    text: str
    figure: str
    override: str
    source: str
    size: float
    run_ids: tuple[str, ...]


def diagnose(records: Sequence[TrialRecord], rules: Sequence[Rule] = RULES) -> list[Finding]:
    """The findings on `records`, in the rules' order; what cannot be judged for want of numbers is no finding."""
    runs = once(records)
    found = (_apply(rule, runs) for rule in rules)
    return [finding for finding in found if finding is not None]


def _apply(rule: Rule, records: Sequence[TrialRecord]) -> Finding | None:
    fired: list[tuple[TrialRecord, Numbers]] = []
    for record in records:
        numbers = rule.measure(record)
        if numbers is not None and _size(numbers) >= rule.limit:
            fired.append((record, numbers))
    if not fired:
        return None
    fired.sort(key=lambda pair: -_size(pair[1]))
    worst, numbers = fired[0]
    return Finding(
        name=rule.name,
        text=rule.text.format_map(numbers) + _extent(worst, len(fired), len(records)),
        figure=rule.figure,
        override=rule.remedy.format_map(numbers),
        source=rule.source,
        size=_size(numbers),
        run_ids=tuple(record.run_id for record, _ in fired),
    )


def _extent(worst: TrialRecord, fired: int, trials: int) -> str:
    if trials == 1:
        return ""
    of = f"{layers([worst.depth])}, seed {worst.seed} (run {worst.run_id[:8]})"
    return f" In {fired} of {trials} trials; the numbers are of {of}."


def _size(numbers: Numbers) -> float:
    return float(numbers["size"])
