"""A study's report: its trials judged, drawn and written to a folder."""

import contextlib
import itertools
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import mlflow
import pandas as pd
from mlflow.entities import Run as FoundRun
from mlflow.exceptions import MlflowException

from src.common.errors import ThawError, one_line
from src.common.files import atomic_write
from src.common.json_text import nan_to_none
from src.common.metrics import METRICS, Objective
from src.common.predictions import ImagePredictions
from src.common.project import PROJECT
from src.diagnosis.diagnose import Finding, diagnose
from src.reporting.budget_text import budget_lines
from src.reporting.diagnosis_text import describe
from src.reporting.gap_text import gap_text
from src.reporting.kept_report import PAGE
from src.reporting.page import spare_others, state_of, write_page
from src.reporting.recommendation import Recommended, recommend, why_none
from src.reporting.study_figures import NAMES, Gallery, draw_all
from src.reporting.verdict_text import answer, headline, limits, next_steps, note
from src.tracking import schema
from src.tracking.locks import default_lock_folder
from src.tracking.mlflow_store import store_option
from src.tracking.prediction_files import study_predictions
from src.tracking.schema import encodable
from src.tracking.study import Study, promotion_command
from src.tracking.study_table import study_frame, to_csv
from src.tracking.study_trials import read_records
from src.tracking.trial_runs import TrialRuns
from src.verdict.importance import Importance, importance
from src.verdict.trials import Stage, TrialRecord, judged_by, once, unmeasured
from src.verdict.verdict import Verdict, judge

_MOST_NAMED = 5

Render = Callable[[str], object]
Runs = Mapping[str, Sequence[FoundRun]]
"""The runs of each study's trials, by its name: the store is asked once."""


@dataclass(frozen=True)
class Report:
    """The report of a study, or of several judged together.

    Attributes:
        promotion: the command that promotes the recommended trial; empty where no command names it.
        budget: how a time budget was spent, and what more would bring; empty in other studies.
        is_whole: whether no figure is missing.
    """

    name: str
    trials: tuple[TrialRecord, ...]
    verdicts: tuple[Verdict, ...]
    findings: tuple[Finding, ...]
    importance: Importance | None
    recommended: Recommended | None
    page: Path
    promotion: str = ""
    budget: tuple[str, ...] = ()
    is_whole: bool = True

    def lines(self) -> list[str]:
        """Return the verdict for the terminal, and where its page is."""
        return [*self.texts(), f"page: {self.page}"]

    def texts(self) -> list[str]:
        """Return the verdict for the terminal."""
        texts = [_prefixed(verdict.label, text) for verdict in self.verdicts for text in _texts(verdict)]
        states = [state_of(self.trials), *_lacking(self.trials)]
        advice = _advice(self.recommended, self.verdicts, self.promotion)
        return [*states, *texts, *advice, *self.budget]


def report_to(
    out: Path, client: mlflow.MlflowClient, studies: Mapping[str, Study], objective: Objective | None = None,
    margin: float = 0.0,
) -> Report:  # fmt: skip
    """Write :func:`make_joint_report` to a folder that has no others' files, once dead runs are closed.

    Raises:
        ThawError: `out` is a file, or holds others' files of a report's names; or as there.
    """
    spare_others(f"report folder {out}", out, PAGE, [*(f"{name}.png" for name in NAMES), "trials.csv", "verdict.json"])
    with contextlib.suppress(MlflowException, OSError):  # of a store that may only be read
        TrialRuns(client).close_dead(default_lock_folder(PROJECT))
    return make_joint_report(client, studies, out, objective, margin)


def make_report(
    client: mlflow.MlflowClient,
    study: Study,
    name: str,
    out: Path,
    margin: float = 0.0,
    render: Render = lambda _: None,
) -> Report:
    """Judge `study` as it is, and write report.html, figures, trials.csv and verdict.json to the folder `out`."""
    return make_joint_report(client, {name: study}, out, margin=margin, render=render)


def make_joint_report(
    client: mlflow.MlflowClient, studies: Mapping[str, Study], out: Path, objective: Objective | None = None,
    margin: float = 0.0, render: Render = lambda _: None,
) -> Report:  # fmt: skip
    """Judge the trials of all `studies` together, as if they were one: what differs between them makes facets.

    Args:
        client: of the store.
        studies: by name.
        out: the folder for the page and its files.
        objective: what judges them; None: the studies' own.
        margin: the loss at which a lesser depth is still recommended, 0–1.
        render: makes the figures of the recommended trial, given its run, before they are shown.

    Raises:
        ThawError: the studies have several, and `objective` does not choose.
    """
    runs = _runs(studies)
    table = _table(studies, runs)
    trials = _records(client, studies, runs, table, objective)
    verdicts = judge(trials, next(iter(studies)) if len(studies) == 1 else "", margin)
    recommended = recommend(verdicts)
    findings = tuple(diagnose(trials))
    report = Report(
        " and ".join(studies), tuple(trials), tuple(verdicts), findings, importance(trials), recommended,
        out / PAGE, "" if recommended is None or objective or margin else _promotion(client, tuple(studies)),
        tuple(_budget(client, studies, verdicts)),
    )  # fmt: skip
    out.mkdir(parents=True, exist_ok=True)
    if recommended:
        render(recommended.run_id)
    gallery = draw_all(client, trials, verdicts, findings, recommended, out)
    atomic_write(out / "trials.csv", encodable(to_csv(table)))
    atomic_write(out / "verdict.json", json.dumps(nan_to_none(_as_data(report, gallery)), indent=1) + "\n")
    write_page(report.page, report.name, trials, verdicts, findings, gallery, recommended, report.budget)
    for study in studies.values() if len(studies) == 1 else ():
        with contextlib.suppress(MlflowException, OSError):  # of a store that may only be read
            study.answer("\n\n".join(_prefixed(verdict.label, note(verdict)) for verdict in verdicts))
    return replace(report, is_whole=not gallery.missing)


def records(
    client: mlflow.MlflowClient, studies: Mapping[str, Study], objective: Objective | None = None
) -> list[TrialRecord]:
    """Return the trials of all `studies`, each once, to be judged by `objective` (None: the studies' own).

    Raises:
        ThawError: the studies have several, and `objective` does not choose.
    """
    runs = _runs(studies)
    return _records(client, studies, runs, _table(studies, runs), objective)


def _runs(studies: Mapping[str, Study]) -> Runs:
    return {name: study.trials() for name, study in studies.items()}


def _records(
    client: mlflow.MlflowClient, studies: Mapping[str, Study], runs: Runs, table: pd.DataFrame,
    objective: Objective | None,
) -> list[TrialRecord]:  # fmt: skip
    table, stages = _judged(studies, table)
    histories = TrialRuns(client).histories(table[schema.RUN_ID.name].unique().tolist())
    trials = read_records(table, histories, objective or _shared_objective(studies))
    predictions = _predictions(client, studies, runs)
    return [
        replace(trial, predictions=predictions.get(trial.run_id), stage=stages.get(trial.run_id, ""))
        for trial in trials
    ]


def _judged(studies: Mapping[str, Study], table: pd.DataFrame) -> tuple[pd.DataFrame, dict[str, Stage]]:
    """Return the rows that the verdict rests on, and the stage of a time budget's by run id.

    Of a time budget's study these are the trials that it compares, and those that chose them with other seeds.
    """
    is_judged, stages = pd.Series(True, table.index), dict[str, Stage]()
    for name, study in studies.items():
        budget = study.budget()
        if "compared" not in budget:
            continue
        is_its = table[schema.STUDY.name] == name if len(studies) > 1 else pd.Series(True, table.index)
        stage_of = dict.fromkeys(budget.get("chose", ()), "chose") | dict.fromkeys(budget["compared"], budget["stage"])
        of_row = table[schema.TRIAL_KEY.name].map(stage_of).where(is_its)
        is_judged &= ~is_its | of_row.notna()
        stages |= dict(zip(table[schema.RUN_ID.name][of_row.notna()], of_row.dropna(), strict=True))
    return table[is_judged].reset_index(drop=True), stages


def _predictions(client: mlflow.MlflowClient, studies: Mapping[str, Study], runs: Runs) -> dict[str, ImagePredictions]:
    """Return what the trials of all `studies` predict for their validation images, by run id."""
    return {
        run_id: predictions
        for name, study in studies.items()
        for run_id, predictions in study_predictions(client, study.run_id, runs[name]).items()
    }


def _shared_objective(studies: Mapping[str, Study]) -> Objective:
    named = {study.objective: f"{one_line(name, 60)}: {study.objective}" for name, study in studies.items()}
    if len(named) > 1:
        raise ThawError(f"the studies have several objectives ({'; '.join(named.values())}): choose with --objective")
    return next(iter(named))


def _lacking(trials: Sequence[TrialRecord]) -> list[str]:
    """Return a line on the trials that were trained before their objective was measured; none where all have it."""
    runs = [trial.run_id[:8] for trial in once(unmeasured(trials))]
    if not runs:
        return []
    named = ", ".join(runs[:_MOST_NAMED]) + ", …" * (len(runs) > _MOST_NAMED)
    return [
        f"Left out: {len(runs)} finished trial{'s' * (len(runs) != 1)} without {judged_by(trials).best}, trained "
        f"before it was measured (runs {named}); force=true trains them anew."
    ]


def _table(studies: Mapping[str, Study], runs: Runs) -> pd.DataFrame:
    """Return the tables of `studies` as one; where they are several, a column has their names."""
    frames = {name: study_frame(runs[name], study.key, study.run_id) for name, study in studies.items()}
    if len(frames) == 1:
        return next(iter(frames.values()))
    for name, frame in frames.items():
        frame.insert(0, schema.STUDY.name, pd.Series([name] * len(frame), dtype=schema.STUDY.dtype))
    return pd.concat(frames.values(), ignore_index=True)


def _texts(verdict: Verdict) -> list[str]:
    first = [f"{text} {command}" for text, command in next_steps(verdict)[:1]]
    return [f"{headline(verdict)}. {answer(verdict)}", *first]


def _budget(client: mlflow.MlflowClient, studies: Mapping[str, Study], verdicts: Sequence[Verdict]) -> list[str]:
    """Return how the one study's time was spent; nothing for several, or where the verdict is not on a time budget."""
    if len(studies) != 1:
        return []
    (study,) = studies.values()
    budget = study.budget()
    if "compared" not in budget:
        return []
    return budget_lines(budget, METRICS[study.objective], verdicts, store_option(client, PROJECT))


def _promotion(client: mlflow.MlflowClient, names: Sequence[str]) -> str:
    """Return the command that promotes what a study recommends; empty for several, which are no study."""
    return promotion_command(client, names[0]) if len(names) == 1 else ""


def _advice(recommended: Recommended | None, verdicts: Sequence[Verdict], promotion: str) -> list[str]:
    texts = [why_none(verdicts)] if recommended is None else [
        f"train it: {recommended.command}", f"promote it: {promotion}" if promotion else "", recommended.test,
        recommended.selection_bias,
    ]  # fmt: skip
    return [text for text in texts if text]


def _prefixed(facet: str, text: str) -> str:
    return f"{facet}: {text}" if facet else text


def _as_data(report: Report, gallery: Gallery) -> dict[str, Any]:
    recommended_run = report.recommended.run_id if report.recommended else None
    return {
        "study": report.name,
        "state": state_of(report.trials),
        "objective": judged_by(report.trials).objective,
        "metric": judged_by(report.trials).best,
        "verdicts": [_verdict_data(verdict) for verdict in report.verdicts],
        "recommended": asdict(report.recommended) if report.recommended else None,
        "why_none": why_none(report.verdicts),
        "importance": asdict(report.importance) if report.importance else None,
        "findings": [asdict(finding) for finding in describe(report.findings, recommended_run)],
        "figures": [picture.path.name for picture in gallery.pictures],
        "missing": gallery.missing,
    }


def _verdict_data(verdict: Verdict) -> dict[str, Any]:
    plain = ("kind", "depth", "best", "margin", "lesser", "left_out", "baseline", "rates_tuned")
    return {"facet": verdict.label} | {name: getattr(verdict, name) for name in plain} | {
        "headline": headline(verdict),
        "answer": answer(verdict),
        "next_steps": [
            asdict(step) | {"text": text, "command": command}
            for step, (text, command) in zip(verdict.next_steps, next_steps(verdict), strict=True)
        ],
        "limits": limits(verdict),
        "depths": [asdict(row) for row in verdict.rows],
        "pairs": _pairs(verdict),
        "gap": gap_text(verdict),
        "gaps": [asdict(row) for row in verdict.gaps],
    }  # fmt: skip


def _pairs(verdict: Verdict) -> list[dict[str, Any]]:
    """Return the difference of every two depths, its interval holding for all pairs at once."""
    facet = verdict.facet
    if facet is None or not facet.is_testable:
        return []
    return [
        {"depth": one, "minus": other} | asdict(facet.pair(one, other))
        for one, other in itertools.combinations(facet.depths, 2)
    ]
