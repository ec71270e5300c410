"""Draw the figures of a study's report, with their names and the text for readers who cannot see them."""

import base64
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import mlflow

from src.common.files import atomic_write
from src.common.metrics import Metric
from src.diagnosis.diagnose import Finding
from src.reporting.classes import TABLE, draw_classes, read_classes
from src.reporting.diagnosis_text import heading
from src.reporting.gap_text import gap_text
from src.reporting.heatmap import MOST_MAPS, draw_heatmap
from src.reporting.pareto_figure import draw_pareto_front
from src.reporting.recommendation import Recommended
from src.reporting.study_curves import draw_study_curves
from src.reporting.symptom_figures import draw_symptoms
from src.reporting.tradeoff import draw_tradeoff
from src.reporting.variance_shares import draw_variance_shares
from src.reporting.wording import layers, said
from src.tracking.artifacts import fetch
from src.verdict.cost import cost_points, fronts
from src.verdict.importance import importance
from src.verdict.interaction import interactions
from src.verdict.trials import TrialRecord, judged_by, once
from src.verdict.verdict import Verdict

Place = Literal["answer", "recommended", "diagnosis", "more"]

_KEPT = {
    "confusion": (
        "Confusion matrix",
        "Validation photos by true class (rows) and predicted class (columns), under the recommended trial.",
    ),
    "mistakes": (
        "Worst mistakes",
        "The validation photos that the recommended trial misread with most confidence, with the true class, what each "
        "was read as, and how sure it was.",
    ),
}
_OF_FINDINGS = {
    "classes": (
        "Photos of each class",
        "Training photos of each class, rarest first, and the share of its validation photos that is read right.",
    ),
    "near_duplicates": (
        "Near-equal photos across splits",
        "The nearest pairs of photos that lie in different splits, side by side, each with its split and name.",
    ),
}
_PNG = b"\x89PNG\r\n\x1a\n"
NAMES = ("tradeoff", "curves", "shares", "heat", "frontier", "symptoms", *_KEPT, *_OF_FINDINGS)


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
        """The figure's name on the page."""
        return self.path.stem

    @property
    def data(self) -> str:
        """The file in base64."""
        return base64.b64encode(self.path.read_bytes()).decode("ascii")


@dataclass(frozen=True)
class Gallery:
    """The figures of a report, and what is missing among them, a sentence each."""

    pictures: tuple[Picture, ...]
    missing: tuple[str, ...]


def draw_all(
    client: mlflow.MlflowClient,
    trials: Sequence[TrialRecord],
    verdicts: Sequence[Verdict],
    findings: Sequence[Finding],
    recommended: Recommended | None,
    out: Path,
) -> Gallery:
    """Draw what there is to draw into the folder `out`, where an earlier report's figures make room."""
    for name in NAMES:
        (out / f"{name}.png").unlink(missing_ok=True)
    pictures, missing = [*_of_study(trials, verdicts, out), *_of_diagnosis(findings, out)], []
    by_id = {trial.run_id: trial for trial in trials}
    wanted = [(name, recommended.run_id, *_KEPT[name]) for name in _KEPT if recommended]
    wanted += [
        (each.rule.figure, each.worst.run_id, *_OF_FINDINGS[each.rule.figure])
        for each in findings if each.rule.figure in _OF_FINDINGS
    ]  # fmt: skip
    for name, run_id, title, alt in wanted:
        if _put(client, run_id, name, out):
            place: Place = "recommended" if name in _KEPT else "diagnosis"
            caption = f"{alt} {_of_which(by_id[run_id], is_of_validation=name in _KEPT)}"
            pictures.append(Picture(out / f"{name}.png", place, title, alt, caption))
        else:
            missing.append(f"{title}: {_artifact(name)} of run {run_id} is not at its place in the store.")
    return Gallery(tuple(pictures), tuple(missing))


def _of_which(trial: TrialRecord, *, is_of_validation: bool) -> str:
    """Return the photos and the trial of a figure in words: the page speaks of test photos beside it."""
    count = f"{trial.val_images:,} " if trial.val_images else ""
    photos = f"They are the {count}validation photos, not the test photos. " if is_of_validation else ""
    return f"{photos}The trial has {layers([trial.depth])}, seed {trial.seed} (run {trial.run_id[:8]})."


def _artifact(name: str) -> str:
    """Return the trial's artifact for the figure `name`: the figure, or the table that it is drawn from."""
    return f"figures/{TABLE}" if name == "classes" else f"figures/{name}.png"


def _put(client: mlflow.MlflowClient, run_id: str, name: str, out: Path) -> bool:
    """Put the figure `name` of a trial into the folder `out`; say whether the trial's file was there and whole."""
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


def _of_study(trials: Sequence[TrialRecord], verdicts: Sequence[Verdict], out: Path) -> list[Picture]:
    if not any(verdict.rows for verdict in verdicts):
        return []
    draw_tradeoff(verdicts, out / "tradeoff.png")
    draw_study_curves(verdicts, out / "curves.png")
    metric = _metric_of(verdicts)
    of_accuracy = "" if metric.objective == "accuracy" else " Both parts are of accuracy, the one metric that fit has."
    return [
        Picture(
            out / "tradeoff.png", "answer", "What unfreezing does", _tradeoff_alt(verdicts),
            f"Above: means with 95% intervals over {_over(verdicts)}; the depth that the rule names is shaded"
            f"{_of_baseline(verdicts)}. Below: the gap between fit and validation in its two parts. Mode is what "
            "BatchNorm and dropout do to the very same photos; generalization is the overfitting that everybody means."
            + of_accuracy,
        ),
        *_shares(trials, out), *_heat(trials, out), *_frontier(trials, out),
        Picture(
            out / "curves.png", "more", "Learning curves by depth",
            f"Fit accuracy and validation {metric.words} by epoch, a line for each depth, dotted where a phase begins.",
            f"Means over the {_over(verdicts)} that the verdict rests on, epoch by epoch of each phase; thin where not "
            "all of a depth trained so long. A phase is as wide as its longest, dotted where it begins.",
        ),
    ]  # fmt: skip


def _of_baseline(verdicts: Sequence[Verdict]) -> str:
    """Return the caption's sentence on the line at the baseline, if there is one."""
    is_known = any(verdict.baseline is not None for verdict in verdicts)
    return ", and the dotted line is what always predicting the largest training class reaches" if is_known else ""


def _over(verdicts: Sequence[Verdict]) -> str:
    """Return the unit of the verdicts' means and intervals."""
    pooled = {verdict.is_pooled for verdict in verdicts if verdict.rows}
    return " or ".join(["seeds"] * (False in pooled) + ["trials"] * (True in pooled))


def _of_diagnosis(findings: Sequence[Finding], out: Path) -> list[Picture]:
    shown = [finding for finding in findings if finding.rule.figure == "symptoms"]
    if not shown:
        return []
    draw_symptoms(shown, out / "symptoms.png")
    alt = f"Curves of the worst trial of each finding: {'; '.join(heading(finding.rule) for finding in shown)}."
    return [
        Picture(
            out / "symptoms.png", "diagnosis", "Curves of the findings", alt,
            "The worst trial of each finding: its accuracy, or its loss where the learning rate is in question. Dotted "
            "where a phase begins.",
        )
    ]  # fmt: skip


def _shares(trials: Sequence[TrialRecord], out: Path) -> list[Picture]:
    found = importance(trials)
    if found is None:
        return []
    draw_variance_shares(found, judged_by(trials).words, out / "shares.png")
    words = judged_by(trials).words
    told = ", ".join(f"{' = '.join(share.factors)} {100 * share.share:.0f}%" for share in found.shares[:5])
    together = " Together: what several explain that went alike in these trials, and none of them alone."
    joint = f"; together, not told apart, {100 * found.together:.0f}%" if found.is_joint else ""
    return [
        Picture(
            out / "shares.png", "more", "Which hyperparameter mattered",
            f"Shares of the variance of validation {words}: {told}{joint}; the rest {100 * found.rest:.0f}%.",
            f"Analysis of variance over {found.trials} trials, main effects, corrected for chance; lines are 95% "
            "intervals. How one changes another's effect, and luck beyond the seed's own, is in the rest."
            + together * found.is_joint,
        )
    ]  # fmt: skip


def _heat(trials: Sequence[TrialRecord], out: Path) -> list[Picture]:
    found = interactions(trials)
    if not found:
        return []
    metric = judged_by(trials)
    draw_heatmap(found, metric, out / "heat.png")
    names = ", ".join(dict.fromkeys(each.factor for each in found[:MOST_MAPS]))
    per_cent = ", in per cent" if metric.is_proportion else ""
    first = f" The first {MOST_MAPS} of {len(found)} maps." if len(found) > MOST_MAPS else ""
    return [
        Picture(
            out / "heat.png", "more", "Does another depth want another value?",
            f"Validation {metric.words} by depth and by each of: {names}.",
            f"Means of validation {metric.words}{per_cent}, over the seeds and all else that varied; × is how many "
            f"trials.{first}",
        )
    ]  # fmt: skip


def _frontier(trials: Sequence[TrialRecord], out: Path) -> list[Picture]:
    points = cost_points(trials)
    if len(points) < 2:
        return []
    metric = judged_by(trials)
    draw_pareto_front(points, metric, out / "frontier.png")
    sets = {point.data for point in points}
    unbeaten = [point for front in fronts([(point.parameters, point) for point in points]) for _, point in front]
    told = ", ".join(f"{point.depth} layers {said(point.score, metric)}" for point in unbeaten)
    line = "The lines are the Pareto fronts, one for each data set" if len(sets) > 1 else "The line is the Pareto front"
    resumed = sum(trial.resumed > 0 for trial in once(trials))
    known_epochs = f", nor, in {resumed} trials, epochs that an earlier one had trained" if resumed else ""
    return [
        Picture(
            out / "frontier.png", "more", f"What {metric.words} costs",
            f"Validation {metric.words} against parameters trained and against time. Not beaten at fewer parameters: "
            f"{told}.",
            f"A point for each configuration, mean over seeds. {line}: nothing is better at no more cost. Numbers are "
            "layers unfrozen. Seconds are the median over seeds of what the phases took: they hold neither reading "
            f"photos, nor computing frozen layers, nor measuring{known_epochs}.",
        )
    ]  # fmt: skip


def _tradeoff_alt(verdicts: Sequence[Verdict]) -> str:
    metric = _metric_of(verdicts)
    lines = "Fit, train and validation" if metric.objective == "accuracy" else "Train and validation"
    return f"{lines} {metric.words} by layers unfrozen, and the gap's parts. " + " ".join(
        _facet_alt(verdict) for verdict in verdicts if verdict.rows
    )


def _metric_of(verdicts: Sequence[Verdict]) -> Metric:
    return next(verdict.metric for verdict in verdicts if verdict.rows)


def _facet_alt(verdict: Verdict) -> str:
    means = ", ".join(f"{row.depth} layers {said(row.score.estimate, verdict.metric)}" for row in verdict.rows)
    facet = f"{verdict.label}: " if verdict.label else ""
    return f"{facet}validation {means}. {gap_text(verdict)}"
