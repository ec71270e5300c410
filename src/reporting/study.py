"""A study's report: what its runs say, judged, drawn and written to a folder."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import mlflow

from src.files import write_whole
from src.reporting.page import Picture, Recommended, state_of, write_page
from src.reporting.study_curves import draw_study_curves
from src.reporting.tradeoff import draw_tradeoff
from src.tracking.memory import TrialMemory
from src.tracking.records import read_records
from src.tracking.study import Study, as_csv
from src.tracking.summary import without_nan
from src.verdict.diagnosis import Finding, diagnose
from src.verdict.intervals import wilson_interval
from src.verdict.records import VALIDATION, TrialRecord
from src.verdict.verdict import Verdict, judge

_TRADEOFF_ALT = (
    "Accuracy against layers unfrozen: fit, train and validation means with 95 % intervals over seeds, and the gap "
    "between them in its two parts, mode and generalization."
)
_CURVES_ALT = "Fit and validation accuracy by epoch, a line for each depth, dotted where a phase begins."


@dataclass(frozen=True)
class Report:
    """What a study comes to."""

    name: str
    trials: tuple[TrialRecord, ...]
    verdicts: tuple[Verdict, ...]
    findings: tuple[Finding, ...]
    recommended: Recommended | None
    page: Path

    def lines(self) -> list[str]:
        """The verdict for the terminal, and where its page is."""
        told = [f"{each.facet}: {each.sentence}" if each.facet else each.sentence for each in self.verdicts]
        train = [f"train it: {self.recommended.command}", self.recommended.test] if self.recommended else []
        return [state_of(self.trials), *told, *train, f"page: {self.page}"]


def make_report(client: mlflow.MlflowClient, study: Study, name: str, out: Path) -> Report:
    """Judge `study` as it stands, and leave report.html, figures, trials.csv and verdict.json in the folder `out`."""
    runs = study.trials()
    trials = read_records(runs, study.key, TrialMemory(client))
    verdicts = judge(trials)
    recommended = _recommend({run.info.run_id: run.data.tags for run in runs}, verdicts)
    page = out / "report.html"
    report = Report(name, tuple(trials), tuple(verdicts), tuple(diagnose(trials)), recommended, page)
    out.mkdir(parents=True, exist_ok=True)
    pictures = _draw(verdicts, out)
    write_whole(out / "trials.csv", as_csv(runs, study.key, study.run_id))
    write_whole(out / "verdict.json", json.dumps(without_nan(_as_data(report)), indent=1, default=str) + "\n")
    write_page(page, name, trials, verdicts, report.findings, pictures, recommended)
    return report


def _draw(verdicts: Sequence[Verdict], out: Path) -> list[Picture]:
    if not any(verdict.rows for verdict in verdicts):
        return []
    draw_tradeoff(verdicts, out / "tradeoff.png")
    draw_study_curves(verdicts, out / "curves.png")
    return [
        Picture(out / "tradeoff.png", "What unfreezing does", _TRADEOFF_ALT),
        Picture(out / "curves.png", "Learning curves by depth", _CURVES_ALT),
    ]


def _recommend(tags: Mapping[str, Mapping[str, str]], verdicts: Sequence[Verdict]) -> Recommended | None:
    """The least seed of the named depth, in the facet whose named depth has the best validation mean.

    Not the luckiest seed: picking that would be one more choice by validation accuracy. `tags` are the runs', by id.
    """
    named = [(row, verdict) for verdict in verdicts for row in verdict.rows if row.depth == verdict.depth]
    if not named:
        return None
    row, verdict = max(named, key=lambda pair: pair[0].accuracy.estimate)
    trial = min((trial for trial in verdict.trials if trial.depth == row.depth), key=lambda each: each.seed)
    command = tags[trial.run_id].get("command", f"python -m src.train {trial.overrides}")
    return Recommended(trial.run_id, command, _test_text(trial), _flattery_text(verdict))


def _test_text(trial: TrialRecord) -> str:
    share, photos = trial.metric("test/accuracy"), trial.test_images or 0
    if share is None:
        return "It has no test photos: its accuracy on photos that chose nothing is not known."
    interval = wilson_interval(share, photos)
    ends = f" (95 % interval {interval.low:.1%} to {interval.high:.1%})" if interval.low is not None else ""
    return f"Test accuracy of this trial alone, seed {trial.seed}: {share:.1%} of {photos} photos{ends}."


def _flattery_text(verdict: Verdict) -> str:
    if verdict.flattery is None:
        return ""
    return (
        f"The best of {verdict.flattery.choices} validation means flatters, by an estimated "
        f"{100 * verdict.flattery.estimate:.1f} points here; the test accuracy does not."
    )


def _as_data(report: Report) -> dict[str, Any]:
    return {
        "study": report.name,
        "state": state_of(report.trials),
        "metric": VALIDATION,
        "verdicts": [_verdict_data(verdict) for verdict in report.verdicts],
        "recommended": asdict(report.recommended) if report.recommended else None,
        "findings": [asdict(finding) for finding in report.findings],
    }


def _verdict_data(verdict: Verdict) -> dict[str, Any]:
    plain = ("facet", "kind", "depth", "sentence", "confidence", "words", "settle", "caveats")
    return {name: getattr(verdict, name) for name in plain} | {"depths": [asdict(row) for row in verdict.rows]}
