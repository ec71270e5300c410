"""Learning curves of a study: validation and fit accuracy by epoch, a line for each depth."""

from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from src.errors import one_line
from src.reporting.figures import save_figure
from src.verdict.records import TrialRecord
from src.verdict.verdict import Verdict


def draw_study_curves(verdicts: Sequence[Verdict], path: Path) -> None:
    """Means over seeds of the trials that the verdicts rest on; a dotted line where a phase begins."""
    shown = [verdict for verdict in verdicts if verdict.rows]
    figure = Figure(figsize=(9, 3.4 * len(shown)), layout="constrained")
    grid = figure.subplots(len(shown), 2, sharey=True, squeeze=False)
    for row, verdict in zip(grid, shown, strict=True):
        for axes, split in zip(row, ("fit", "val"), strict=True):
            _panel(axes, verdict, f"{split}/accuracy")
        row[0].set_ylabel(one_line(verdict.facet, 40) or "accuracy", parse_math=False)
    save_figure(figure, path)


def _panel(axes: Axes, verdict: Verdict, metric: str) -> None:
    depths = [row.depth for row in verdict.rows]
    colours = mpl.colormaps["viridis"](np.linspace(0.05, 0.85, max(1, len(depths))))
    for depth, colour in zip(depths, colours, strict=True):
        curve = _mean_curve([trial for trial in verdict.trials if trial.depth == depth], metric)
        axes.plot(list(curve), list(curve.values()), color=colour, label=f"{depth} layers", lw=1.4)
    for boundary in _boundaries(verdict.trials):
        axes.axvline(boundary - 0.5, color="#888888", ls=":", lw=1)
    axes.set(title=metric, xlabel="epoch", ylim=(0, 1.02))
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.legend(fontsize=7, frameon=False)


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
        for before, after in zip(trial.history, trial.history[1:], strict=False)
        if before.get("phase") != after.get("phase")
    }
