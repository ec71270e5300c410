"""What limits a verdict."""

import numpy as np

from src.statistics.intervals import wilson_interval
from src.tracking.schema import CHANCE
from src.verdict.facet import Facet
from src.reporting.wording import percent


def caveats(facet: Facet) -> tuple[str, ...]:
    """What limits the verdict on `facet`, a sentence each."""
    return (
        *_unpaired(facet),
        *_unequal(facet),
        *_two_means(facet),
        *_unsteady(facet),
        *_copies(facet),
        *_guessing(facet),
        *_photos(facet),
    )


def _unpaired(facet: Facet) -> tuple[str, ...]:
    if facet.comparison.design.paired or facet.reduction.pooled or not facet.comparison.testable:
        return ()
    return ("The depths share too few seeds to be compared seed by seed: what a seed does counts as noise.",)


def _unequal(facet: Facet) -> tuple[str, ...]:
    if len(set(facet.counts)) == 1:
        return ()
    each = ", ".join(f"{depth} layers {count}" for depth, count in zip(facet.depths, facet.counts, strict=True))
    return (f"Depths have unequal numbers of trials: {each}.",)


def _two_means(facet: Facet) -> tuple[str, ...]:
    """Where seeds are missing, a mean over those that there are is not the mean at an average seed."""
    plain = [float(np.mean([trial.score for trial in facet.trials(k)])) for k in range(len(facet.depths))]
    told = ", ".join(
        f"{facet.name(place)} {facet.said(facet.mean(place))} and {facet.said(mean)}"
        for place, mean in enumerate(plain) if facet.said(facet.mean(place)) != facet.said(mean)
    )  # fmt: skip
    if not told:
        return ()
    return (
        "Where depths lack seeds, the sentence and differences to the named depth take all of them at an average seed; "
        f"the table's own means, as figures, are over the seeds that were trained: {told}.",
    )


def _unsteady(facet: Facet) -> tuple[str, ...]:
    comparison = facet.comparison
    if not comparison.unsteady:
        return ()
    return (
        f"Seeds scatter far more at {facet.name(*comparison.unsteady)} (deviation "
        f"{facet.apart(comparison.own_deviation)}) than elsewhere ({facet.apart(comparison.deviation)}), so that "
        "pairs with it are judged by its own.",
    )


def _copies(facet: Facet) -> tuple[str, ...]:
    """Depths that are one trial told twice."""
    comparison = facet.comparison
    if not comparison.duplicate_depths:
        return ()
    within = "to a photo" if facet.resolution else "exactly"
    return (
        f"At {facet.name(*comparison.duplicate_depths)} every seed comes to a lesser depth's {facet.metric.words} "
        f"{within}: such copies count once in the scatter that differences are judged by.",
    )


def _photos(facet: Facet) -> tuple[str, ...]:
    counts = {trial.val_images for trial in facet.reduction.trials}
    count = counts.pop() if len(counts) == 1 else None
    mean = facet.mean(facet.comparison.named)
    if not count or not 0 <= mean <= 1:
        return ()
    over = (
        "Intervals are over trials, on" if facet.reduction.pooled
        else "Intervals are over seeds, on" if max(facet.counts) > 1
        else "All values are of"
    )  # fmt: skip
    if facet.metric.objective != "accuracy":  # of a mean over classes, no interval is as simple
        unknown = "" if facet.new_images else "; how much others would move them is not told"
        return (f"{over} the same {count:,} validation photos{unknown}.",)
    interval = wilson_interval(mean, count)
    return (
        f"{over} the same {count:,} validation photos; on as many other photos {percent(mean)} could as well have been "
        f"{percent(interval.low or 0)} to {percent(interval.high or 0)}.",
    )


def _guessing(facet: Facet) -> tuple[str, ...]:
    """What predicting without looking reaches: the line that a trial has to cross."""
    if facet.baseline is None:
        return ()
    chance = facet.reduction.trials[0].metric(CHANCE)
    of_chance = "" if chance is None else f"; predicting by chance{_at_most(facet)} {facet.said(chance)}"
    return (
        f"Always predicting the largest training class has a validation {facet.metric.words} of "
        f"{facet.said(facet.baseline)}{of_chance}.",
    )


def _at_most(facet: Facet) -> str:
    return " at most" if facet.metric.objective == "macro_f1" else ""
