"""A facet's depths compared for new images and seeds, from what its trials predict for each validation image."""

from collections.abc import Sequence

import numpy as np

from src.statistics.best import BestComparison, compare_with_best
from src.statistics.design import Floats, make_sample
from src.statistics.influence import influences
from src.statistics.mrmc import Scores, estimate
from src.verdict.reduction import Reduction
from src.verdict.trials import TrialRecord, judged_by


def compare_for_new_images(reduction: Reduction, step: float) -> BestComparison | None:
    """Compare the depths of a facet with the best; None where nothing can be said of other images.

    That is where a trial has no predictions, where trials were validated on different images, as with another
    `data.split_seed`, and where there is one depth.

    Args:
        reduction: its trials, with a depth and a seed each.
        step: an image's share of the score.
    """
    sample = make_sample(reduction.observations)
    if len(sample.design.levels) < 2 or not _share_images(reduction.trials):
        return None
    scores = Scores(sample.depths, sample.seeds, sample.values, _influences(reduction.trials), step)
    return compare_with_best(estimate(scores))


def _share_images(trials: Sequence[TrialRecord]) -> bool:
    found = [trial.predictions for trial in trials]
    first = found[0]
    return first is not None and all(each is not None and np.array_equal(each.images, first.images) for each in found)


def _influences(trials: Sequence[TrialRecord]) -> Floats:
    """Return what each case adds to each trial's score, float64 [trials, cases]."""
    compute = judged_by(trials).compute
    known = [trial.predictions for trial in trials if trial.predictions is not None]
    cases = np.unique(known[0].groups, return_inverse=True)[1]
    return np.array([
        influences(compute, each.labels.astype(np.int64), each.predicted.astype(np.int64), cases) for each in known
    ])  # fmt: skip
