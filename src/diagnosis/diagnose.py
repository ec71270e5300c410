"""Rules applied to trials: what is wrong with them, in words and numbers."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from src.diagnosis.remedies import Settings, as_typed, fared, pull_apart
from src.diagnosis.rules import RULES, Rule
from src.diagnosis.symptoms import Numbers
from src.reporting.wording import layers
from src.verdict.trials import TrialRecord, once


@dataclass(frozen=True)
class Finding:
    """A rule that fired.

    Attributes:
        name: the rule's.
        text: what was found, with the numbers of the worst trial.
        figure: which figure shows it.
        remedy: what to train to see whether it helps; empty where training is no remedy, or was tried.
        source: where the rule comes from.
        size: what was held against the rule's limit, of the worst trial.
        run_ids: the trials that it fired for, worst first.
        note: how the remedy fared where the study tried it, or which finding asks for the opposite; mostly empty.
    """

    name: str
    text: str
    figure: str
    remedy: Settings
    source: str
    size: float
    run_ids: tuple[str, ...]
    note: str = ""

    @property
    def override(self) -> str:
        """The remedy as it is typed in a shell."""
        return as_typed(self.remedy)


def diagnose(
    records: Sequence[TrialRecord], recommended: str | None = None, rules: Sequence[Rule] = RULES
) -> list[Finding]:
    """The findings on `records`, in the rules' order; what cannot be judged for want of numbers is no finding.

    `recommended`: the run that a verdict recommends; findings then say whether they are of it.
    """
    runs = once(records)
    found = [finding for rule in rules if (finding := _apply(rule, runs, recommended)) is not None]
    worst = {run.run_id: run for run in runs}
    held = [_held_against_study(finding, worst[finding.run_ids[0]], records) for finding in found]
    return [_held_against(finding, held, worst) for finding in held]


def _apply(rule: Rule, records: Sequence[TrialRecord], recommended: str | None) -> Finding | None:
    fired: list[tuple[TrialRecord, Numbers]] = []
    for record in records:
        numbers = rule.measure(record)
        if numbers is not None and _size(numbers) >= rule.limit:
            fired.append((record, numbers))
    if not fired:
        return None
    fired.sort(key=lambda pair: -_size(pair[1]))
    worst, numbers = fired[0]
    run_ids = tuple(record.run_id for record, _ in fired)
    return Finding(
        name=rule.name,
        text=rule.text.format_map(numbers) + _extent(worst, run_ids, len(records), recommended),
        figure=rule.figure,
        remedy=numbers["remedy"] if rule.remedy is None else rule.remedy,
        source=rule.source,
        size=_size(numbers),
        run_ids=run_ids,
    )


def _extent(worst: TrialRecord, fired: Sequence[str], trials: int, recommended: str | None) -> str:
    """In how many trials, whether in the recommended one, and which one the numbers are of."""
    if trials == 1:
        return ""
    of, among = f"{layers([worst.depth])}, seed {worst.seed} (run {worst.run_id[:8]})", ""
    if recommended == worst.run_id:
        of = f"the recommended one, {of}"
    elif recommended:
        among = ", the recommended one among them" if recommended in fired else ", not in the recommended one"
    return f" In {len(fired)} of {trials} trials{among}; the numbers are of {of}."


def _held_against_study(finding: Finding, worst: TrialRecord, records: Sequence[TrialRecord]) -> Finding:
    note = fared(worst, finding.remedy, records)
    return replace(finding, remedy={}, note=note) if note else finding


def _held_against(finding: Finding, others: Sequence[Finding], trials: Mapping[str, TrialRecord]) -> Finding:
    """The finding, with a word on another one whose remedy pulls the same setting the other way."""
    own = trials[finding.run_ids[0]], finding.remedy
    against = [other for other in others if pull_apart(own, (trials[other.run_ids[0]], other.remedy))]
    if not against:
        return finding
    told = " and ".join(f"“{other.name}” asks for {other.override}" for other in against)
    return replace(finding, note=f"{told}, the other way: each remedy is for the trial that its numbers are of.")


def _size(numbers: Numbers) -> float:
    return float(numbers["size"])
