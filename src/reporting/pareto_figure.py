"""Accuracy against what it costs, in parameters and in time, with the configurations that nothing beats at both."""

from collections.abc import Sequence
from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.ticker import FuncFormatter, LogLocator, NullLocator

from src.common.errors import one_line
from src.common.metrics import Metric
from src.reporting.style import INK, QUIET, canvas, facet_colours, legend, save_figure, score_axis, short_count, tidy
from src.verdict.cost import CostPoint, fronts

_MOST_NAMED = 8
_FEW = 12
_BESIDE = 0.01


def draw_pareto_front(points: Sequence[CostPoint], metric: Metric, path: Path) -> None:
    """Draw a point for each configuration and a line through each data set's Pareto front, its depths labelled."""
    colours = facet_colours(list(dict.fromkeys(point.facet for point in points)))
    figure = canvas(3.9 if len(colours) > 1 else 3.4)
    left, right = figure.subplots(1, 2, sharey=True)
    _panel(left, [(point.parameters, point) for point in points], colours)
    _panel(right, [(point.seconds, point) for point in points], colours)
    left.set_xscale("log")
    left.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    left.xaxis.set_major_formatter(FuncFormatter(lambda count, _: short_count(count)))
    left.xaxis.set_minor_locator(NullLocator())
    left.set(xlabel="parameters trained, the head's among them", ylabel=f"validation {metric.words}")
    right.set(xlabel="seconds of training, median of a configuration's trials", xlim=(0, None))
    score_axis(left.yaxis, metric)
    if len(colours) > 1:
        labels = [(one_line(name, 50), colour) for name, colour in list(colours.items())[:_MOST_NAMED]]
        handles = [Line2D([], [], color=colour, marker="o", ls="", label=name) for name, colour in labels]
        legend(figure, handles, 2)
    save_figure(figure, path)


def _panel(axes: Axes, points: Sequence[tuple[float | None, CostPoint]], colours: dict[str, str]) -> None:
    known = [(cost, point) for cost, point in points if cost is not None and cost > 0]
    panel_fronts = fronts(points)
    for cost, point in known:
        axes.plot(cost, point.score, "o", color=colours[point.facet], ms=5, alpha=0.75, mew=0)
    for front in panel_fronts:
        axes.plot(
            [cost for cost, _ in front], [point.score for _, point in front],
            color=INK, lw=1, drawstyle="steps-post", marker="o", mfc="none", mec=INK, ms=8,
        )  # fmt: skip
        _name(axes, front[-_MOST_NAMED:], INK, above=True)
    if len(known) <= _FEW:
        labelled = [point for front in panel_fronts for _, point in front]
        for cost, point in known:
            if not any(_is_beside(point, other) for other in labelled):
                _name(axes, [(cost, point)], QUIET, above=False)
                labelled.append(point)
    if not known:
        axes.text(0.5, 0.5, "not known of these trials", transform=axes.transAxes, ha="center", color=QUIET, size=9)
    tidy(axes, grid="both")
    axes.margins(0.12, 0.18)


def _is_beside(point: CostPoint, other: CostPoint) -> bool:
    """Return whether one name serves both points: one depth, with scores less than a point apart."""
    return point.depth == other.depth and abs(point.score - other.score) < _BESIDE


def _name(axes: Axes, points: Sequence[tuple[float, CostPoint]], colour: str, *, above: bool) -> None:
    """Write depths above and left of a front's points, where its line never passes, or below and right of others."""
    across, up, anchor = (-4, 4, "right") if above else (3, -10, "left")
    for cost, point in points:
        axes.annotate(
            f"{point.depth}", (cost, point.score), xytext=(across, up), textcoords="offset points", ha=anchor,
            size=8, color=colour,
        )  # fmt: skip
