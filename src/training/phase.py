"""One phase of a schedule: unfreeze to its depth, train, keep its best epoch's weights."""

import math
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from sklearn.utils.class_weight import compute_class_weight

from src.common.events import TRAINING, Advanced, EpochRecord, EpochsReused, EventHandler
from src.common.file_store import Arrays
from src.common.metrics import ClassCounts, scores
from src.config import TrialConfig
from src.data.dataset import Dataset
from src.data.listing import Split
from src.models.depth import Depth
from src.models.normalization import reseed
from src.tracking.schema import FIT, LEARNING_RATE, PHASE, VAL, of_split
from src.training.batch_loader import BatchLoader
from src.training.checkpoints import Checkpoint, CheckpointStore
from src.training.early_stopping import EarlyStopping
from src.training.history import PhaseResult, PhaseSpec
from src.training.model_cache import ModelCache
from src.training.trainable_segment import Batches, TrainableSegment


def fit_phase(
    model_cache: ModelCache,
    loader: BatchLoader,
    phase_spec: PhaseSpec,
    checkpoints: CheckpointStore,
    emit: EventHandler,
) -> PhaseResult:
    """Train the network by `phase_spec`, from its checkpoint if there is one, and give it the best epoch's weights.

    The batches, their order and their views follow from the trial's seed and the epoch alone, so that a phase may
    begin at any epoch and give the same numbers.
    """
    with checkpoints.exclusive(phase_spec.key):
        known = None if loader.trial.force else checkpoints.load(phase_spec.key)
        if known and len(known.epochs) > phase_spec.config.epochs:
            known = None  # a shorter phase does not pass through it
        if known:
            emit(EpochsReused(known.epochs))
        if known and known.is_result_of(phase_spec.config.epochs):
            model_cache.network.unfreeze(phase_spec.depth)
            model_cache.network.restore(phase_spec.depth, known.best)
            return _result(phase_spec, known, resumed=len(known.epochs))
        state = _Training(model_cache, loader, phase_spec, checkpoints, emit).run(known)
        checkpoints.save(phase_spec.key, state)
    return _result(phase_spec, state, resumed=len(known.epochs) if known else 0)


def trainable_segment(model_cache: ModelCache, loader: BatchLoader, phase: int, depth: Depth) -> TrainableSegment:
    """Return the segment that trains at `depth` in the phase `phase`, behind its freeze boundary."""
    cut = loader.feature_source.cache_plan.phases[phase].freeze_boundary
    return model_cache.trainable_segment(depth, cut, loader.trial.optimizer, loader.trial.label_smoothing)


def evaluate(segment: TrainableSegment, loader: BatchLoader, phase: int, split: Split) -> dict[str, float]:
    """Return `split`/loss and every metric of the network as it stands, in inference mode."""
    return metrics_of(infer_batches(segment, loader, phase, split), loader.dataset, split)


def metrics_of(batches: Sequence[Batches], dataset: Dataset, split: Split) -> dict[str, float]:
    """Return `split`/loss and every metric of the measured `batches`, which hold the images of `split` in order."""
    predicted = probabilities_of(batches).argmax(axis=1)
    counts = ClassCounts.of(dataset.labels[dataset.splits[split]], predicted, len(dataset.class_names))
    return {of_split(split, name): value for name, value in scores(counts).items()} | _means(split, batches)


def infer_batches(segment: TrainableSegment, loader: BatchLoader, phase: int, split: Split) -> list[Batches]:
    """Return the predictions and losses of the images of `split` in inference mode, in their order."""
    size = loader.evaluation_size(phase)
    return [segment.evaluate(group.features, group.labels, size) for group in loader.as_they_are(phase, split)]


def probabilities_of(batches: Sequence[Batches]) -> NDArray[np.float32]:
    """Return the probabilities of every image of measured `batches`, float32 [images, classes]."""
    return np.concatenate([batch.probabilities for batch in batches if batch.probabilities is not None])


def class_weights(dataset: Dataset, trial: TrialConfig) -> NDArray[np.float32]:
    """Return the classes' weights in the loss, float32 [classes]: 1, or scikit-learn's `balanced`."""
    classes = np.arange(len(dataset.class_names))
    if trial.class_weights is None:
        return np.ones(classes.size, np.float32)
    weights = compute_class_weight("balanced", classes=classes, y=dataset.labels[dataset.splits.train])
    return np.asarray(weights, np.float32)


def _means(name: str, batches: Sequence[Batches]) -> dict[str, float]:
    """Return loss and accuracy over all images of `batches`."""
    sizes, losses, hits = (np.concatenate([getattr(batch, part) for batch in batches]) for part in _PARTS)
    return {
        of_split(name, "loss"): float((losses.astype(np.float64) * sizes).sum() / sizes.sum()),
        of_split(name): float(hits.astype(np.float64).sum() / sizes.sum()),
    }


_PARTS = ("sizes", "losses", "hits")


@dataclass
class _Training:
    """A phase under way."""

    model_cache: ModelCache
    loader: BatchLoader
    phase_spec: PhaseSpec
    checkpoints: CheckpointStore
    emit: EventHandler

    def run(self, known: Checkpoint | None) -> Checkpoint:
        """Train from `known` (None: from the network's weights) to the phase's end; the network keeps the best weights.

        What is measured of the training images: the last epoch's weights, and the best one's.
        """
        self.segment = trainable_segment(self.model_cache, self.loader, self.phase_spec.index, self.phase_spec.depth)
        self.weights = class_weights(self.loader.dataset, self.loader.trial)
        state = self._resume(known)
        while not state.stopped and len(state.epochs) < self.phase_spec.config.epochs:
            state = self._epoch(state)
            if self.checkpoints.is_due():
                self.checkpoints.save(self.phase_spec.key, self._with_weights(state))
        state = self._with_weights(state)
        train = {state.epochs[-1].epoch: evaluate(self.segment, self.loader, self.phase_spec.index, "train")}
        self.model_cache.network.restore(self.phase_spec.depth, state.best)
        best_epoch = _best_epoch(self.phase_spec, state)
        if best_epoch not in train:
            train[best_epoch] = evaluate(self.segment, self.loader, self.phase_spec.index, "train")
        return replace(state, train=train)

    def _resume(self, known: Checkpoint | None) -> Checkpoint:
        learning_rate = known.early_stopping.rate if known else self.phase_spec.config.learning_rate
        self.segment.begin(learning_rate)
        if known is None:
            return Checkpoint((), False, EarlyStopping(learning_rate), {}, {}, {}, {})
        self.model_cache.network.restore(self.phase_spec.depth, known.last)
        self.segment.optimizer.restore(known.optimizer)
        self.segment.optimizer.set_learning_rate(learning_rate)
        return replace(known, train={})

    def _epoch(self, state: Checkpoint) -> Checkpoint:
        number, began = self.phase_spec.first_epoch + len(state.epochs), time.perf_counter()
        self.segment.optimizer.set_learning_rate(state.early_stopping.rate)
        metrics = self._fit(number) | evaluate(self.segment, self.loader, self.phase_spec.index, VAL)
        metrics |= {LEARNING_RATE: state.early_stopping.rate, PHASE: float(self.phase_spec.index)}
        record = EpochRecord(number, self.phase_spec.index, metrics, time.perf_counter() - began)
        early_stopping = state.early_stopping.after(len(state.epochs), self._value(metrics), self.phase_spec.config)
        is_best = early_stopping.best_epoch == len(state.epochs)
        best: Arrays = self.model_cache.network.changed(self.phase_spec.depth) if is_best else state.best
        stopped = early_stopping.is_over(self.phase_spec.config) or not math.isfinite(metrics[of_split(FIT, "loss")])
        self.emit(record)
        return replace(state, epochs=(*state.epochs, record), stopped=stopped, early_stopping=early_stopping, best=best)

    def _fit(self, number: int) -> dict[str, float]:
        reseed(self.model_cache.network.model, self.loader.trial.seed, number)
        batches, done = [], 0
        for group in self.loader.training(self.phase_spec.index, number):
            batches.append(self.segment.train(group.features, group.labels, self.weights, self.loader.trial.batch_size))
            done += len(group.labels)
            self.emit(Advanced(TRAINING, done, self.loader.images))
        return _means(FIT, batches)

    def _value(self, metrics: dict[str, float]) -> float:
        """Return the monitored value, the higher the better; a loss that is not a number is the worst."""
        monitor = self.loader.trial.monitor
        value = metrics[of_split(VAL, monitor.removeprefix("val_"))] * (-1 if monitor == "val_loss" else 1)
        return value if math.isfinite(value) else -math.inf

    def _with_weights(self, state: Checkpoint) -> Checkpoint:
        """Return `state` with the variables as they are."""
        last = self.model_cache.network.changed(self.phase_spec.depth)
        return replace(state, last=last, optimizer=self.segment.optimizer.state())


def _result(phase_spec: PhaseSpec, state: Checkpoint, resumed: int) -> PhaseResult:
    return PhaseResult(
        phase_spec.name, phase_spec.depth, state.epochs, _best_epoch(phase_spec, state), state.train, resumed
    )


def _best_epoch(phase_spec: PhaseSpec, state: Checkpoint) -> int:
    return phase_spec.first_epoch + state.early_stopping.best_epoch
