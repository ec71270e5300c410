"""The one trial that a study recommends: how to train it, what test photos say of it, and how far to trust its pick."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np

from src.common.shell import TRAIN, shell_line
from src.reporting.wording import layers, percent, said, said_apart
from src.statistics.intervals import wilson_interval
from src.statistics.selection_bias import selection_bias
from src.tracking.schema import TEST, baseline, of_split
from src.verdict.trials import TrialRecord, validated_on
from src.verdict.verdict import Verdict


@dataclass(frozen=True)
class Recommended:
    """The trial that the verdict recommends.

    Attributes:
        facet: the one that it is of, as it would be typed; empty where there is one.
        depth: canonical, layers from the end.
        command: what trains it.
        test: what the test photos say of it alone.
        selection_bias: by how much the validation mean that picked it is too high.
        choice: how its facet was picked, and the trial by more than its seed; empty where there was no such choice.
    """

    run_id: str
    facet: str
    depth: int
    seed: int
    command: str
    test: str
    selection_bias: str
    choice: str


def recommend(verdicts: Sequence[Verdict]) -> Recommended | None:
    """Return a trial of the recommended depth, of the facet where that has the best validation mean; None across data.

    It is the one of the least seed, not of the luckiest: picking that would be one more choice by validation scores.
    Where the trials of a depth differ in more than their seed, no one stands for the others, and it is the best of
    them.
    """
    measured = [verdict for verdict in verdicts if verdict.rows]
    if not measured or why_none(verdicts):
        return None
    verdict = max(measured, key=_mean_of)
    trial = _trial(verdict)
    return Recommended(
        run_id=trial.run_id,
        facet=verdict.label,
        depth=trial.depth,
        seed=trial.seed,
        command=shell_line(trial.command or (*TRAIN, *trial.overrides)),
        test=_test_text(trial),
        selection_bias=_bias_of_pooled(verdict) if verdict.is_pooled else _bias_of_means(measured),
        choice=_choice_text(verdict, measured),
    )


def why_none(verdicts: Sequence[Verdict]) -> str:
    """Return the reason why no trial is recommended; empty if one is.

    Accuracies on other photos are no rivals: the easier data would win.
    """
    data = {validated_on(verdict.trials[0]) for verdict in verdicts if verdict.trials}
    if len(data) < 2:
        return ""
    return (
        f"No trial is recommended across {len(data)} data sets: accuracies on other photos are no rivals. The verdict "
        "on each stands by itself, and a report on a study of one alone recommends a trial."
    )


def _mean_of(verdict: Verdict) -> float:
    return verdict.row(verdict.depth).score.estimate


def _trial(verdict: Verdict) -> TrialRecord:
    named = sorted((trial for trial in verdict.trials if trial.depth == verdict.depth), key=lambda each: each.seed)
    return max(named, key=lambda each: each.score) if verdict.is_pooled else named[0]


def _choice_text(verdict: Verdict, measured: Sequence[Verdict]) -> str:
    texts = []
    if len(measured) > 1:
        texts.append(
            f"It is of the facet, of {len(measured)}, whose recommended depth has the best validation mean. Facets are "
            "not compared by a test: a difference between them may be luck."
        )
    if verdict.is_pooled and verdict.depth is not None:
        count = sum(trial.depth == verdict.depth for trial in verdict.trials)
        texts.append(
            f"Of {count} trials with {layers([verdict.depth])} it has the best validation "
            f"{verdict.metric.words}: they differ in more than their seed, so none stands for the others."
        )
    return " ".join(texts)


def _test_text(trial: TrialRecord) -> str:
    share, photos = trial.metric(of_split(TEST)), trial.test_images or 0
    if share is None:
        return "It has no test photos: its accuracy on photos that chose nothing is not known."
    interval = wilson_interval(share, photos)
    of = f" of {photos:,} photos" if photos else ""
    ends = "" if interval.low is None or interval.high is None else (
        f" (95% CI {percent(interval.low)} to {percent(interval.high)})"
    )  # fmt: skip
    text = f"Test accuracy of this trial alone, seed {trial.seed}: {percent(share)}{of}{ends}."
    return text + _test_score(trial) + _test_baseline(trial)


def _test_score(trial: TrialRecord) -> str:
    """Return what the objective is on the test photos, where it is not their accuracy."""
    value = trial.metric(of_split(TEST, trial.objective))
    return (
        "" if value is None or trial.objective == "accuracy" else f" Test {trial.judged.words}: {_said(value, trial)}."
    )


def _test_baseline(trial: TrialRecord) -> str:
    value = trial.metric(baseline(TEST, trial.objective))
    return "" if value is None else f" Always predicting the largest class: {_said(value, trial)}."


def _said(value: float, trial: TrialRecord) -> str:
    return said(value, trial.judged)


def _bias_of_means(measured: Sequence[Verdict]) -> str:
    """Return the selection bias of the best of all means, over all facets."""
    candidates, error = _candidates(measured)
    if len(candidates) < 2:
        return ""
    found = selection_bias(candidates, error)
    if found is None:
        return (
            f"The best of {len(candidates)} validation scores is too high by luck; by how much is not known without a "
            "second seed."
        )
    apart = partial(said_apart, metric=measured[0].metric)
    return (
        f"The best of {len(candidates)} validation means is too high by luck, by an estimated {apart(found.estimate)} "
        f"here (at most {apart(found.at_most)}), and so is each trial's best epoch, which the same photos picked."
    )


def _candidates(measured: Sequence[Verdict]) -> tuple[list[float], float]:
    """Return the means that a winner was picked from, one for each configuration, and the standard error of one.

    Means that share a run are of one configuration that stands in several facets: the one of most seeds counts. Facets
    scatter unequally, so the error is the root of their mean variance, where it is known.
    """
    found = [
        (runs, mean, verdict.facet.standard_error)
        for verdict in measured if verdict.facet
        for runs, mean in verdict.facet.reduction.candidates.items()
    ]  # fmt: skip
    means, errors, seen = [], [], set[str]()
    for runs, mean, error in sorted(found, key=lambda each: -len(each[0])):
        if not seen & runs:
            means.append(mean)
            errors.append(error)
        seen |= runs
    known = np.square([error for error in errors if math.isfinite(error)])
    return means, math.sqrt(known.mean()) if known.size else math.nan


def _bias_of_pooled(verdict: Verdict) -> str:
    """Return the selection bias of the best trial, each with its own configuration: within a depth, at most chance."""
    values = [trial.score for trial in verdict.trials]
    if len(values) < 2:
        return ""
    found = selection_bias(values, verdict.facet.deviation if verdict.facet else math.nan)
    most = (
        f", but at most {said_apart(found.at_most, verdict.metric)}, if all that trials of one depth differ by is luck"
        if found
        else ""
    )
    return (
        f"The best of {len(values)} trials is too high by luck; by how much is not known without a second seed{most}. "
        "So is each trial's best epoch, which the same photos picked."
    )
