"""Rules applied to the trials of a study."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from src.diagnosis.remedies import Settings
from src.diagnosis.rules import RULES, Rule
from src.diagnosis.symptoms import Symptom
from src.diagnosis.tried_remedies import TriedRemedy, are_opposed, find_tried
from src.verdict.trials import TrialRecord, once


@dataclass(frozen=True)
class Finding:
    """A rule that fired.

    Attributes:
        symptom: of the worst trial.
        trials: those that it fired for, worst first.
        examined: the number of trials that it was applied to.
        remedy: the settings to test on the worst trial; empty where there are none, or the study tried them.
        tried: what became of the remedy, where the study tried it.
        opposed: remedies of other findings that change a setting in the opposite direction, by their rules' names.
    """

    rule: Rule
    symptom: Symptom
    trials: tuple[TrialRecord, ...]
    examined: int
    remedy: Settings
    tried: TriedRemedy | None
    opposed: Mapping[str, Settings] = field(default_factory=dict)

    @property
    def worst(self) -> TrialRecord:
        """Return the trial whose numbers the finding has."""
        return self.trials[0]

    @property
    def run_ids(self) -> tuple[str, ...]:
        """Return the runs of its trials, worst first."""
        return tuple(trial.run_id for trial in self.trials)


def diagnose(records: Sequence[TrialRecord]) -> list[Finding]:
    """Return the findings on `records`, in the rules' order; a trial that lacks numbers is no finding."""
    findings = [finding for rule in RULES if (finding := _apply(rule, records)) is not None]
    return [replace(finding, opposed=_opposed(finding, findings)) for finding in findings]


def _apply(rule: Rule, records: Sequence[TrialRecord]) -> Finding | None:
    trials = once(records)
    measured = [(symptom, trial) for trial in trials if (symptom := rule.measure(trial)) is not None]
    fired = [(symptom, trial) for symptom, trial in measured if symptom.size >= rule.limit]
    if not fired:
        return None
    fired.sort(key=lambda pair: -pair[0].size)
    symptom, worst = fired[0]
    remedy = rule.remedy(worst, symptom)
    tried = find_tried(worst, remedy, records)
    return Finding(rule, symptom, tuple(trial for _, trial in fired), len(trials), {} if tried else remedy, tried)


def _opposed(finding: Finding, others: Sequence[Finding]) -> dict[str, Settings]:
    return {
        other.rule.name: other.remedy
        for other in others
        if are_opposed(finding.worst, finding.remedy, other.worst, other.remedy)
    }
