"""One phase of a schedule: thaw to its depth, compile, fit, keep its best epoch's weights."""

import math
import time
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import keras
import numpy as np
from sklearn.utils.class_weight import compute_class_weight

from src.config import OptimizerConfig, PhaseConfig, TrialConfig
from src.data.batches import evaluation_batches, steps, training_batches
from src.data.dataset import Dataset
from src.data.listing import Split
from src.models.depth import Depth
from src.models.network import Network


@dataclass(frozen=True)
class EpochRecord:
    """What one epoch left.

    Attributes:
        epoch: counted from 0 over all phases of the trial.
        phase: position of its phase in the schedule, from 0.
        metrics: by the names in MLflow: fit/* is the running value in training mode, val/* in inference mode.
        seconds: wall time, validation included.
    """

    epoch: int
    phase: int
    metrics: dict[str, float]
    seconds: float


@dataclass(frozen=True)
class PhaseResult:
    """What one phase left.

    Attributes:
        best_epoch: the epoch, counted over all phases, whose weights the network now has.
        train: train/loss and train/accuracy in inference mode by epoch: the last one's, and the best one's.
    """

    name: str
    depth: Depth
    epochs: tuple[EpochRecord, ...]
    best_epoch: int
    train: dict[int, dict[str, float]]

    @property
    def best(self) -> EpochRecord:
        """The best epoch's record."""
        return next(record for record in self.epochs if record.epoch == self.best_epoch)


@dataclass(frozen=True)
class Leg:
    """A phase's place in its trial."""

    name: str
    config: PhaseConfig
    depth: Depth
    index: int
    first_epoch: int


class Observer(Protocol):
    """Who is told of progress."""

    def phase_begins(self, leg: Leg) -> None:
        """A phase is about to train."""

    def batch(self, images: int, of: int) -> None:
        """So many images of the epoch are done."""

    def epoch(self, record: EpochRecord) -> None:
        """An epoch is done."""

    def phase_ends(self, result: PhaseResult) -> None:
        """The network has the weights of the phase's best epoch."""


def fit_phase(
    network: Network, dataset: Dataset, trial: TrialConfig, leg: Leg, checkpoints: Path, observer: Observer
) -> PhaseResult:
    """Train `network` by `leg`; afterwards it has the weights of the phase's best epoch.

    The batches, their order and their views follow from the trial's seed and the epoch alone, so that a phase may
    begin at any epoch and give the same numbers.
    """
    model = network.model
    _compile(network, trial, leg)
    count = dataset.splits["train"].size
    reporter = _Reporter(leg, count, trial.batch_size, observer)
    at_end = _AtEnd(lambda: evaluate(model, dataset, "train", trial.batch_size))
    best = keras.callbacks.EarlyStopping(
        monitor=trial.monitor, mode=_mode(trial), patience=leg.config.patience or leg.config.epochs,
        restore_best_weights=True,
    )  # fmt: skip
    model.fit(
        training_batches(dataset, trial.augment, trial.batch_size, trial.seed, leg.first_epoch, leg.config.epochs),
        epochs=leg.config.epochs,
        steps_per_epoch=steps(count, trial.batch_size),
        validation_data=evaluation_batches(dataset, "val", trial.batch_size),
        class_weight=class_weights(dataset, trial),
        callbacks=[
            _EpochSeeds(trial.seed, leg.first_epoch),
            at_end,
            best,
            *_callbacks(trial, leg, checkpoints),
            reporter,
        ],
        shuffle=False,  # the batches bring their own order
        verbose=0,
    )
    best_epoch = leg.first_epoch + int(best.best_epoch)
    train = {reporter.records[-1].epoch: at_end.metrics}
    if best_epoch not in train:
        train[best_epoch] = evaluate(model, dataset, "train", trial.batch_size)
    return PhaseResult(leg.name, leg.depth, tuple(reporter.records), best_epoch, train)


def class_weights(dataset: Dataset, trial: TrialConfig) -> dict[int, float] | None:
    """scikit-learn's `balanced`: images / (classes · images of the class); None where classes weigh alike."""
    if trial.class_weights is None:
        return None
    classes = np.arange(len(dataset.class_names))
    weights = compute_class_weight("balanced", classes=classes, y=dataset.labels[dataset.splits.train])
    return {k: float(weight) for k, weight in enumerate(weights)}


def make_optimizer(config: OptimizerConfig, learning_rate: float) -> keras.optimizers.Optimizer:
    """Keras' optimizer by name."""
    match config.name:
        case "adam":
            return keras.optimizers.Adam(learning_rate, beta_1=config.momentum)
        case "adamw":
            return keras.optimizers.AdamW(learning_rate, weight_decay=config.weight_decay, beta_1=config.momentum)
        case "sgd":
            return keras.optimizers.SGD(learning_rate, momentum=config.momentum)


def _compile(network: Network, trial: TrialConfig, leg: Leg) -> None:
    network.thaw(leg.depth)
    network.model.compile(
        optimizer=make_optimizer(trial.optimizer, leg.config.learning_rate),
        loss=keras.losses.CategoricalCrossentropy(label_smoothing=trial.label_smoothing),
        metrics=["accuracy"],
        jit_compile=False,  # XLA refuses deterministic operations, and steps slower on a CPU
    )
    network.check(leg.depth)


def _callbacks(trial: TrialConfig, leg: Leg, checkpoints: Path) -> list[keras.callbacks.Callback]:
    checkpoints.mkdir(parents=True, exist_ok=True)
    saved = keras.callbacks.ModelCheckpoint(
        checkpoints / f"{leg.index}.weights.h5", monitor=trial.monitor, mode=_mode(trial), save_best_only=True,
        save_weights_only=True,
    )  # fmt: skip
    if leg.config.plateau_patience is None:
        return [saved]
    slower = keras.callbacks.ReduceLROnPlateau(
        monitor=trial.monitor, mode=_mode(trial), factor=leg.config.plateau_factor,
        patience=leg.config.plateau_patience,
    )  # fmt: skip
    return [saved, slower]


def _mode(trial: TrialConfig) -> str:
    return "max" if trial.monitor == "val_accuracy" else "min"


def evaluate(model: keras.Model, dataset: Dataset, split: Split, batch_size: int) -> dict[str, float]:
    """`split`/loss and `split`/accuracy of the compiled `model` in inference mode."""
    values = model.evaluate(evaluation_batches(dataset, split, batch_size), verbose=0, return_dict=True)
    return {f"{split}/{name}": float(value) for name, value in values.items()}


class _EpochSeeds(keras.callbacks.Callback):  # type: ignore[misc]
    """Lets what Dropout drops follow from seed, layer and epoch, not from how many steps came before."""

    def __init__(self, seed: int, first_epoch: int) -> None:
        super().__init__()
        self.seed, self.first_epoch = seed, first_epoch

    def on_epoch_begin(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        for layer in self.model.layers:
            if isinstance(layer, keras.layers.Dropout):
                text = f"{self.seed} {layer.name} {self.first_epoch + epoch}"
                layer.seed_generator.state.assign([zlib.crc32(text.encode()), 0])


class _AtEnd(keras.callbacks.Callback):  # type: ignore[misc]
    """Measures at the phase's end; must come before the callback that restores the best weights."""

    def __init__(self, measure: Callable[[], dict[str, float]]) -> None:
        super().__init__()
        self.measure = measure
        self.metrics: dict[str, float] = {}

    def on_train_end(self, logs: dict[str, float] | None = None) -> None:
        self.metrics = self.measure()


class _Reporter(keras.callbacks.Callback):  # type: ignore[misc]
    """Keeps and tells what each epoch left."""

    def __init__(self, leg: Leg, count: int, batch_size: int, observer: Observer) -> None:
        super().__init__()
        self.leg, self.count, self.batch_size, self.observer = leg, count, batch_size, observer
        self.records: list[EpochRecord] = []

    def on_epoch_begin(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        self.started = time.perf_counter()
        self.learning_rate = float(np.asarray(self.model.optimizer.learning_rate))

    def on_train_batch_end(self, batch: int, logs: dict[str, float] | None = None) -> None:
        self.observer.batch(min(self.count, (batch + 1) * self.batch_size), self.count)

    def on_epoch_end(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        logs = logs or {}
        metrics = {
            "fit/loss": logs["loss"], "fit/accuracy": logs["accuracy"],
            "val/loss": logs["val_loss"], "val/accuracy": logs["val_accuracy"],
            "learning_rate": self.learning_rate, "phase": float(self.leg.index),
        }  # fmt: skip
        seconds = time.perf_counter() - self.started
        number = self.leg.first_epoch + epoch
        record = EpochRecord(number, self.leg.index, {k: float(v) for k, v in metrics.items()}, seconds)
        self.records.append(record)
        self.observer.epoch(record)
        if not math.isfinite(record.metrics["fit/loss"]):
            self.model.stop_training = True
