"""Draw each hyperparameter's share of the variance of validation accuracy, with its uncertainty."""

from pathlib import Path

from matplotlib.ticker import PercentFormatter

from src.common.errors import one_line
from src.reporting.style import FIT, INK, LINE, QUIET, VAL, canvas, save_figure, tidy
from src.verdict.importance import Importance

_MOST = 15
LEAST_SHOWN = 0.005
"""Of the variance: less is rounded to 0%."""


def draw_variance_shares(importance: Importance, words: str, path: Path) -> None:
    """Draw a bar for each hyperparameter, with its 95% interval, and for what none alone explains of `words`."""
    shown = importance.shares[:_MOST]
    together = [("together, not told apart", importance.together)] if importance.together >= LEAST_SHOWN else []
    rest = [*together, ("rest: noise, interactions", importance.rest)]
    names = [one_line(" = ".join(share.factors), 34) for share in shown] + [name for name, _ in rest]
    sizes = [share.share for share in shown] + [size for _, size in rest]
    positions = range(len(names))
    figure = canvas(0.9 + 0.34 * len(names), 7.4)
    axes = figure.subplots()
    colours = [FIT if share.factors == ("seed",) else VAL for share in shown] + [LINE] * len(rest)
    axes.barh(positions, sizes, color=colours, height=0.6)
    for position, share in enumerate(shown):
        if share.low is not None and share.high is not None:
            axes.plot((share.low, share.high), (position, position), color=INK, lw=1.2, marker="|", ms=6)
    for position, size in zip(positions, sizes, strict=True):
        axes.text(1.02, position, f"{100 * size:.0f}%", va="center", size=8, color=QUIET)
    axes.set_yticks(positions, names, parse_math=False)
    axes.invert_yaxis()
    axes.set(xlim=(0, 1), xlabel=f"share of the variance of validation {words}")
    axes.xaxis.set_major_formatter(PercentFormatter(1))
    tidy(axes, grid="x")
    save_figure(figure, path)
