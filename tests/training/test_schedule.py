"""Phases on a real network: what is kept, what is measured, and that the same trial gives the same numbers."""

from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

from src.common.clock import Clock
from src.common.errors import ThawError
from src.common.events import (
    COMPUTING,
    Advanced,
    EpochRecord,
    EpochsReused,
    Event,
    PhaseBegan,
    PhaseEnded,
    Waiting,
    Warned,
    ignore,
)  # fmt: skip
from src.config import TrialConfig
from src.features.cache_plan import SharedFeatures
from src.features.feature_cache import FeatureCache
from src.features.feature_source import CacheContext
from src.models import runtime  # noqa: F401 - sets TensorFlow up as trials do
from src.models.catalog import find_backbone
from src.models.layer_table import layer_table
from src.models.layers import LayerInfo
from src.models.lenet import LeNet5
from src.models.weights import weight_set
from src.training.batch_loader import BatchLoader
from src.training.checkpoints import CheckpointStore
from src.training.history import PhaseSpec
from src.training.model_cache import ModelCache
from src.training.phase import class_weights, evaluate, fit_phase, trainable_segment
from src.training.schedule import ScheduleResult, run_schedule
from src.trial.built_models import get_or_build
from src.trial.key import frozen_key, phase_key
from src.trial.plan import Plan, plan_depths
from src.trial.train_and_evaluate import open_batch_loader
from tests.conftest import Compose, make_photos, read_dataset


class Diary:
    """Notes what it is told."""

    def __init__(self) -> None:
        self.told: list[Any] = []
        self.notes: list[str] = []
        self.computed = 0

    def __call__(self, event: Event, /) -> None:
        match event:
            case PhaseBegan():
                self.told.append(("begins", event.name, event.first_epoch))
            case Waiting():
                self.told.append(("waits",))
            case EpochsReused():
                self.told += [("resumed", record.epoch) for record in event.records]
            case Advanced() if event.activity == COMPUTING:
                self.computed += event.done == event.total
            case Advanced():
                self.last_batch = (event.done, event.total)
            case EpochRecord():
                self.epoch(event)
            case PhaseEnded():
                self.told.append(("ends", event.name, event.best_epoch))
            case Warned():
                self.notes.append(event.text)

    def epoch(self, record: EpochRecord) -> None:
        self.told.append(("epoch", record.epoch, record.phase))


def run(
    trial: TrialConfig, folder: Path, diary: "Diary | None" = None
) -> tuple[ScheduleResult, ModelCache, BatchLoader, Diary]:
    plan, diary = plan_of(trial), diary or Diary()
    model_cache = get_or_build(plan)
    keys = [phase_key(plan, index) for index in range(len(plan.depths))]
    memory = CheckpointStore(folder / "phases", 1.0, diary, least_seconds=0)
    loader = feed_of(plan, model_cache, folder, diary)
    return run_schedule(model_cache, loader, plan.depths, keys, memory, diary), model_cache, loader, diary


def plan_of(trial: TrialConfig, side: int = 32) -> Plan:
    dataset = read_dataset(trial.data, side, trial.runtime.cache_dir)
    spec = find_backbone(trial.backbone)
    weights = weight_set(trial.weights, spec)
    table = layer_table(spec, weights, side, trial.runtime.cache_dir)
    return Plan(trial, spec, weights, side, dataset, table, plan_depths(trial, table, spec.name))


def feed_of(plan: Plan, model_cache: ModelCache, folder: Path, diary: "Diary") -> BatchLoader:
    store = FeatureCache(folder / "features", plan.trial.features.max_gb, diary)
    cache_context = CacheContext(frozen_key(plan, "CPU"), store, Clock())
    return open_batch_loader(plan, model_cache, SharedFeatures(), cache_context, diary)


def test_two_phases_count_their_epochs_together(composed: Compose, tiny: tuple[str, ...], tmp_path: Path) -> None:
    trial = composed(*tiny, "schedule=two_phase", "epochs=2", "fine_tune_epochs=3")
    outcome, _, _, diary = run(trial, tmp_path)
    assert [told[:2] for told in diary.told] == [
        ("begins", "feature_extraction"), ("epoch", 0), ("epoch", 1), ("ends", "feature_extraction"),
        ("begins", "fine_tuning"), ("epoch", 2), ("epoch", 3), ("epoch", 4), ("ends", "fine_tuning"),
    ]  # fmt: skip
    assert diary.last_batch == (24, 24)
    assert [record.metrics["phase"] for p in outcome.phases for record in p.epochs] == [0, 0, 1, 1, 1]
    assert [record.metrics["learning_rate"] for record in outcome.phases[0].epochs] == [pytest.approx(1e-3)] * 2


def test_no_dropout_is_a_trial_too(composed: Compose, tiny: tuple[str, ...], tmp_path: Path) -> None:
    outcome, _, _, _ = run(composed(*tiny, "dropout=0"), tmp_path)
    assert len(outcome.last.epochs) == 2


def test_the_best_epoch_of_the_last_phase_is_kept(composed: Compose, tiny: tuple[str, ...], tmp_path: Path) -> None:
    trial = composed(*tiny, "schedule=two_phase", "epochs=2", "fine_tune_epochs=4", "fine_tune_learning_rate=0.01")
    outcome, model_cache, loader, _ = run(trial, tmp_path)
    last = outcome.phases[-1]
    tail = trainable_segment(model_cache, loader, 1, last.depth)
    best = max(last.epochs, key=lambda record: (record.metrics["val/accuracy"], -record.epoch))
    assert last.best_epoch == best.epoch
    kept = evaluate(tail, loader, 1, "val")
    assert kept == pytest.approx({name: best.metrics[name] for name in kept})
    summary = outcome.summary()
    train = evaluate(tail, loader, 1, "train")["train/accuracy"]
    assert summary["best/val_accuracy"] == best.metrics["val/accuracy"]
    assert summary["best/train_accuracy"] == train
    assert summary["gap/mode"] == summary["best/fit_accuracy"] - train
    assert summary["gap/generalization"] == train - summary["best/val_accuracy"]
    assert summary["val/accuracy"] == last.epochs[-1].metrics["val/accuracy"]


def test_train_is_measured_at_the_end_and_at_the_best(composed: Compose, tiny: tuple[str, ...], tmp_path: Path) -> None:
    outcome, _, _, _ = run(composed(*tiny, "epochs=4", "learning_rate=0.01"), tmp_path)
    (phase,) = outcome.phases
    assert set(phase.train) == {phase.epochs[-1].epoch, phase.best_epoch}


def test_the_same_trial_twice_is_the_same_bit_for_bit(composed: Compose, tiny: tuple[str, ...], tmp_path: Path) -> None:
    trial = composed(*tiny, "augment=strong", "dropout=0.5", "class_weights=balanced", "label_smoothing=0.1")
    first, second = (run(trial, tmp_path / name)[0] for name in ("first", "second"))
    assert [r.metrics for p in first.phases for r in p.epochs] == [r.metrics for p in second.phases for r in p.epochs]
    assert first.summary() == second.summary()
    other, _, _, _ = run(trial.model_copy(update={"seed": 1}), tmp_path)
    assert other.summary() != first.summary()


def test_a_phase_can_be_trained_alone_from_the_weights_before_it(
    composed: Compose, tiny: tuple[str, ...], tmp_path: Path
) -> None:
    trial = composed(*tiny, "schedule=two_phase", "dropout=0.5", "augment=strong")
    whole, _, loader, _ = run(trial, tmp_path / "whole")
    one_phase = trial.model_copy(update={"schedule": {"one": trial.schedule["feature_extraction"]}})
    _, model_cache, _, _ = run(one_phase, tmp_path / "first")
    phase_spec = PhaseSpec(
        "alone", trial.schedule["fine_tuning"], whole.last.depth, 1, whole.last.epochs[0].epoch, "key"
    )
    alone = fit_phase(model_cache, loader, phase_spec, CheckpointStore(tmp_path / "alone", 1.0, ignore), Diary())
    assert [r.metrics for r in alone.epochs] == [r.metrics for r in whole.last.epochs]


@pytest.mark.parametrize(
    ("unfrozen", "depths"), [("0", [0, 0, 0, 0]), ("1 block", [0, 2, 2, 2]), ("all", [0, 2, 4, 6])]
)
def test_gradual_unfreezing_goes_no_deeper_than_the_trial(composed: Compose, unfrozen: str, depths: list[int]) -> None:
    table = [LayerInfo("input", (), False)] + [
        LayerInfo(f"block{b}_{kind}", ((f"{b}{kind}", 9),), False, f"block{b}")
        for b in (1, 2, 3)
        for kind in ("a", "b")
    ]
    planned = plan_depths(composed("schedule=gradual", f"unfrozen={unfrozen}"), table, "net")
    assert [depth.canonical for depth in planned.values()] == depths


def test_pretrained_statistics_survive_every_phase(composed: Compose, tiny: tuple[str, ...], tmp_path: Path) -> None:
    overrides = ("backbone=mobilenetv2", "weights=random", "weights.alpha=0.35", "unfrozen=all")
    trial = composed(*tiny, *overrides, "schedule=two_phase", "epochs=1", "fine_tune_epochs=1")
    outcome, model_cache, _, _ = run(trial, tmp_path)
    for layer in model_cache.network.model.layers:
        if hasattr(layer, "moving_mean"):
            np.testing.assert_array_equal(np.asarray(layer.moving_mean), 0)
            np.testing.assert_array_equal(np.asarray(layer.moving_variance), 1)
    assert outcome.phases[1].depth.parameters > 300_000 > outcome.phases[0].depth.parameters == 0


def test_patience_ends_a_phase_and_plateaus_slow_it(composed: Compose, tiny: tuple[str, ...], tmp_path: Path) -> None:
    stuck = ("learning_rate=1e-9", "epochs=20", "schedule.training.patience=3", "schedule.training.plateau_patience=1")
    outcome, _, _, _ = run(composed(*tiny, *stuck), tmp_path)
    rates = [record.metrics["learning_rate"] for record in outcome.last.epochs]
    assert len(rates) == 4
    assert rates[-1] < rates[0]


def test_a_loss_that_is_no_number_is_an_error(composed: Compose, tiny: tuple[str, ...], tmp_path: Path) -> None:
    damaged = LeNet5(keras.Input((32, 32, 3)))
    damaged.layers[-1].bias.assign(np.full(120, np.inf))
    damaged.save_weights(tmp_path / "nan.weights.h5")
    with pytest.raises(ThawError, match="not a number: a lower learning rate"):
        run(composed(*tiny, "weights=file", f"weights.path={tmp_path}/nan.weights.h5"), tmp_path)


def test_every_phase_is_planned_before_any_trains(composed: Compose, tiny: tuple[str, ...], tmp_path: Path) -> None:
    with pytest.raises(ThawError, match="unfrozen=99: lenet5 has 6 layers"):
        run(composed(*tiny, "schedule=two_phase", "unfrozen=99"), tmp_path)
    assert not list(tmp_path.iterdir())


def test_balanced_weights_are_scikit_learns(composed: Compose, tiny: tuple[str, ...], tmp_path: Path) -> None:
    from sklearn.utils.class_weight import compute_class_weight

    root = make_photos(tmp_path / "p", {"train": 6, "val": 3})
    for path in list((root / "train" / "ash").iterdir())[:4]:
        path.unlink()
    trial = composed(*tiny, f"data.root={root}", "class_weights=balanced")
    dataset = read_dataset(trial.data, 32, tmp_path / "cache")
    labels = dataset.labels[dataset.splits.train]
    expected = compute_class_weight("balanced", classes=np.arange(3), y=labels)
    weights = class_weights(dataset, trial)
    assert list(weights) == pytest.approx(list(expected))
    assert list(weights) == pytest.approx([14 / (3 * 2), 14 / (3 * 6), 14 / (3 * 6)])
    assert list(class_weights(dataset, trial.model_copy(update={"class_weights": None}))) == [1, 1, 1]
