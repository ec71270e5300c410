"""Put the diagnosis into words: its findings and rules, by the template diagnosis.j2."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined, select_autoescape

from src.common.shell import setting
from src.diagnosis.diagnose import Finding
from src.diagnosis.remedies import Settings
from src.diagnosis.rules import Rule
from src.diagnosis.symptoms import Value
from src.reporting.wording import layers, percent, points, said, said_apart
from src.verdict.trials import typed_value


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
    _, meaning, unit = _macros().RULES[rule.name]
    return RuleText(heading(rule), meaning, _words("limit", rule.limit, unit), rule.source)


def heading(rule: Rule) -> str:
    """Return the heading of a rule's findings.

    >>> from src.diagnosis.rules import RULES
    >>> heading(RULES[0])
    'Overfitting'
    """
    return str(_macros().RULES[rule.name][0])


def as_typed(settings: Settings) -> str:
    """Return `settings` as they are typed in a shell.

    >>> as_typed({"schedule": "two_phase", "unfrozen": "all", "dropout": 0.5})
    'schedule=two_phase unfrozen=all dropout=0.5'
    """
    return " ".join(setting(name, typed_value(value)) for name, value in settings.items())


def _describe(finding: Finding, recommended: str | None) -> FindingText:
    rule, symptom = finding.rule, finding.symptom
    return FindingText(
        name=rule.name,
        heading=heading(rule),
        text=f"{_words(rule.name, finding, symptom.values)} {_words('extent', finding, recommended)}".strip(),
        note=_words("note", finding),
        override=as_typed(finding.remedy),
        figure=rule.figure,
        source=rule.source,
        size=symptom.size,
        numbers=symptom.values,
        remedy=finding.remedy,
        run_ids=finding.run_ids,
    )


def _words(macro: str, *values: object) -> str:
    """Return what a macro of the template says, on one line."""
    return " ".join(getattr(_macros(), macro)(*values).split())


@cache
def _macros() -> Any:
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent), autoescape=select_autoescape(), undefined=StrictUndefined,
        trim_blocks=True, lstrip_blocks=True,
    )  # fmt: skip
    environment.tests["finite"] = math.isfinite
    environment.filters |= {
        "counted": lambda count, noun: f"{count:,} {noun}{'s' * (count != 1)}",
        "layers": lambda depth: layers([depth]),
        "percent": percent,
        "points": points,
        "score": said,
        "score_apart": said_apart,
        "short": lambda number: f"{number:.3g}",
        "typed": as_typed,
    }
    return environment.get_template("diagnosis.j2").module
