"""Build, train and evaluate a trial with TensorFlow, and log its numbers and files."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from src.common.events import EventHandler, Warned
from src.common.files import path_in_errors
from src.common.json_text import summary_text
from src.common.metrics import METRICS, Metric
from src.config import TreesData
from src.data.dataset import Dataset
from src.data.listing import Split
from src.features.cache_plan import SharedFeatures, plan_cache, reasons_not_to_cache
from src.features.feature_cache import FeatureCache
from src.features.feature_source import CacheContext, FeatureSource
from src.inference.facts import ModelFacts
from src.models import runtime
from src.models.network import Network
from src.models.precision import slower_than_float32
from src.reporting.class_table import write_classes
from src.tracking import schema
from src.tracking.data_tags import baselines
from src.tracking.environment import machine_tags
from src.tracking.mlflow_run import Run
from src.tracking.prediction_files import FOLDER, write_predictions
from src.tracking.trial_runs import FIGURES_FOLDER, MODEL_FOLDER, Artifact
from src.training.batch_loader import BatchLoader
from src.training.checkpoints import CheckpointStore
from src.training.evaluation import Predictions, predictions_of
from src.training.model_cache import ModelCache
from src.training.phase import infer_batches, metrics_of, trainable_segment
from src.training.schedule import ScheduleResult, run_schedule
from src.training.trainable_segment import Batches, TrainableSegment
from src.trial.built_models import get_or_build
from src.trial.calibration_metrics import calibration
from src.trial.context import TrialContext
from src.trial.key import frozen_key, phase_key
from src.trial.plan import Plan
from src.trial.progress import LogMetrics, ProgressLogger


@dataclass(frozen=True)
class EvaluatedTrial:
    """A trained trial, evaluated.

    Attributes:
        network: with the weights kept.
        predictions: of the validation images, and of the test images where there are some.
        numbers: its metrics by the names in MLflow, without times.
    """

    network: Network
    schedule: ScheduleResult
    predictions: Mapping[Split, Predictions]
    numbers: dict[str, float]


@dataclass(frozen=True)
class TrainingResult:
    """The result of training a trial: its summary by the names in MLflow, and lines for the user."""

    summary: dict[str, Any]
    notes: tuple[str, ...]


def train_and_evaluate(context: TrialContext, run: Run) -> TrainingResult:
    """Train and evaluate the trial of `context`; leave all in `run` and the output folder but the summary's file.

    Raises:
        ThawError: a depth that the backbone does not have, weights that do not fit, a loss that is no number.
    """
    with context.clock.part("tracking"):
        run.tags(machine_tags(runtime.device_name()))
    trained = evaluated_trial(context, run.metrics)
    run.tags(schema.RESUMED_EPOCHS.of(sum(phase.resumed for phase in trained.schedule.phases)))
    keep_files(context, run, trained, context.artifacts)
    summary = _summary(context, run, trained)
    run.text(summary_text(summary), "summary.json")
    return TrainingResult(summary, _notes(trained.schedule, METRICS[context.plan.trial.objective]))


def evaluated_trial(context: TrialContext, log: LogMetrics) -> EvaluatedTrial:
    """Train the trial of `context`, from its checkpoints where there are some, and evaluate it.

    Raises:
        ThawError: as :func:`train_and_evaluate`.
    """
    plan = context.plan
    with context.clock.part("network"):
        model_cache = get_or_build(plan)
    progress = ProgressLogger(context, log)
    if slower := slower_than_float32(plan.trial.runtime.precision):
        progress(Warned(slower))
    loader = open_batch_loader(plan, model_cache, context.shared_features, _cache_context(context, progress), progress)
    keys = [phase_key(plan, index) for index in range(len(plan.depths))]
    schedule_result = run_schedule(model_cache, loader, plan.depths, keys, _checkpoints(context, progress), progress)
    with context.clock.part("evaluation"):
        last = len(schedule_result.phases) - 1
        segment = trainable_segment(model_cache, loader, last, schedule_result.last.depth)
        evaluated = _evaluated(segment, loader, last)
        predictions = {split: predictions_of(batches, plan.dataset, split) for split, batches in evaluated.items()}
        numbers = _numbers(segment, schedule_result, plan.dataset, evaluated) | calibration(predictions)
    return EvaluatedTrial(model_cache.network, schedule_result, predictions, numbers)


def keep_files(context: TrialContext, run: Run, trained: EvaluatedTrial, artifacts: Artifact) -> None:
    """Leave predictions, the table of classes and `artifacts` in the output folder and in `run`."""
    output, dataset = context.output, context.plan.dataset
    with context.clock.part("evaluation"):
        write_predictions(output / FOLDER, trained.predictions, dataset)
        run.files(output / FOLDER, FOLDER)
    with context.clock.part("figures"):
        figures = output / FIGURES_FOLDER
        with path_in_errors(figures):
            write_classes(trained.predictions["val"].per_class(dataset.class_counts("train")), figures)
            if Artifact.FIGURES in artifacts:
                from src.reporting.trial_figures import draw_trial_figures  # matplotlib takes a second to import

                draw_trial_figures(trained.schedule.phases, trained.predictions["val"], dataset, figures)
        run.files(figures, FIGURES_FOLDER)
    if Artifact.MODEL in artifacts:
        with context.clock.part("model"), run.model_kept():
            _save_model(context, run, trained.network, trained.numbers.get(schema.TEMPERATURE))


def open_batch_loader(
    plan: Plan,
    model_cache: ModelCache,
    shared_features: SharedFeatures,
    cache_context: CacheContext,
    emit: EventHandler,
) -> BatchLoader:
    """Return the batch loader of a trial; `emit` receives a warning where frozen layers run at each epoch."""
    trial, dataset = plan.trial, plan.dataset
    cache_plan = plan_cache(trial, model_cache.network.graph, plan.table, plan.depths, shared_features)
    feature_source = FeatureSource(dataset, trial, cache_plan, model_cache.frozen_segment, cache_context)
    while feature_source.cache_plan.kept and not cache_context.store.holds(feature_source.kept_bytes()):
        size, bound = f"{feature_source.kept_bytes() / 1e9:.3g} GB", f"{trial.features.max_gb:g}"
        widest = max(feature_source.cache_plan.kept, key=lambda cut: cut.width)
        emit(Warned(f"features would take {size}, more than features.max_gb={bound}: none are kept of {widest.name}"))
        feature_source = FeatureSource(
            dataset, trial, feature_source.cache_plan.without(widest), model_cache.frozen_segment, cache_context
        )
    for line in reasons_not_to_cache(trial, plan.depths):
        emit(Warned(line))
    return BatchLoader(dataset, trial, feature_source)


def _cache_context(context: TrialContext, emit: EventHandler) -> CacheContext:
    settings, key = context.plan.trial, frozen_key(context.plan, runtime.device_key())
    store = FeatureCache(settings.runtime.cache_dir / "features", settings.features.max_gb, emit)
    return CacheContext(key, store, context.clock)


def _checkpoints(context: TrialContext, emit: EventHandler) -> CheckpointStore:
    settings = context.plan.trial.runtime
    return CheckpointStore(settings.work_dir / "phases", settings.phases_max_gb, emit, runtime.device_key())


def _evaluated(segment: TrainableSegment, loader: BatchLoader, phase: int) -> dict[Split, list[Batches]]:
    """Return the kept weights' batches of the validation images, and of the test images where there are some."""
    splits: tuple[Split, ...] = ("val", "test") if loader.dataset.splits.test.size else ("val",)
    return {split: infer_batches(segment, loader, phase, split) for split in splits}


def _numbers(
    segment: TrainableSegment,
    result: ScheduleResult,
    dataset: Dataset,
    evaluated: Mapping[Split, Sequence[Batches]],
) -> dict[str, float]:
    """Return the metrics of the weights kept; test/* is measured once, and nothing chooses by it."""
    numbers = result.summary() | {schema.TRAINABLE: float(segment.network.trainable_parameters())}
    numbers |= baselines(dataset)
    return numbers | (metrics_of(evaluated["test"], dataset, "test") if "test" in evaluated else {})


def _save_model(context: TrialContext, run: Run, network: Network, temperature: float | None) -> None:
    from src.tracking.saved_model import save_model  # as MLflow's models do

    dataset, data = context.plan.dataset, context.plan.trial.data
    decoding = () if isinstance(data, TreesData) else (data.resize, data.bit_depth)
    facts = replace(ModelFacts(dataset.class_names, *decoding), temperature=temperature)
    logged, example = run.new_model("model"), dataset.pixels[dataset.splits["train"][0]]
    save_model(network.in_keras_layers(), context.output / MODEL_FOLDER, logged, facts, example)
    run.keep_model(logged, context.output / MODEL_FOLDER)


def of_whole_trial(trained: EvaluatedTrial) -> dict[str, float]:
    """Return the metrics of the trial that its epochs do not have."""
    epoch = trained.schedule.last.epochs[-1]
    of_epoch = {*epoch.metrics, *trained.schedule.last.train[epoch.epoch]}
    return {name: value for name, value in trained.numbers.items() if name not in of_epoch}


def _summary(context: TrialContext, run: Run, trained: EvaluatedTrial) -> dict[str, Any]:
    """Log the trial's numbers, and give them with what names the trial and with all epochs."""
    phases, times = trained.schedule.phases, context.clock.metrics()
    run.metrics(of_whole_trial(trained) | times, phases[-1].epochs[-1].epoch)
    return {
        "run_id": run.run_id,
        schema.TRIAL_KEY.name: context.key,
        "status": "FINISHED",
        schema.DATA_FINGERPRINT.name: context.plan.dataset.fingerprint,
        schema.OBJECTIVE.name: context.plan.trial.objective,
        **trained.numbers,
        **times,
        "history": [record.metrics | {"epoch": record.epoch} for phase in phases for record in phase.epochs],
    }


def _notes(result: ScheduleResult, judged: Metric) -> tuple[str, ...]:
    notes = [
        f"phase {phase.name} diverged in epoch {record.epoch}: its loss is not a number; a lower learning rate?"
        for phase in result.phases
        for record in phase.epochs
        if not math.isfinite(record.metrics[schema.of_split(schema.FIT, "loss")])
    ]
    *before, reached = [phase.best.metrics[schema.of_split(schema.VAL, judged.objective)] for phase in result.phases]
    best = max(before, default=reached)
    if best > reached:
        earlier = result.phases[before.index(best)].name
        notes.append(
            f"phase {earlier} had reached {judged.on_validation} {best:.3f}: {result.last.name} did not improve on it"
        )
    return tuple(notes)
