"""Features kept and rows computed are the same, bit for bit, and so is all that is trained on them."""

import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from src.config import TrialConfig
from src.models import runtime  # noqa: F401 - sets TensorFlow up as trials do
from src.training.phase import evaluate, trainable_segment
from src.training.schedule import ScheduleResult
from tests.conftest import Compose
from tests.training.test_schedule import Diary, feed_of, get_or_build, plan_of, run

TWO_PHASES = ("force=false", "schedule=two_phase", "weights=random", "epochs=2", "fine_tune_epochs=2", "dropout=0.3")


def histories(outcome: ScheduleResult) -> list[Any]:
    return [(p.best_epoch, p.train, [r.metrics for r in p.epochs]) for p in outcome.phases]


def both(trial: TrialConfig, folder: Path) -> tuple[Diary, Diary]:
    """Train `trial` with and without keeping features, and hold the numbers and the weights to each other."""
    without = trial.model_copy(update={"features": trial.features.model_copy(update={"store": False})})
    ends, diaries = [], []
    for each, name in ((trial, "with"), (without, "without")):
        outcome, model_cache, _, diary = run(each, folder / name)
        ends.append((histories(outcome), model_cache.network.model.get_weights()))
        diaries.append(diary)
    assert ends[0][0] == ends[1][0]
    assert all(np.array_equal(ours, theirs) for ours, theirs in zip(ends[0][1], ends[1][1], strict=True))
    return diaries[0], diaries[1]


IN_A_BLOCK = [
    ("mobilenetv2", 16),
    *(
        pytest.param(*each, marks=pytest.mark.slow)
        for each in (("mobilenetv3small", 12), ("resnet50", 9), ("efficientnetb0", 25))
    ),
]
"""Depths at which several tensors cross; tests/models/test_every_backbone.py cuts between blocks."""


@pytest.mark.parametrize(("backbone", "depth"), IN_A_BLOCK)
def test_training_on_kept_rows_gives_the_same_numbers(
    composed: Compose, tiny: tuple[str, ...], tmp_path: Path, backbone: str, depth: int
) -> None:
    """24 images in batches of 10: the last is smaller, and no multiple of 8."""
    alpha = ("weights.alpha=0.35",) if backbone == "mobilenetv2" else ()
    overrides = (f"backbone={backbone}", *TWO_PHASES, *alpha, f"unfrozen={depth}", "batch_size=10")
    kept, computed = both(composed(*tiny, *overrides), tmp_path)
    assert kept.computed == 2  # train and val, for all phases at once
    assert computed.computed == 0


@pytest.mark.parametrize(
    "overrides",
    [
        ("augment=light", "augment.views=2", "unfrozen=3"),
        ("batchnorm=train", "unfrozen=20", "class_weights=balanced"),
        ("batchnorm=adapted", "unfrozen=11", "label_smoothing=0.1"),
        ("features.dtype=float16", "unfrozen=11"),
        ("schedule=gradual", "unfrozen=2 blocks"),
        ("unfrozen=all", "optimizer=sgd"),
    ],
    ids=lambda overrides: overrides[0],
)
def test_so_does_every_other_choice(
    composed: Compose, tiny: tuple[str, ...], tmp_path: Path, overrides: tuple[str, ...]
) -> None:
    base = ("backbone=mobilenetv2", *TWO_PHASES, "weights.alpha=0.35")
    kept, _ = both(composed(*tiny, *base, *overrides), tmp_path)
    assert kept.computed > 0


def test_new_views_at_each_epoch_are_computed_and_it_is_said(
    composed: Compose, tiny: tuple[str, ...], tmp_path: Path
) -> None:
    trial = composed(*tiny, "backbone=mobilenetv2", *TWO_PHASES, "weights.alpha=0.35", "augment=strong", "unfrozen=2")
    _, _, _, diary = run(trial, tmp_path)
    assert diary.computed == 0
    assert [note for note in diary.notes if "augment.views=null shows a new view each epoch" in note]


def test_what_an_earlier_phase_trained_is_no_constant(composed: Compose, tiny: tuple[str, ...], tmp_path: Path) -> None:
    base = ("backbone=mobilenetv2", *TWO_PHASES, "weights.alpha=0.35", "schedule.feature_extraction.unfrozen=11")
    trial = composed(*tiny, *base, "unfrozen=0", "learning_rate=0.01")
    kept, _ = both(trial, tmp_path)
    assert [note for note in kept.notes if note.startswith("phase fine_tuning: what earlier phases trained")]


def test_more_than_may_be_kept_is_computed_and_it_is_said(
    composed: Compose, tiny: tuple[str, ...], tmp_path: Path
) -> None:
    base = ("backbone=mobilenetv2", *TWO_PHASES, "weights.alpha=0.35", "unfrozen=2", "features.max_gb=0.00001")
    kept, _ = both(composed(*tiny, *base), tmp_path)
    assert kept.computed == 0
    assert [note for note in kept.notes if "more than features.max_gb=1e-05" in note]


@pytest.mark.parametrize("change", ["seed=1", "image_size=48", "weights.alpha=0.5", "augment.views=3"])
def test_rows_of_other_layers_or_looks_are_others(
    composed: Compose, tiny: tuple[str, ...], tmp_path: Path, change: str
) -> None:
    base = ("backbone=mobilenetv2", *TWO_PHASES, "weights.alpha=0.35", "augment=light", "augment.views=2")
    before, after = composed(*tiny, *base), composed(*tiny, *base, change)
    names = []
    for trial in (before, after):
        plan = plan_of(trial, trial.image_size or 32)
        loader = feed_of(plan, get_or_build(plan), tmp_path, Diary())
        loader.feature_source.source(0, "train", 0)
        names.append({path.name for path in (tmp_path / "features").glob("*.npz")})
    if change == "augment.views=3":
        assert names[0] == names[1]  # the first two views are the same ones
    else:
        assert names[0] < names[1]


def test_rows_serve_trials_that_differ_in_what_trains_on_them(
    composed: Compose, tiny: tuple[str, ...], tmp_path: Path
) -> None:
    base = ("backbone=mobilenetv2", *TWO_PHASES, "weights.alpha=0.35", "unfrozen=2", "batchnorm=inference")
    trial = composed(*tiny, *base)
    assert run(trial, tmp_path)[3].computed == 2
    for change in ("dropout=0.1", "learning_rate=0.1", "batch_size=4", "batchnorm=train", "optimizer=adamw"):
        assert run(composed(*tiny, *base, change), tmp_path)[3].computed == 0


def test_test_photos_are_kept_apart(composed: Compose, tiny: tuple[str, ...], tmp_path: Path) -> None:
    plan = plan_of(composed(*tiny, "backbone=mobilenetv2", *TWO_PHASES, "weights.alpha=0.35"))
    feature_source = feed_of(plan, get_or_build(plan), tmp_path, Diary()).feature_source
    rows = {split: feature_source.source(0, split)(np.arange(6)) for split in ("train", "val", "test")}
    assert not np.array_equal(rows["val"], rows["test"])
    swapped = replace(plan.dataset.splits, val=plan.dataset.splits.test, test=plan.dataset.splits.val)
    other = replace(plan, dataset=replace(plan.dataset, splits=swapped))
    np.testing.assert_array_equal(
        feed_of(other, get_or_build(other), tmp_path, Diary()).feature_source.source(0, "val")(np.arange(6)),
        rows["test"],
    )


AT_EACH_DEPTH = (*TWO_PHASES, "backbone=mobilenetv2", "weights=formula", "features.dtype=float16")
DEEP = (*AT_EACH_DEPTH, "unfrozen=16", "fine_tune_learning_rate=0.05")
SHALLOW = (*AT_EACH_DEPTH, "unfrozen=0")


def metrics_of_test(trial: TrialConfig, folder: Path) -> dict[str, float]:
    """Of the test photos, which are seen first when all is trained."""
    outcome, model_cache, loader, _ = run(trial, folder)
    return evaluate(trainable_segment(model_cache, loader, 1, outcome.last.depth), loader, 1, "test")


def test_nothing_is_kept_that_has_passed_through_layers_which_trained(
    composed: Compose, tiny: tuple[str, ...], tmp_path: Path
) -> None:
    deep, shallow = composed(*tiny, *DEEP), composed(*tiny, *SHALLOW)
    metrics_of_test(deep, tmp_path / "shared")
    assert metrics_of_test(shallow, tmp_path / "shared") == metrics_of_test(shallow, tmp_path / "alone")


def test_nor_where_phases_are_recalled_and_their_rows_are_gone(
    composed: Compose, tiny: tuple[str, ...], tmp_path: Path
) -> None:
    deep, shallow = composed(*tiny, *DEEP), composed(*tiny, *SHALLOW)
    run(deep, tmp_path / "shared")
    shutil.rmtree(tmp_path / "shared" / "features")
    outcome, model_cache, loader, _ = run(deep, tmp_path / "shared")
    for split in ("val", "train"):
        evaluate(trainable_segment(model_cache, loader, 1, outcome.last.depth), loader, 1, split)
    for path in (tmp_path / "shared" / "phases").glob("*"):
        path.unlink()
    assert histories(run(shallow, tmp_path / "shared")[0]) == histories(run(shallow, tmp_path / "alone")[0])


def test_what_is_too_large_to_keep_does_not_keep_out_what_is_not(
    composed: Compose, tiny: tuple[str, ...], tmp_path: Path
) -> None:
    plan = plan_of(composed(*tiny, *DEEP))
    cuts = feed_of(plan, get_or_build(plan), tmp_path, Diary()).feature_source.cache_plan.kept
    least = min(cuts, key=lambda cut: cut.width)
    assert len(cuts) > 1
    bound = 1.01e-9 * least.image_bytes("float16") * 48
    diary = Diary()
    less = replace(plan, trial=composed(*tiny, *DEEP, f"features.max_gb={bound}"))
    cache_plan = feed_of(less, get_or_build(less), tmp_path, diary).feature_source.cache_plan
    assert cache_plan.kept == (least,)
    assert [each.kept for each in cache_plan.phases] == [None, least]
    assert len(diary.notes) == len(cuts) - 1
