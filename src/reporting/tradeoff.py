"""The trade-off figure: what unfreezing does to fit, train and validation accuracy, and to the gap in its two parts."""

from collections.abc import Sequence
from pathlib import Path

from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import SubFigure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from src.common.errors import one_line
from src.common.metrics import Metric
from src.reporting import style
from src.reporting.style import FIT, GENERALIZATION, INK, MODE, QUIET, TRAIN, VAL
from src.statistics.intervals import Interval, t_interval
from src.tracking import schema
from src.verdict.facet import DepthRow
from src.verdict.gaps import GapRow
from src.verdict.trials import TrialRecord
from src.verdict.verdict import Verdict

_FIT = (schema.best(schema.FIT), "fit: training photos, training mode", FIT, "s")
"""Shown with accuracy alone: while training, no other metric is measured."""
_MODE_LABEL = f"{schema.GAP_MODE}: fit − train"
_GENERALIZATION_LABEL = f"{schema.GAP_GENERALIZATION}: train − val"
_ASIDE = {"s": -0.07, "^": 0.0, "o": 0.07}
"""The offset of a line's markers from their depth, so that intervals do not hide one another."""
_LEAST_LABELLED = 0.03
_BESIDE, _CROWDED = 5, 8


def draw_tradeoff(verdicts: Sequence[Verdict], path: Path) -> None:
    """Draw a panel for each facet that was measured: means with 95% intervals by depth, and the gap's parts below."""
    shown = [verdict for verdict in verdicts if verdict.rows]
    columns = min(2, len(shown)) if max(len(verdict.rows) for verdict in shown) <= _BESIDE else 1
    rows = -(-len(shown) // columns)
    figure = style.canvas(4.9 * rows + 0.5, style.WIDTH if columns > 1 else 7.4)
    panels = figure.subfigures(rows, columns, squeeze=False).ravel()
    for panel, verdict in zip(panels, shown, strict=False):
        _panel(panel, verdict)
    bars = figure.axes[1::2]
    low, high = zip(*(axes.get_ylim() for axes in bars), strict=True)
    for axes in bars:  # on one scale: they are compared
        axes.set_ylim(min(low), max(high))
    style.legend(figure, _handles(shown[0].metric), 2)
    style.save_figure(figure, path)


def _lines(metric: Metric) -> tuple[tuple[str, str, str, str], ...]:
    """Return each line's metric in MLflow, label, colour and marker."""
    others = (
        (schema.best(schema.TRAIN, metric.objective), "train: training photos, inference mode", TRAIN, "^"),
        (metric.best, "val: validation photos", VAL, "o"),
    )
    return (_FIT, *others) if metric.objective == "accuracy" else others


def _handles(metric: Metric) -> list[Artist]:
    lines = [Line2D([], [], color=colour, marker=marker, label=label) for _, label, colour, marker in _lines(metric)]
    parts = [Patch(color=MODE, label=_MODE_LABEL), Patch(color=GENERALIZATION, label=_GENERALIZATION_LABEL)]
    return [*lines, *parts]


def _panel(panel: SubFigure, verdict: Verdict) -> None:
    lines, bars = panel.subplots(2, 1, sharex=True, height_ratios=(2.6, 1))
    by_depth = [[trial for trial in verdict.trials if trial.depth == row.depth] for row in verdict.rows]
    for name, _, colour, marker in _lines(verdict.metric):
        is_judged = name == verdict.metric.best
        intervals = (
            [row.score for row in verdict.rows] if is_judged else [_interval(trials, name) for trials in by_depth]
        )
        _line(lines, intervals, colour, marker)
    gaps = {row.depth: row for row in verdict.gaps}
    for place, row in enumerate(verdict.rows):
        if row.depth in gaps:
            _bar(bars, place, gaps[row.depth])
    style.title(lines, verdict.label, 52)
    lines.set(ylabel=verdict.metric.words)
    style.score_axis(lines.yaxis, verdict.metric)
    of_accuracy = "" if verdict.metric.objective == "accuracy" else " in accuracy"
    bars.set(ylabel=f"gap{of_accuracy}, points", xlim=(-0.6, len(verdict.rows) - 0.4))
    style.percent_axis(bars.yaxis, symbol="")
    bars.axhline(0, color=QUIET, lw=0.8)
    for axes in (lines, bars):
        style.tidy(axes)
    _name_depths(bars, verdict.rows)
    recommended = next(place for place, row in enumerate(verdict.rows) if row.depth == verdict.depth)
    lines.axvspan(recommended - 0.32, recommended + 0.32, color=VAL, alpha=0.08, lw=0)


def _line(axes: Axes, intervals: Sequence[Interval], colour: str, marker: str) -> None:
    means, places = [row.estimate for row in intervals], [place + _ASIDE[marker] for place in range(len(intervals))]
    below = [0.0 if row.low is None else row.estimate - max(row.low, 0.0) for row in intervals]
    above = [0.0 if row.high is None else min(row.high, 1.0) - row.estimate for row in intervals]
    dashes = "--" if colour == FIT else "-"
    axes.errorbar(
        places, means, yerr=(below, above), color=colour, marker=marker, ls=dashes, capsize=3, ms=5,
        lw=1.8 if colour == VAL else 1.3, elinewidth=1,
    )  # fmt: skip


def _bar(axes: Axes, place: int, row: GapRow) -> None:
    """Draw the gap's parts on top of one another; a negative part hangs below zero."""
    base = {True: 0.0, False: 0.0}
    for size, colour in ((row.mode.estimate, MODE), (row.generalization.estimate, GENERALIZATION)):
        axes.bar(place, size, bottom=base[size >= 0], width=0.55, color=colour)
        if abs(size) >= _LEAST_LABELLED:
            middle = base[size >= 0] + size / 2
            text = f"{100 * size:.0f}".replace("-", "−")
            axes.text(place, middle, text, ha="center", va="center", size=7.5, color=INK)
        base[size >= 0] += size


def _name_depths(axes: Axes, rows: Sequence[DepthRow]) -> None:
    crowded = len(rows) > _CROWDED
    long = [f"{row.depth}\n{_block(row)}\n{style.short_count(row.parameters)}" for row in rows]
    names = [str(row.depth) for row in rows] if crowded else long
    axes.set_xticks(range(len(rows)), names, parse_math=False)
    axes.set_xlabel("layers unfrozen" + ("" if crowded else ", first block, backbone parameters trained"))


def _block(row: DepthRow) -> str:
    return one_line(row.block, 11) if row.block else "head only" if not row.depth else ""


def _interval(trials: Sequence[TrialRecord], metric: str) -> Interval:
    """Return a metric's mean over seeds and its interval."""
    values = [value for trial in trials if (value := trial.metric(metric)) is not None]
    return t_interval(values) if values else Interval(float("nan"), None, None, 0)
