"""Depth against another hyperparameter as heat maps: does another depth want another value?"""

from collections.abc import Sequence
from pathlib import Path

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes

from src.common.errors import one_line
from src.common.metrics import Metric
from src.reporting.interaction import Interaction
from src.reporting.style import QUIET, canvas, save_figure, title
from src.reporting.wording import plain

MOST_MAPS = 6
_MAP = "YlGn"
_MOST_NUMBERS = 12


def draw_heatmap(interactions: Sequence[Interaction], metric: Metric, path: Path) -> None:
    """Draw the first six maps; each cell is a mean of the metric's validation values over all that else varied."""
    shown = interactions[:MOST_MAPS]
    columns = min(2, len(shown))
    rows = -(-len(shown) // columns)
    tallest = max(len(interaction.depths) for interaction in shown)
    figure = canvas(rows * (1.3 + 0.34 * min(12, tallest)), 4.6 * columns)
    means = np.concatenate([interaction.means.ravel() for interaction in shown])
    low, high = float(np.nanmin(means)), float(np.nanmax(means))
    grid = figure.subplots(rows, columns, squeeze=False).ravel()
    for axes in grid[len(shown) :]:
        axes.set_axis_off()
    for axes, interaction in zip(grid, shown, strict=False):
        _map(axes, interaction, metric, (low, high))
    save_figure(figure, path)


def _map(axes: Axes, interaction: Interaction, metric: Metric, ends: tuple[float, float]) -> None:
    axes.imshow(interaction.means, cmap=_MAP, vmin=ends[0], vmax=ends[1], aspect="auto")
    if len(interaction.depths) <= _MOST_NUMBERS:
        for row, column in np.argwhere(interaction.counts):
            _annotate(axes, interaction, metric, (int(row), int(column)), ends)
    values = [one_line(value, 20).replace(" – ", "\nto ") for value in interaction.values]
    axes.set_xticks(range(len(values)), values, parse_math=False)
    positions = np.unique(np.linspace(0, len(interaction.depths) - 1, _MOST_NUMBERS).round().astype(int))
    axes.set_yticks(positions, [str(interaction.depths[position]) for position in positions])
    axes.set_xlabel(one_line(interaction.factor, 40), size=8.5, color=QUIET, parse_math=False)
    axes.set_ylabel("layers unfrozen", size=8.5, color=QUIET)
    axes.tick_params(colors=QUIET, labelsize=8, length=0)
    axes.spines[:].set_visible(False)
    title(axes, interaction.facet, 46)


def _annotate(
    axes: Axes, interaction: Interaction, metric: Metric, cell: tuple[int, int], ends: tuple[float, float]
) -> None:
    mean, count = interaction.means[cell], interaction.counts[cell]
    shade = (mean - ends[0]) / (ends[1] - ends[0]) if ends[1] > ends[0] else 0.0
    red, green, blue, _ = mpl.colormaps[_MAP](shade)
    colour = "white" if 0.3 * red + 0.6 * green + 0.1 * blue < 0.5 else "black"
    row, column = cell
    axes.text(column, row, plain(mean, metric), ha="center", va="center", size=8.5, color=colour)
    axes.text(column + 0.47, row + 0.44, f"×{count}", ha="right", va="bottom", size=6, color=colour, alpha=0.7)
