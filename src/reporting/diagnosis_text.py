"""Put the diagnosis into words: its findings and rules, by the template diagnosis.j2."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from src.common.metrics import METRICS
from src.diagnosis.diagnose import Finding
from src.diagnosis.remedies import Settings
from src.diagnosis.rules import Rule
from src.diagnosis.symptoms import Value
from src.reporting.templates import environment, render
from src.reporting.wording import as_typed

_FIGURES = {"class_imbalance": "classes", "leakage": "near_duplicates"}
"""The figures of rules that have one of their own."""


@dataclass(frozen=True)
class FindingText:
    """A finding as the page shows it and `verdict.json` has it.

    Attributes:
        name: the rule's.
        heading: at most five words.
        text: what to do first, then the numbers of the worst trial.
        note: the scores of the remedy where the study tried it, or which findings ask for the opposite.
        override: the remedy as it is typed in a shell; empty where there is none to test.
        figure: the name of the figure that shows it.
        source: where the rule comes from.
        size: what was compared with the rule's limit, of the worst trial.
        numbers: what the text states, by name.
        run_ids: the trials that the rule fired for, worst first.
    """

    name: str
    heading: str
    text: str
    note: str
    override: str
    figure: str
    source: str
    size: float
    numbers: Mapping[str, Value]
    remedy: Settings
    run_ids: tuple[str, ...]


@dataclass(frozen=True)
class RuleText:
    """A rule as the page's table of rules has it."""

    heading: str
    meaning: str
    limit: str
    source: str


def describe(findings: Sequence[Finding], recommended: str | None = None) -> list[FindingText]:
    """Return `findings` in words; `recommended` is the run that the verdict recommends."""
    return [_describe(finding, recommended) for finding in findings]


def describe_rule(rule: Rule) -> RuleText:
    """Return `rule` in words."""
    _, meaning, unit, source = _rules()[rule.name]
    return RuleText(heading(rule), meaning, _words("limit", rule.limit, unit), source)


def heading(rule: Rule) -> str:
    """Return the heading of a rule's findings.

    >>> from src.diagnosis.rules import RULES
    >>> heading(RULES[0])
    'Overfitting'
    """
    return str(_rules()[rule.name][0])


def figure(rule: Rule) -> str:
    """Return the name of the report's figure that shows a rule's findings."""
    return _FIGURES.get(rule.name, "symptoms")


def _describe(finding: Finding, recommended: str | None) -> FindingText:
    rule, symptom = finding.rule, finding.symptom
    return FindingText(
        name=rule.name,
        heading=heading(rule),
        text=f"{_words(rule.name, finding, symptom.values)} {_words('extent', finding, recommended)}".strip(),
        note=_words("note", finding),
        override=as_typed(finding.remedy),
        figure=figure(rule),
        source=_rules()[rule.name][3],
        size=symptom.size,
        numbers=symptom.values,
        remedy=finding.remedy,
        run_ids=finding.run_ids,
    )


def _words(macro: str, *values: object) -> str:
    """Return the text of a macro of the template, on one line."""
    return " ".join(render("diagnosis.j2", macro, METRICS["accuracy"], *values).split())


def _rules() -> Mapping[str, tuple[str, str, str, str]]:
    """Return heading, meaning, unit of the limit and source of each rule."""
    rules: Mapping[str, tuple[str, str, str, str]] = vars(environment().get_template("diagnosis.j2").module)["RULES"]
    return rules
