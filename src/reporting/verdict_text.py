"""The texts of verdict.j2, rendered with the numbers of a verdict."""

import functools
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from src.common.metrics import Metric
from src.reporting.wording import layers, listed, plain, said, said_apart, seeds, spoken, trials
from src.statistics.intervals import Interval
from src.verdict.next_steps import NextStep
from src.verdict.verdict import DepthRow, Verdict

_LIMITS = ("of_images", "of_counts", "of_rates", "of_baseline", "of_reduction", "of_left_out", "of_alike")


def headline(verdict: Verdict) -> str:
    """Return the verdict in a few words."""
    return _text("headline", verdict)


def answer(verdict: Verdict) -> str:
    """Return what is known of the recommended depth and of the others, with numbers."""
    return _text("answer", verdict)


def next_steps(verdict: Verdict) -> list[tuple[str, str]]:
    """Return what to train next: a sentence, and the command or the overrides."""
    return [(_step_text(verdict, step), step.command) for step in verdict.next_steps]


def limits(verdict: Verdict) -> list[str]:
    """Return what limits the verdict, a few sentences each."""
    names = _LIMITS if verdict.rows else ("of_left_out",)
    return [text for name in names if (text := _text(name, verdict))]


def note(verdict: Verdict) -> str:
    """Return the verdict in Markdown."""
    return _macro("note", verdict, verdict).strip()


def standing(row: DepthRow, verdict: Verdict) -> str:
    """Return how a depth stands to the best."""
    if row.depth == verdict.best:
        return "best mean"
    if row.to_best.low is None:
        return ""
    return "clearly worse" if row.is_worse else "may be as good"


def _step_text(verdict: Verdict, step: NextStep) -> str:
    text = _text("next_step", verdict, step)
    return text if step.is_command else f"{text.rstrip(':')}, with the study's name and other settings:"


def _text(name: str, verdict: Verdict, *arguments: Any) -> str:
    return _words(_macro(name, verdict, verdict, *arguments))


def _macro(name: str, verdict: Verdict, *arguments: Any) -> str:
    template = _environment(verdict.metric).get_template("verdict.j2")
    return str(getattr(template.module, name)(*arguments))


def _words(text: str) -> str:
    """Return a text with one blank between its words, and none before punctuation."""
    return " ".join(text.split()).replace(" ,", ",").replace(" .", ".").replace("( ", "(")


@functools.cache
def _environment(metric: Metric) -> Environment:
    environment = Environment(  # noqa: S701 - plain text; the page escapes it
        loader=FileSystemLoader(Path(__file__).parent), undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters |= _filters(metric)
    return environment


def _filters(metric: Metric) -> Mapping[str, Any]:
    return {
        "layers": layers, "list_of": listed, "seeds": seeds, "trials": trials, "words": _words,
        "score": partial(said, metric=metric),
        "signed": partial(plain, metric=metric, signed=True),
        "difference_of": partial(said_apart, metric=metric),
        "difference": partial(spoken, metric=metric),
        "ends": partial(ends, metric=metric),
        "signed_ends": partial(signed_ends, metric=metric),
        "standing": standing, "times": _times, "duration": _duration, "seconds": seconds,
    }  # fmt: skip


def ends(interval: Interval, metric: Metric) -> str:
    """Return the ends of a score's interval, none below 0 or above 1; empty where there are none.

    >>> from src.common.metrics import METRICS
    >>> ends(Interval(0.5, 0.45, 1.02, 3), METRICS["accuracy"]), ends(Interval(0.5, None, None, 1), METRICS["accuracy"])
    ('45.0–100.0', '')
    """
    if interval.low is None or interval.high is None:
        return ""
    return f"{plain(max(0.0, interval.low), metric)}–{plain(min(1.0, interval.high), metric)}"


def signed_ends(interval: Interval, metric: Metric) -> str:
    """Return the ends of a difference's interval; empty where there are none.

    >>> from src.common.metrics import METRICS
    >>> signed_ends(Interval(0.01, -0.02, 0.04, 3), METRICS["accuracy"])
    '−2.0 to +4.0'
    """
    if interval.low is None or interval.high is None:
        return ""
    return f"{plain(interval.low, metric, signed=True)} to {plain(interval.high, metric, signed=True)}"


def seconds(value: float | None) -> str:
    """Return seconds; empty where they are unknown.

    >>> seconds(0.44), seconds(12.3), seconds(None)
    ('0.4', '12', '')
    """
    return "" if value is None else f"{value:.1f}" if value < 10 else f"{value:,.0f}"


def _times(factor: float) -> str:
    """Return a factor.

    >>> _times(1.74), _times(12.3)
    ('1.7', '12')
    """
    return f"{factor:.1f}" if factor < 10 else f"{factor:,.0f}"


def _duration(length: float) -> str:
    """Return seconds as a person says them.

    >>> _duration(40), _duration(700), _duration(9000)
    ('40 s', '12 min', '2.5 h')
    """
    return f"{length:.0f} s" if length < 90 else f"{length / 60:.0f} min" if length < 5400 else f"{length / 3600:.1f} h"
