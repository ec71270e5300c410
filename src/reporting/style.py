"""The style of all figures: few colours, each with one meaning, light axes, user text without markup."""

import warnings
from collections.abc import Iterable, Sequence
from pathlib import Path

import matplotlib as mpl
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, MaxNLocator

from src.common.errors import one_line
from src.common.metrics import Metric

FIT, TRAIN, VAL = "#7b8794", "#c8553d", "#0b6e4f"
MODE, GENERALIZATION = "#7a5ba8", "#e0a458"
INK, QUIET, LINE = "#1f2933", "#52606d", "#d9dee4"
WIDTH = 8.6
"""Of a study's figures, inches: what fills the page at :data:`DPI`."""
DPI, _QUICK_DPI = 130, 90
LONGEST_NAME, NAME_INCHES = 18, 1.25
"""Of a class in a figure: characters, and the margin that they take."""

Colour = tuple[float, float, float, float]

_FACETS = ("#0b6e4f", "#7a5ba8", "#c8553d", "#2f7ebd", "#a37a1c", "#7b8794", "#b0447a", "#4f8a8b")


def canvas(height: float, width: float = WIDTH, dpi: int = DPI) -> Figure:
    """Return an empty figure of so many inches, with a constrained layout."""
    return Figure(figsize=(width, height), layout="constrained", dpi=dpi)


def framed(height: float, width: float, *, left: float, bottom: float, top: float = 0.3, right: float = 0.15) -> Figure:
    """Return an empty figure with margins, inches: drawn in a third of the time, for what each trial draws."""
    figure = Figure(figsize=(width, height), dpi=_QUICK_DPI)
    figure.subplots_adjust(left / width, bottom / height, 1 - right / width, 1 - top / height)
    return figure


def tidy(axes: Axes, *, grid: str = "y") -> None:
    """Take away what says nothing. `grid`: "x", "y", "both", or "" for none."""
    axes.spines[["top", "right"]].set_visible(False)
    axes.spines[["left", "bottom"]].set_color(LINE)
    axes.tick_params(colors=QUIET, labelsize=8, length=0)
    axes.xaxis.label.set(color=QUIET, size=8.5)
    axes.yaxis.label.set(color=QUIET, size=8.5)
    axes.set_axisbelow(True)
    if grid:
        axes.grid(axis=grid, color=LINE, lw=0.6)  # type: ignore[arg-type]


def title(axes: Axes, text: str, limit: int = 60) -> None:
    """Set a panel's title, as plain text: it may hold a user's text."""
    axes.set_title(one_line(text, limit), size=9.5, color=INK, loc="left", parse_math=False)


def mark_phases(axes: Axes, epochs: Iterable[float]) -> None:
    """Draw a dotted line before each of the `epochs` that a phase begins with."""
    for epoch in epochs:
        axes.axvline(epoch - 0.5, color=QUIET, ls=":", lw=1)


def percent_axis(axis: Axis, symbol: str = "%") -> None:
    """Format shares (0–1) as percentages, with ticks at round numbers."""
    axis.set_major_locator(MaxNLocator(nbins=7, steps=[1, 2, 5, 10]))
    axis.set_major_formatter(FuncFormatter(lambda share, _: f"{100 * share:.6g}{symbol}".replace("-", "−")))


def score_axis(axis: Axis, metric: Metric) -> None:
    """Format a metric's values, as percentages where it is a proportion."""
    if metric.is_proportion:
        percent_axis(axis)
    else:
        axis.set_major_locator(MaxNLocator(nbins=7, steps=[1, 2, 5, 10]))


def legend(figure: Figure, handles: Sequence[Artist], columns: int) -> None:
    """Draw the labels of `handles` below the figure."""
    shown = figure.legend(
        handles=handles, loc="outside lower center", ncols=columns, fontsize=8, frameon=False, labelcolor=QUIET
    )
    for text in shown.get_texts():
        text.set_parse_math(False)


def shades(count: int) -> list[Colour]:
    """Return a colour for each of `count` depths, from few layers (dark) to many."""
    positions = [0.12 + 0.72 * k / max(1, count - 1) for k in range(count)]
    return [mpl.colormaps["viridis"](position) for position in positions]


def short_count(count: float) -> str:
    """Return a count in three figures or so.

    >>> [short_count(count) for count in (0, 896, 2560, 412_800, 2_223_872)]
    ['0', '896', '2.6k', '413k', '2.2M']
    """
    for size, letter in ((1_000_000, "M"), (1_000, "k")):
        if count >= size:
            digits = 0 if count >= 100 * size or count % size == 0 else 1
            return f"{count / size:.{digits}f}{letter}"
    return f"{count:.0f}"


def facet_colours(names: Sequence[str]) -> dict[str, str]:
    """Return a colour for each facet; they come round after eight."""
    return {name: _FACETS[k % len(_FACETS)] for k, name in enumerate(names)}


def save_figure(figure: Figure, path: Path) -> None:
    """Write `figure` to `path`, without warnings on characters that no font has."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Glyph")  # a class may be called by an emoji that no font has
        figure.savefig(path, facecolor="white", pil_kwargs={"compress_level": 1})
