"""What a trial does once TensorFlow runs: build, plan, train, evaluate, and leave its numbers and files behind."""

import math
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from src.common.files import naming
from src.common.json_text import summary_text
from src.common.metrics import METRICS, Metric
from src.data.dataset import Dataset
from src.features.feature_cache import FeatureCache
from src.features.feature_source import CacheContext, Listener
from src.models import runtime
from src.models.network import Network
from src.reporting.classes import write_classes
from src.reporting.trial_figures import draw_confusion, draw_curves, draw_mistakes, draw_near_duplicates
from src.tracking import schema
from src.tracking.data_tags import baselines
from src.tracking.environment import machine_tags
from src.tracking.saved_model import save_model
from src.training.batch_loader import BatchLoader
from src.training.checkpoints import CheckpointStore
from src.training.evaluation import Predictions, predict_validation
from src.training.history import EpochRecord, PhaseResult, PhaseSpec
from src.training.phase import evaluate, trainable_segment
from src.training.schedule import ScheduleResult, run_schedule
from src.training.trainable_segment import TrainableSegment
from src.trial.batch_source import open_batch_loader
from src.trial.built_models import get_or_build
from src.trial.context import TrialContext
from src.trial.key import frozen_key, phase_key


@dataclass(frozen=True)
class TrainingResult:
    """What a trial came to: its summary by the names in MLflow, and lines for the user."""

    summary: dict[str, Any]
    notes: tuple[str, ...]


def train_and_evaluate(context: TrialContext) -> TrainingResult:
    """Train and evaluate the trial of `context`; leave all in its run and output folder but the summary's file.

    Raises:
        ThawError: a depth that the backbone does not have, weights that do not fit, a loss that is no number.
    """
    plan, clock, warn = context.plan, context.clock, context.terminal.warn
    with clock.part("tracking"):
        context.run.tags(machine_tags(runtime.device_name()))
    with clock.part("network"):
        model_cache = get_or_build(plan)
    watcher = _Watcher(context)
    loader = open_batch_loader(plan, model_cache, context.shared_features, _cache_context(context, watcher), warn)
    keys = [phase_key(plan, index) for index in range(len(plan.depths))]
    outcome = run_schedule(model_cache, loader, plan.depths, keys, _checkpoints(context), watcher)
    with clock.part("evaluation"):
        last = len(outcome.phases) - 1
        segment = trainable_segment(model_cache, loader, last, outcome.last.depth)
        numbers = _numbers(segment, loader, outcome)
        context.run.tags(schema.RESUMED_EPOCHS.of(sum(phase.recalled for phase in outcome.phases)))
        predictions = predict_validation(segment, loader, last)
    with clock.part("figures"):
        _draw(context.output / "figures", outcome, predictions, plan.dataset)
        context.run.files(context.output / "figures", "figures")
    if context.keeps_model:
        with clock.part("model"):
            _save_model(context, model_cache.network)
            context.run.tags(schema.MODEL.of("kept"))
    summary = _summary(context, numbers | clock.metrics(), outcome)
    measured = TrainingResult(summary, _notes(outcome, METRICS[plan.trial.objective]))
    context.run.text(summary_text(measured.summary), "summary.json")
    return measured


def _cache_context(context: TrialContext, listener: Listener) -> CacheContext:
    settings, key = context.plan.trial, frozen_key(context.plan, runtime.device_key())
    store = FeatureCache(settings.runtime.cache_dir / "features", settings.features.max_gb, context.terminal.warn)
    return CacheContext(key, store, listener, context.clock)


def _checkpoints(context: TrialContext) -> CheckpointStore:
    settings = context.plan.trial.runtime
    return CheckpointStore(
        settings.work_dir / "phases", settings.phases_max_gb, context.terminal.warn, runtime.device_key()
    )


class _Watcher:
    """Tells the terminal and the run what the schedule does."""

    def __init__(self, context: TrialContext) -> None:
        self.context = context

    def phase_begins(self, phase_spec: PhaseSpec) -> None:
        self.phase_spec, self.began = phase_spec, time.perf_counter() - self.context.clock.parts.get("features", 0.0)
        self.context.terminal.note(
            f"phase {phase_spec.name}: {phase_spec.depth.describe(len(self.context.plan.table))}"
        )
        self._at(phase_spec.first_epoch)

    def waits(self) -> None:
        self.context.terminal.note(f"{self.phase_spec.name}: another process computes the same; waiting for its result")

    def computing(self, done: int, of: int) -> None:
        if not done:
            self.context.terminal.bar("computing frozen layers")
        self.context.terminal.count(done, of)
        if done == of:
            self._at(self.next_epoch)

    def recalled(self, records: Sequence[EpochRecord]) -> None:
        if records:
            for record in records:
                self.context.run.metrics(record.metrics, record.epoch)
            self.context.terminal.note(f"{self.phase_spec.name}: {len(records)} epochs are known from an earlier trial")
            self._at(records[-1].epoch + 1)

    def batch(self, images: int, of: int) -> None:
        self.context.terminal.count(images, of)

    def epoch(self, record: EpochRecord) -> None:
        self.context.run.metrics(record.metrics, record.epoch)
        line = _epoch_line(record, METRICS[self.context.plan.trial.objective])
        self.context.terminal.note(f"{self._place(record.epoch)}   {line}")
        self._at(record.epoch + 1)

    def phase_ends(self, result: PhaseResult) -> None:
        for epoch, values in result.train.items():
            self.context.run.metrics(values, epoch)
        computing = self.context.clock.parts.get("features", 0.0)
        self.context.clock.add(f"phase/{result.name}", time.perf_counter() - self.began - computing)

    def _at(self, epoch: int) -> None:
        self.next_epoch = epoch
        self.context.terminal.bar(self._place(epoch), lines=False)

    def _place(self, epoch: int) -> str:
        epochs = self.phase_spec.config.epochs
        return f"{self.phase_spec.name} {min(epoch - self.phase_spec.first_epoch + 1, epochs)}/{epochs}"


def _epoch_line(record: EpochRecord, judged: Metric) -> str:
    def value(split: str, measure: str) -> float:
        return record.metrics[schema.of_split(split, measure)]

    own = "" if judged.objective == "accuracy" else f", {judged.words} {value(schema.VAL, judged.objective):.3f}"
    fit, val = (f"{split} {value(split, 'accuracy'):.3f} (loss {value(split, 'loss'):.3f}"
                for split in (schema.FIT, schema.VAL))  # fmt: skip
    return f"{fit})   {val}{own})   rate {record.metrics[schema.LEARNING_RATE]:.1e}   {record.seconds:.1f} s"


def _numbers(segment: TrainableSegment, loader: BatchLoader, outcome: ScheduleResult) -> dict[str, float]:
    """The metrics of the weights kept; test/* is measured here, once, and nothing chooses by it."""
    numbers = outcome.summary() | {schema.TRAINABLE: float(segment.network.trainable_parameters())}
    numbers |= baselines(loader.dataset)
    if loader.dataset.splits.test.size:
        numbers |= evaluate(segment, loader, len(outcome.phases) - 1, "test")
    return numbers


def _draw(folder: Path, outcome: ScheduleResult, predictions: Predictions, dataset: Dataset) -> None:
    with naming(folder):
        folder.mkdir()
        draw_curves(outcome.phases, folder / "curves.png")
        draw_confusion(predictions, dataset.class_names, folder / "confusion.png")
        draw_mistakes(predictions, dataset, folder / "mistakes.png")
        if dataset.near_duplicates.pairs:
            draw_near_duplicates(dataset, folder / "near_duplicates.png")
        write_classes(predictions.per_class(dataset.class_counts("train")), folder)


def _save_model(context: TrialContext, network: Network) -> None:
    save_model(network, context.output / "model", context.run.run_id, context.plan.dataset.class_names)
    context.run.files(context.output / "model", "model")


def _summary(context: TrialContext, numbers: dict[str, float], outcome: ScheduleResult) -> dict[str, Any]:
    """Log the trial's numbers, and give them with what names the trial and with all epochs."""
    per_epoch = outcome.last.epochs[-1]
    already = {*per_epoch.metrics, *outcome.last.train[per_epoch.epoch]}
    context.run.metrics({name: value for name, value in numbers.items() if name not in already}, per_epoch.epoch)
    return {
        "run_id": context.run.run_id,
        schema.TRIAL_KEY.name: context.key,
        "status": "FINISHED",
        schema.DATA_FINGERPRINT.name: context.plan.dataset.fingerprint,
        schema.OBJECTIVE.name: context.plan.trial.objective,
        **numbers,
        "history": [record.metrics | {"epoch": record.epoch} for p in outcome.phases for record in p.epochs],
    }


def _notes(outcome: ScheduleResult, judged: Metric) -> tuple[str, ...]:
    notes = [
        f"phase {phase.name} diverged in epoch {record.epoch}: its loss is not a number; a lower learning rate?"
        for phase in outcome.phases
        for record in phase.epochs
        if not math.isfinite(record.metrics[schema.of_split(schema.FIT, "loss")])
    ]
    *before, reached = [phase.best.metrics[schema.of_split(schema.VAL, judged.objective)] for phase in outcome.phases]
    best = max(before, default=reached)
    if best > reached:
        earlier = outcome.phases[before.index(best)].name
        notes.append(
            f"phase {earlier} had reached {judged.on_validation} {best:.3f}: {outcome.last.name} did not improve on it"
        )
    return tuple(notes)
