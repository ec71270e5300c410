"""The calibration of a trial: a reliability diagram, and accuracy by the share of images answered."""

from pathlib import Path

import numpy as np
from matplotlib.axes import Axes

from src.data.listing import Split
from src.inference.calibration import Abstention, Confidence, abstention, calibration_error, reliability
from src.reporting.style import FIT, LINE, VAL, canvas, percent_axis, save_figure, tidy, title
from src.statistics.intervals import Interval
from src.tracking.known_confidence import KnownConfidence

_WORDS: dict[Split, str] = {"test": "test images", "val": "validation images", "train": "training images"}
_UNTESTED = (
    "There are no test images: the validation images chose what is measured on them, and new images may do worse."
)


def draw_calibration(known: KnownConfidence, path: Path) -> None:
    """Draw accuracy by confidence before and after the temperature, and accuracy by share of images answered."""
    figure = canvas(3.4)
    left, right = figure.subplots(1, 2)
    split = known.tested_on
    left.plot([0, 1], [0, 1], color=LINE, lw=1)
    for confidence, colour, label in ((known.before[split], FIT, "before"), (known.after[split], VAL, "after")):
        _draw_reliability(left, confidence, colour, label, has_intervals=known.is_tested)
    left.set(xlabel="confidence", ylabel="accuracy")
    left.legend(fontsize=7, frameon=False)
    title(left, f"Reliability on {_WORDS[split]}")
    _draw_coverage(right, known.after[split])
    title(right, "Accuracy of answers")
    for axes in (left, right):
        tidy(axes, grid="both")
        percent_axis(axes.xaxis, "%")
        percent_axis(axes.yaxis, "%")
    save_figure(figure, path)


def _draw_reliability(axes: Axes, confidence: Confidence, colour: str, label: str, *, has_intervals: bool) -> None:
    bins = reliability(confidence)
    values = np.array([[item.confidence, item.accuracy.estimate] for item in bins])
    ends = np.array([[item.accuracy.low or 0.0, item.accuracy.high or 0.0] for item in bins])
    errors = np.abs(ends.T - values[:, 1]) if has_intervals else None
    axes.errorbar(
        values[:, 0], values[:, 1], yerr=errors, color=colour, fmt="o-", ms=3, lw=1, elinewidth=0.6, label=label
    )


def _draw_coverage(axes: Axes, confidence: Confidence) -> None:
    right = confidence.right[np.argsort(-confidence.values, kind="stable")]
    count = np.arange(1, right.size + 1)
    axes.plot(count / right.size, np.cumsum(right) / count, color=VAL, lw=1.4)
    axes.set(xlabel="images answered, the most confident first", ylabel="accuracy of answers")


def calibration_sentences(known: KnownConfidence, threshold: float | None = None) -> list[str]:
    """Return sentences: the temperature, the calibration error without and with it, coverage at `threshold`.

    Without test images, the numbers are of the validation images that chose temperature and threshold. A sentence says
    so, and there are no intervals: those would be of images that chose nothing.
    """
    split = known.tested_on
    before, after = (100 * calibration_error(item[split]) for item in (known.before, known.after))
    how = "too confident" if known.temperature > 1 else "not confident enough"
    sentences = [
        f"The network is {how}: its temperature is {known.temperature:.2f}. On {_WORDS[split]} the expected "
        f"calibration error is {before:.1f} points without and {after:.1f} points with it."
    ]
    if threshold is not None:
        confidence = known.after[split]
        sentences.append(abstention_sentence(abstention(confidence, threshold), confidence.values.size, split))
    return sentences if known.is_tested else [*sentences, _UNTESTED]


def abstention_sentence(result: Abstention, images: int, split: Split) -> str:
    """Return coverage and accuracy in a sentence, with intervals if `split` is test.

    >>> result = Abstention(0.62, Interval(0.71, 0.69, 0.73, 2000), Interval(0.98, 0.97, 0.99, 1420))
    >>> abstention_sentence(result, 2000, "test")
    'At confidence 62.0% or more it answers 71.0% (95% CI 69.0–73.0) of 2,000 test images and is right on 98.0% ...'
    >>> abstention_sentence(result, 2000, "val")
    'At confidence 62.0% or more it answers 71.0% of 2,000 validation images and is right on 98.0% of those.'
    """
    start = f"At confidence {100 * result.threshold:.1f}% or more it answers"
    if not result.accuracy.count:
        return f"{start} none of {images:,} {_WORDS[split]}."
    coverage, accuracy = (_share(interval, split == "test") for interval in (result.coverage, result.accuracy))
    return f"{start} {coverage} of {images:,} {_WORDS[split]} and is right on {accuracy} of those."


def _share(interval: Interval, has_interval: bool) -> str:
    estimate = f"{100 * interval.estimate:.1f}%"
    if not has_interval or interval.low is None or interval.high is None:
        return estimate
    return f"{estimate} (95% CI {100 * interval.low:.1f}–{100 * interval.high:.1f})"
