"""The templates of reports, and the filters that they share: each name has one meaning in all of them."""

import functools
import math
from functools import partial
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from src.common.metrics import METRICS, Metric
from src.reporting import wording
from src.reporting.terms import explained

_FOLDER = Path(__file__).parent


@functools.cache
def environment(metric: Metric = METRICS["accuracy"], *, escapes: bool = False, folder: Path = _FOLDER) -> Environment:
    """Return what renders the templates of `folder` and of this one, with values of `metric` unless told otherwise.

    Args:
        metric: of scores and differences, where a filter is not given another.
        escapes: whether all values become plain text of HTML.
        folder: searched before this one.
    """
    templates = Environment(
        loader=FileSystemLoader([folder, _FOLDER]),
        autoescape=escapes,  # noqa: S701 - pages escape, plain text does not
        undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True,
    )  # fmt: skip
    templates.tests["finite"] = math.isfinite
    templates.filters |= {"explained": explained} | {name: getattr(wording, name) for name in wording.FILTERS}
    templates.filters |= {name: partial(getattr(wording, name), metric=metric) for name in wording.METRIC_FILTERS}
    return templates


def render(template: str, macro: str, metric: Metric, *arguments: Any, folder: Path = _FOLDER) -> str:
    """Return the text of a macro as it stands in the template."""
    return str(getattr(environment(metric, folder=folder).get_template(template).module, macro)(*arguments))


def say(template: str, macro: str, metric: Metric, *arguments: Any, folder: Path = _FOLDER) -> str:
    """Return the text of a macro, with one blank between its words and none before punctuation."""
    return wording.words(render(template, macro, metric, *arguments, folder=folder))
