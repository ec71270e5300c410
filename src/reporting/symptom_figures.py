"""Draw the diagnosis: a panel for each finding, with the curves of its worst trial."""

from collections.abc import Sequence
from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from src.diagnosis.diagnose import Finding
from src.diagnosis.phases import phases
from src.reporting.diagnosis_text import heading
from src.reporting.style import FIT, TRAIN, VAL, canvas, legend, mark_phases, percent_axis, save_figure, tidy, title
from src.tracking import schema
from src.verdict.trials import TrialRecord

_COLUMNS = 3
_OF_LOSS = ("diverging_loss", "oscillating_loss", "slow_training")
"""Rules that the loss shows, not accuracy."""


def draw_symptoms(findings: Sequence[Finding], path: Path) -> None:
    """Draw the worst trial of each of `findings`: its rule's curves, dotted where a phase begins."""
    rows = -(-len(findings) // _COLUMNS)
    figure = canvas(2.5 * rows + 0.5)
    grid = figure.subplots(rows, _COLUMNS, squeeze=False).ravel()
    for axes in grid[len(findings) :]:
        axes.set_axis_off()
    for axes, finding in zip(grid, findings, strict=False):
        _panel(axes, finding.worst, "loss" if finding.rule.name in _OF_LOSS else "accuracy")
        title(axes, heading(finding.rule), 34)
    handles = [
        Line2D([], [], color=FIT, ls="--", label="fit"), Line2D([], [], color=VAL, label="val"),
        Line2D([], [], color=TRAIN, marker="^", ls="", label="train, at the epoch that was kept"),
    ]  # fmt: skip
    judged = findings[0].worst.judged
    if judged.objective != "accuracy":
        handles.append(Line2D([], [], color=VAL, ls=":", label=judged.on_validation))
    legend(figure, handles, 3)
    save_figure(figure, path)


def _panel(axes: Axes, trial: TrialRecord, measure: str) -> None:
    for split, colour, style in ((schema.FIT, FIT, "--"), (schema.VAL, VAL, "-")):
        name = schema.of_split(split, measure)
        known = [epoch for epoch in trial.history if name in epoch]
        epochs, values = [epoch["epoch"] for epoch in known], [epoch[name] for epoch in known]
        axes.plot(epochs, values, color=colour, ls=style, lw=1.4, marker=".", ms=4)
    if measure == "accuracy" and trial.objective != "accuracy":
        _line_of_score(axes, trial)
    best, train = trial.metric(schema.BEST_EPOCH), trial.metric(schema.best(schema.TRAIN, measure))
    if best is not None and train is not None:
        axes.plot(best, train, "^", color=TRAIN, ms=6)
    mark_phases(axes, [epochs[0]["epoch"] for epochs in list(phases(trial).values())[1:]])
    axes.set_xlabel("epoch")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True, nbins=5))
    if measure == "accuracy":
        axes.set_ylim(0, 1.03)
        percent_axis(axes.yaxis)
    else:
        axes.set_ylabel("loss")
    tidy(axes)


def _line_of_score(axes: Axes, trial: TrialRecord) -> None:
    name = schema.of_split(schema.VAL, trial.objective)
    known = [epoch for epoch in trial.history if name in epoch]
    axes.plot([epoch["epoch"] for epoch in known], [epoch[name] for epoch in known], color=VAL, ls=":", lw=1.4)
