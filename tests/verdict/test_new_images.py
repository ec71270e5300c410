"""What a verdict says of new images, from predictions."""

from dataclasses import replace

import numpy as np
import pytest

from src.common.predictions import ImagePredictions
from src.verdict.trials import TrialRecord
from src.verdict.verdict import judge
from tests.verdict.studies import trial

IMAGES = 400


def study(accuracies: dict[int, float], seeds: int = 3, images: int = IMAGES) -> list[TrialRecord]:
    """Trials that read the same images right by chance, an image's own difficulty in common."""
    rng = np.random.default_rng(0)
    difficulty, labels = rng.random(images), rng.integers(0, 3, images).astype(np.uint16)
    numbers = np.arange(images, dtype=np.uint64)
    found = []
    for depth, accuracy in accuracies.items():
        for seed in range(seeds):
            is_hit = difficulty + 0.1 * rng.standard_normal(images) < accuracy
            predicted = np.where(is_hit, labels, (labels + 1) % 3).astype(np.uint16)
            own = ImagePredictions(numbers, numbers, labels, predicted, np.ones(images, np.float32))
            val = float(np.mean(is_hit))
            found.append(trial(depth, seed, val, val_images=images, predictions=own))
    return found


def test_a_depth_that_is_worse_is_named_with_its_interval() -> None:
    (verdict,) = judge(study({0: 0.5, 2: 0.5, 11: 0.8}))
    assert verdict.new_images.startswith(
        "For new images of the same kind, 0 and 2 layers are clearly worse than the best mean, 11 layers (0 layers −"
    )
    assert [row.is_worse for row in verdict.rows] == [True, True, False]
    assert all(row.to_best is not None and row.to_best.low <= row.to_best.estimate for row in verdict.rows)


def test_depths_that_may_be_as_good_are_named() -> None:
    (verdict,) = judge(study({0: 0.4, 2: 0.79, 11: 0.8}))
    assert verdict.new_images.endswith("2 layers may be as good.") or verdict.new_images.endswith(
        "11 layers may be as good."
    )


def test_without_a_difference_the_largest_one_is_told() -> None:
    (verdict,) = judge(study({0: 0.8, 2: 0.8}))
    assert "no depth is clearly worse than the best mean" in verdict.new_images
    assert not any(row.is_worse for row in verdict.rows)


def test_one_seed_speaks_of_its_networks_alone() -> None:
    (verdict,) = judge(study({0: 0.4, 11: 0.8}, seeds=1))
    assert verdict.kind == "one seed"
    assert "with these trained networks (one seed says nothing of others)" in verdict.new_images


def test_the_more_images_the_narrower_the_interval() -> None:
    widths = []
    for images in (100, 1600):
        (verdict,) = judge(study({0: 0.7, 11: 0.75}, images=images))
        widths.append(max(row.to_best.high - row.to_best.low for row in verdict.rows if row.to_best))
    assert widths[1] < widths[0] / 2


@pytest.mark.parametrize("objective", ["balanced_accuracy", "macro_f1"])
def test_other_metrics_are_judged_for_new_images_too(objective: str) -> None:
    trials = study({0: 0.5, 11: 0.8})
    scored = [
        replace(each, objective=objective, metrics={f"best/val_{objective}": each.metrics["best/val_accuracy"]})
        for each in trials
    ]
    (verdict,) = judge(scored)
    assert "0 layers is clearly worse than the best mean, 11 layers" in verdict.new_images
    assert not any("is not told" in caveat for caveat in verdict.caveats)


def test_bursts_count_as_one_image() -> None:
    trials = study({0: 0.7, 11: 0.75})
    in_bursts = [
        replace(each, predictions=replace(each.predictions, groups=each.predictions.images // np.uint64(20)))
        for each in trials if each.predictions
    ]  # fmt: skip
    apart, together = (judge(each)[0].rows[0].to_best for each in (trials, in_bursts))
    assert apart is not None
    assert together is not None
    assert apart.estimate == together.estimate
    assert apart.low != together.low


def other_images(trials: list[TrialRecord]) -> list[TrialRecord]:
    return [
        replace(each, predictions=replace(each.predictions, images=each.predictions.images + np.uint64(each.seed)))
        for each in trials if each.predictions
    ]  # fmt: skip


def test_nothing_is_said_where_predictions_are_missing_or_of_different_images() -> None:
    trials = study({0: 0.5, 11: 0.8})
    missing = [*trials[1:], replace(trials[0], predictions=None)]
    for each in (missing, other_images(trials), [one for one in trials if one.depth]):
        (verdict,) = judge(each)
        assert verdict.new_images == ""
        assert all(row.to_best is None for row in verdict.rows)
