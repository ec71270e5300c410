"""Draw the figures of a study's report; their words are in the template figures.j2."""

import base64
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import mlflow

from src.common.files import atomic_write
from src.common.metrics import Metric
from src.common.project import PROJECT
from src.common.shell import RENDER, shell_line
from src.diagnosis.diagnose import Finding
from src.inference.calibration import threshold_to_report
from src.reporting.calibration_figure import calibration_sentences, draw_calibration
from src.reporting.class_table import TABLE, read_classes
from src.reporting.classes import draw_classes
from src.reporting.diagnosis_text import figure, heading
from src.reporting.gap_text import gap_text
from src.reporting.heatmap import MOST_MAPS, draw_heatmap
from src.reporting.interaction import interactions
from src.reporting.pareto_figure import draw_pareto_front
from src.reporting.recommendation import Recommended
from src.reporting.study_curves import draw_study_curves
from src.reporting.symptom_figures import draw_symptoms
from src.reporting.templates import say
from src.reporting.tradeoff import draw_tradeoff
from src.reporting.variance_shares import LEAST_SHOWN, draw_variance_shares
from src.tracking.artifacts import fetch
from src.tracking.known_confidence import confidence_of
from src.tracking.mlflow_store import store_option
from src.verdict.cost import cost_points, fronts
from src.verdict.importance import importance
from src.verdict.trials import TrialRecord, judged_by, once
from src.verdict.verdict import Verdict

Place = Literal["answer", "recommended", "diagnosis", "more"]

_OF_RECOMMENDED, _OF_FINDINGS = ("confusion", "mistakes"), ("classes", "near_duplicates")
_PNG = b"\x89PNG\r\n\x1a\n"
_PARTS = ("title", "alt", "caption")
NAMES = ("tradeoff", "curves", "shares", "heat", "frontier", "symptoms", "calibration", *_OF_RECOMMENDED, *_OF_FINDINGS)


@dataclass(frozen=True)
class Picture:
    """A figure on the page: a PNG file, its heading, what it shows for those who cannot see it, and how to read it."""

    path: Path
    place: Place
    title: str
    alt: str
    caption: str = ""

    @property
    def name(self) -> str:
        """Return the figure's name on the page."""
        return self.path.stem

    @property
    def data(self) -> str:
        """Return the file in base64."""
        return base64.b64encode(self.path.read_bytes()).decode("ascii")


@dataclass(frozen=True)
class Gallery:
    """The figures of a report, and of each that is missing a sentence and the command that makes it."""

    pictures: tuple[Picture, ...]
    missing: tuple[tuple[str, str], ...]


def draw_all(
    client: mlflow.MlflowClient,
    trials: Sequence[TrialRecord],
    verdicts: Sequence[Verdict],
    findings: Sequence[Finding],
    recommended: Recommended | None,
    out: Path,
) -> Gallery:
    """Draw all figures that the study has into the folder `out`, in place of an earlier report's."""
    for name in NAMES:
        (out / f"{name}.png").unlink(missing_ok=True)
    pictures, missing = [*_of_study(trials, verdicts, out), *_of_diagnosis(findings, out)], []
    by_id = {trial.run_id: trial for trial in trials}
    wanted = [(name, recommended.run_id) for name in _OF_RECOMMENDED if recommended]
    shown = [finding for finding in findings if figure(finding.rule) in _OF_FINDINGS]
    wanted += [(figure(finding.rule), finding.worst.run_id) for finding in shown]
    for name, run_id in wanted:
        trial, is_recommended = by_id[run_id], name in _OF_RECOMMENDED
        place: Place = "recommended" if is_recommended else "diagnosis"
        picture = _picture("of_trial", out / f"{name}.png", place, trial.judged, name, trial, is_recommended)
        render = shell_line([*RENDER, f"runs:/{run_id}", *store_option(client, PROJECT)])
        if _put(client, run_id, name, out):
            pictures.append(picture)
        else:
            missing.append((f"{picture.title}: {_artifact(name)} of run {run_id} is not in the store.", render))
    pictures += _calibration(client, recommended.run_id, out) if recommended else []
    return Gallery(tuple(pictures), tuple(missing))


def _calibration(client: mlflow.MlflowClient, run_id: str, out: Path) -> list[Picture]:
    known = confidence_of(client, run_id)
    if known is None:
        return []
    draw_calibration(known, out / "calibration.png")
    caption = " ".join(calibration_sentences(known, threshold_to_report(known.after["val"])))
    alt = "Accuracy by confidence, before and after a temperature, and accuracy by share of images answered."
    return [Picture(out / "calibration.png", "recommended", "Can its confidence be believed?", alt, caption)]


def _picture(macro: str, path: Path, place: Place, metric: Metric, *facts: Any) -> Picture:
    """Return the figure at `path` with its words by the template."""
    return Picture(path, place, *(say("figures.j2", macro, metric, part, metric, *facts) for part in _PARTS))


def _artifact(name: str) -> str:
    """Return the trial's artifact for the figure `name`: the figure, or the table that it is drawn from."""
    return f"figures/{TABLE}" if name == "classes" else f"figures/{name}.png"


def _put(client: mlflow.MlflowClient, run_id: str, name: str, out: Path) -> bool:
    """Put the figure `name` of a trial into the folder `out`; return whether the trial's file was there and whole."""
    content, path = fetch(client, run_id, _artifact(name)), out / f"{name}.png"
    if content is None:
        return False
    if name == "classes":
        try:
            draw_classes(read_classes(content), path)
        except (ValueError, KeyError, TypeError):
            return False
        return True
    if content.startswith(_PNG):
        atomic_write(path, content)
        return True
    return False


def _of_study(trials: Sequence[TrialRecord], verdicts: Sequence[Verdict], out: Path) -> Iterator[Picture]:
    shown = [verdict for verdict in verdicts if verdict.rows]
    if not shown:
        return
    metric, shares, maps = judged_by(trials), importance(trials), interactions(trials)
    tradeoff, curves = out / "tradeoff.png", out / "curves.png"
    draw_tradeoff(verdicts, tradeoff)
    draw_study_curves(verdicts, curves)
    yield _picture("tradeoff", tradeoff, "answer", metric, shown, gap_text)
    if shares:
        draw_variance_shares(shares, metric.words, out / "shares.png")
        yield _picture("shares", out / "shares.png", "more", metric, shares, LEAST_SHOWN)
    if maps:
        draw_heatmap(maps, metric, out / "heat.png")
        yield _picture("heat", out / "heat.png", "more", metric, maps, MOST_MAPS)
    points = cost_points(trials)
    if len(points) > 1:
        draw_pareto_front(points, metric, out / "frontier.png")
        by_parameters = fronts([(point.parameters, point) for point in points])
        resumed = sum(trial.resumed > 0 for trial in once(trials))
        yield _picture("frontier", out / "frontier.png", "more", metric, points, by_parameters, resumed)
    yield _picture("curves", curves, "more", metric, shown)


def _of_diagnosis(findings: Sequence[Finding], out: Path) -> Iterator[Picture]:
    shown = [finding for finding in findings if figure(finding.rule) == "symptoms"]
    if shown:
        draw_symptoms(shown, out / "symptoms.png")
        headings = [heading(finding.rule) for finding in shown]
        yield _picture("symptoms", out / "symptoms.png", "diagnosis", shown[0].worst.judged, headings)
