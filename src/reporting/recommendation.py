"""The one trial that a study recommends; its words are in the template recommendation.j2."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from src.common.shell import TRAIN, shell_line
from src.reporting.templates import say
from src.statistics.intervals import wilson_interval
from src.statistics.selection_bias import selection_bias
from src.tracking.schema import TEST, baseline, of_split
from src.verdict.trials import TrialRecord, validated_on
from src.verdict.verdict import Verdict


@dataclass(frozen=True)
class Recommended:
    """The trial that the verdict recommends.

    Attributes:
        facet: its facet, as it would be typed; empty where there is one.
        depth: canonical, layers from the end.
        command: the one that trains it.
        test: its score on the test photos, in words.
        selection_bias: the excess of the validation mean that picked its depth, in words.
        choice: how its facet and itself were picked; empty where there was no choice.
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

    It is the best of them by validation, since seeds differ, and of equal ones the one with the least seed; in a time
    budget, seeds that chose the depth's settings are among them. Its own validation score is then too high by luck, its
    test score is not.
    """
    measured = [verdict for verdict in verdicts if verdict.rows]
    if not measured or why_none(verdicts):
        return None
    verdict = max(measured, key=lambda verdict: verdict.row(verdict.depth).score.estimate)
    at_depth = [trial for trial in (*verdict.trials, *verdict.chose) if trial.depth == verdict.depth]
    trial = max(at_depth, key=lambda trial: (trial.score, -trial.seed))
    return Recommended(
        run_id=trial.run_id,
        facet=verdict.label,
        depth=trial.depth,
        seed=trial.seed,
        command=shell_line(trial.command or (*TRAIN, *trial.overrides)),
        test=_test_text(trial),
        selection_bias=_bias_of_pooled(verdict) if verdict.is_pooled else _bias_of_means(measured),
        choice=_say("choice", verdict, verdict, len(measured), len(at_depth)),
    )


def why_none(verdicts: Sequence[Verdict]) -> str:
    """Return the reason why no trial is recommended; empty if one is.

    Accuracies on different images do not compare: the easier data would win.
    """
    data = {validated_on(verdict.trials[0]) for verdict in verdicts if verdict.trials}
    return "" if len(data) < 2 else _say("why_none", verdicts[0], len(data))


def _say(macro: str, verdict: Verdict, *facts: Any) -> str:
    return say("recommendation.j2", macro, verdict.metric, *facts)


def _test_text(trial: TrialRecord) -> str:
    share, score, guess = (
        trial.metric(name)
        for name in (of_split(TEST), of_split(TEST, trial.objective), baseline(TEST, trial.objective))
    )
    interval = None if share is None else wilson_interval(share, trial.test_images or 0)
    return say("recommendation.j2", "test", trial.judged, trial, share, score, guess, interval)


def _bias_of_means(measured: Sequence[Verdict]) -> str:
    """Return the selection bias of the best of all means, over all facets, in words; empty where there is one mean."""
    means, error = _candidates(measured)
    return _say("bias_of_means", measured[0], len(means), selection_bias(means, error)) if len(means) > 1 else ""


def _candidates(measured: Sequence[Verdict]) -> tuple[list[float], float]:
    """Return the means that a winner was picked from, one for each configuration, and the standard error of one.

    Means that share a run are of one configuration in several facets: the one with most seeds counts. Facets scatter
    unequally, so the error is the root of their mean variance, where it is known.
    """
    candidates = [
        (runs, mean, verdict.facet.standard_error)
        for verdict in measured if verdict.facet
        for runs, mean in verdict.facet.reduction.candidates.items()
    ]  # fmt: skip
    means, errors, seen = [], [], set[str]()
    for runs, mean, error in sorted(candidates, key=lambda candidate: -len(candidate[0])):
        if not seen & runs:
            means.append(mean)
            errors.append(error)
        seen |= runs
    known = np.square([error for error in errors if math.isfinite(error)])
    return means, math.sqrt(known.mean()) if known.size else math.nan


def _bias_of_pooled(verdict: Verdict) -> str:
    """Return the selection bias of the best trial, each with its own configuration: within a depth, at most chance."""
    values = [trial.score for trial in verdict.trials]
    bias = selection_bias(values, verdict.facet.deviation if verdict.facet else math.nan)
    return _say("bias_of_pooled", verdict, len(values), bias) if len(values) > 1 else ""
