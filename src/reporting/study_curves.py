"""Learning curves of a study: fit and validation accuracy by epoch, a line for each depth."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from itertools import pairwise
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator, PercentFormatter

from src.reporting.style import QUIET, Colour, canvas, legend, save_figure, shades, tidy, title
from src.verdict.records import TrialRecord
from src.verdict.verdict import Verdict

_MOST_LABELS = 24


def draw_study_curves(verdicts: Sequence[Verdict], path: Path) -> None:
    """Means over seeds of the trials that the verdicts rest on; a dotted line where a phase begins."""
    shown = [verdict for verdict in verdicts if verdict.rows]
    depths = sorted({row.depth for verdict in shown for row in verdict.rows})
    colours = dict(zip(depths, shades(len(depths)), strict=True))
    figure = canvas(2.9 * len(shown) + 0.5)
    grid = figure.subplots(len(shown), 2, sharey=True, squeeze=False)
    for row, verdict in zip(grid, shown, strict=True):
        for axes, split in zip(row, ("fit", "val"), strict=True):
            _panel(axes, verdict, split, colours)
        row[0].set_ylabel("accuracy")
    lines = [Line2D([], [], color=colours[depth], label=f"{depth} layers") for depth in depths]
    legend(figure, lines[:_MOST_LABELS], 6)
    save_figure(figure, path)


def _panel(axes: Axes, verdict: Verdict, split: str, colours: Mapping[int, Colour]) -> None:
    for row in verdict.rows:
        curve = _mean_curve([trial for trial in verdict.trials if trial.depth == row.depth], f"{split}/accuracy")
        axes.plot(list(curve), list(curve.values()), color=colours[row.depth], lw=1.4)
    for boundary in _boundaries(verdict.trials):
        axes.axvline(boundary - 0.5, color=QUIET, ls=":", lw=1)
    title(axes, f"{split}   {verdict.facet}", 58)
    axes.set(xlabel="epoch", ylim=(0, 1.03))
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.yaxis.set_major_formatter(PercentFormatter(1, symbol=" %"))
    tidy(axes)


def _mean_curve(trials: Sequence[TrialRecord], metric: str) -> dict[int, float]:
    values: dict[int, list[float]] = defaultdict(list)
    for trial in trials:
        for epoch in trial.history:
            if metric in epoch:
                values[int(epoch["epoch"])].append(epoch[metric])
    return {epoch: float(np.mean(found)) for epoch, found in sorted(values.items())}


def _boundaries(trials: Sequence[TrialRecord]) -> set[int]:
    """Epochs at which a phase after the first begins, over all trials."""
    return {
        int(after["epoch"])
        for trial in trials
        for before, after in pairwise(trial.history)
        if before.get("phase") != after.get("phase")
    }
