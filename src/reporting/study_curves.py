"""Learning curves of a study: fit accuracy and the validation score by epoch, a line for each depth."""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from src.common.metrics import METRICS, Metric
from src.diagnosis.phases import phases
from src.reporting.style import Colour, canvas, legend, mark_phases, save_figure, score_axis, shades, tidy, title
from src.reporting.wording import layers
from src.verdict.trials import TrialRecord
from src.verdict.verdict import Verdict

_MOST_LABELS = 24


@dataclass(frozen=True)
class _CurveSegment:
    """A line's part: means from place `start` on, over all seeds of its depth or over those that trained so long."""

    start: int
    means: tuple[float, ...]
    is_of_all: bool


def draw_study_curves(verdicts: Sequence[Verdict], path: Path) -> None:
    """Draw means over seeds of the verdicts' trials, with a dotted line where a phase begins.

    Phases follow each other, each as long as its longest, so that a mean is of the same epochs: early stopping ends a
    phase at another epoch for each seed.
    """
    shown = [verdict for verdict in verdicts if verdict.rows]
    depths = sorted({row.depth for verdict in shown for row in verdict.rows})
    colours = dict(zip(depths, shades(len(depths)), strict=True))
    figure = canvas(2.9 * len(shown) + 0.5)
    grid = figure.subplots(len(shown), 2, sharey=shown[0].metric.is_proportion, squeeze=False)
    for row, verdict in zip(grid, shown, strict=True):
        for axes, (split, metric) in zip(row, (("fit", METRICS["accuracy"]), ("val", verdict.metric)), strict=True):
            _panel(axes, verdict, split, metric, colours)
    lines = [Line2D([], [], color=colours[depth], label=layers([depth])) for depth in depths]
    legend(figure, lines[:_MOST_LABELS], 6)
    save_figure(figure, path)


def _panel(axes: Axes, verdict: Verdict, split: str, metric: Metric, colours: Mapping[int, Colour]) -> None:
    starts = _starts(verdict.trials)
    for row in verdict.rows:
        trials = [trial for trial in verdict.trials if trial.depth == row.depth]
        for segment in _curve_segments(trials, f"{split}/{metric.objective}", starts):
            epochs = range(segment.start, segment.start + len(segment.means))
            width = 1.4 if segment.is_of_all else 0.5
            axes.plot(epochs, segment.means, color=colours[row.depth], lw=width, marker=".", ms=2 * width)
    mark_phases(axes, list(starts.values())[1:])
    title(axes, f"{split}   {verdict.label}", 58)
    axes.set(xlabel="epoch", ylabel=metric.words, ylim=(0, 1.03))
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    score_axis(axes.yaxis, metric)
    tidy(axes)


def _starts(trials: Sequence[TrialRecord]) -> dict[int, int]:
    """Return the first epoch of each phase by its number."""
    longest: dict[int, int] = {}
    for trial in trials:
        for number, epochs in phases(trial).items():
            longest[number] = max(longest.get(number, 0), len(epochs))
    numbers = sorted(longest)
    return {number: sum(longest[before] for before in numbers[:position]) for position, number in enumerate(numbers)}


def _curve_segments(trials: Sequence[TrialRecord], metric: str, starts: Mapping[int, int]) -> Iterator[_CurveSegment]:
    """Yield one depth's line, phase by phase: as far as all of its trials go, and from there on."""
    for number, start in starts.items():
        curves = [[epoch.get(metric, math.nan) for epoch in phases(trial).get(number, ())] for trial in trials]
        common, longest = min(map(len, curves)), max(map(len, curves))
        means = tuple(float(np.mean([curve[k] for curve in curves if k < len(curve)])) for k in range(longest))
        if common:
            yield _CurveSegment(start, means[:common], is_of_all=True)
        if common < longest:
            joint = max(common - 1, 0)
            yield _CurveSegment(start + joint, means[joint:], is_of_all=False)
