"""The trade-off figure: what unfreezing does to fit, train and validation accuracy, with the gap in its two parts."""

from collections.abc import Sequence
from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from src.errors import one_line
from src.reporting.figures import FIT, TRAIN, VAL, save_figure
from src.verdict.intervals import Interval, t_interval
from src.verdict.records import TrialRecord
from src.verdict.verdict import Verdict

_LINES = (
    ("best/fit_accuracy", "fit: training photos, training mode", FIT, "s"),
    ("best/train_accuracy", "train: training photos, inference mode", TRAIN, "^"),
    ("best/val_accuracy", "val: validation photos", VAL, "o"),
)


def draw_tradeoff(verdicts: Sequence[Verdict], path: Path) -> None:
    """A panel for each facet that was measured: means and 95 % intervals by depth, and the gap's parts as bands."""
    shown = [verdict for verdict in verdicts if verdict.rows]
    figure = Figure(figsize=(max(6.0, 5.0 * len(shown)), 4.6), layout="constrained")
    for axes, verdict in zip(figure.subplots(1, len(shown), sharey=True, squeeze=False)[0], shown, strict=True):
        _panel(axes, verdict)
    figure.axes[0].set_ylabel("accuracy")
    handles, labels = figure.axes[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=2, fontsize=8, frameon=False)
    save_figure(figure, path)


def _panel(axes: Axes, verdict: Verdict) -> None:
    places = range(len(verdict.rows))
    by_depth = [[trial for trial in verdict.trials if trial.depth == row.depth] for row in verdict.rows]
    means = [_line(axes, by_depth, *line) for line in _LINES]
    fit, train, val = means
    axes.fill_between(places, fit, train, color=FIT, alpha=0.18, label="gap/mode: fit − train")
    axes.fill_between(places, train, val, color=TRAIN, alpha=0.18, label="gap/generalization: train − val")
    axes.set_xticks(places, [f"{row.depth}\n{row.block or 'head'}\n{row.parameters:,}" for row in verdict.rows], size=8)
    axes.set_title(one_line(verdict.facet or "all trials", 60), size=9, parse_math=False)
    axes.set_xlabel("layers unfrozen, first block, backbone parameters trained", size=8)
    axes.set_ylim(0, 1.02)
    axes.grid(axis="y", alpha=0.3)


def _line(
    axes: Axes, by_depth: Sequence[Sequence[TrialRecord]], metric: str, label: str, colour: str, marker: str
) -> list[float]:
    intervals = [_interval(trials, metric) for trials in by_depth]
    means = [each.estimate for each in intervals]
    below = [0.0 if each.low is None else each.estimate - each.low for each in intervals]
    above = [0.0 if each.high is None else each.high - each.estimate for each in intervals]
    axes.errorbar(
        range(len(means)), means, yerr=(below, above), color=colour, marker=marker, capsize=3, label=label, ms=5
    )
    return means


def _interval(trials: Sequence[TrialRecord], metric: str) -> Interval:
    values = [value for trial in trials if (value := trial.metric(metric)) is not None]
    return t_interval(values) if values else Interval(float("nan"), None, None, 0)
