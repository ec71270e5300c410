"""One phase of a schedule: thaw to its depth, compile, fit, keep its best epoch's weights."""

import math
import time
import zlib
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any, Protocol

import keras
import numpy as np
from sklearn.utils.class_weight import compute_class_weight

from src.config import OptimizerConfig, TrialConfig
from src.data.dataset import Dataset
from src.data.listing import Split
from src.models.network import Network
from src.training.feed import Feed
from src.training.memory import Arrays, PhaseMemory, PhaseState
from src.training.records import EpochRecord, Leg, PhaseResult


class Observer(Protocol):
    """Who is told of progress."""

    def phase_begins(self, leg: Leg) -> None:
        """A phase is about to train."""

    def waits(self) -> None:
        """Another process trains the same phase; this one goes on when that has ended."""

    def recalled(self, records: Sequence[EpochRecord]) -> None:
        """These epochs were trained before."""

    def batch(self, images: int, of: int) -> None:
        """So many images of the epoch are done."""

    def epoch(self, record: EpochRecord) -> None:
        """An epoch is done."""

    def phase_ends(self, result: PhaseResult) -> None:
        """The network has the weights of the phase's best epoch."""


def fit_phase(network: Network, feed: Feed, leg: Leg, memory: PhaseMemory, observer: Observer) -> PhaseResult:
    """Train `network` by `leg` as far as `memory` does not know it; it then has the weights of the best epoch.

    The batches, their order and their views follow from the trial's seed and the epoch alone, so that a phase may
    begin at any epoch and give the same numbers.
    """
    with memory.alone_with(leg.key, observer.waits):
        known = None if feed.trial.force else memory.load(leg.key)
        if known and not known.leads_to(leg.config.epochs):
            known = None
        observer.recalled(known.epochs if known else ())
        _compile(network, feed.trial, leg)
        if known and known.is_result_of(leg.config.epochs):
            network.restore(leg.depth, known.best)
            return _result(leg, known, recalled=len(known.epochs))
        state = _train(network, feed, leg, known, memory, observer)
        memory.save(leg.key, state)
    return _result(leg, state, recalled=len(known.epochs) if known else 0)


def _train(
    network: Network, feed: Feed, leg: Leg, known: PhaseState | None, memory: PhaseMemory, observer: Observer
) -> PhaseState:
    """Train from `known` (None: from the network's weights) to the phase's end; the network keeps the best weights."""
    trial, model = feed.trial, network.model
    done = len(known.epochs) if known else 0
    counting = {"best": _early_stopping(trial, leg), **_plateau(trial, leg)}
    at_end = _AtEnd(lambda: evaluate(model, feed, "train"))
    reporter = _Reporter(leg, feed.images, trial.batch_size, observer)
    keeper = _Keeper(network, leg, known, counting, reporter.records, lambda state: memory.save(leg.key, state))
    model.fit(
        feed.training(leg.first_epoch + done, leg.config.epochs - done),
        initial_epoch=done,
        epochs=done if known and known.stopped else leg.config.epochs,
        steps_per_epoch=feed.steps,
        validation_data=feed.evaluation("val"),
        class_weight=class_weights(feed.dataset, trial),
        callbacks=[_EpochSeeds(trial.seed, leg.first_epoch), at_end, *counting.values(), reporter, keeper],
        shuffle=False,  # the batches bring their own order
        verbose=0,
    )
    train = {keeper.state.epochs[-1].epoch: at_end.metrics}
    best_epoch = _best_epoch(leg, keeper.state)
    if best_epoch not in train:
        train[best_epoch] = evaluate(model, feed, "train")
    return replace(keeper.state, train=train)


def _result(leg: Leg, state: PhaseState, recalled: int) -> PhaseResult:
    return PhaseResult(leg.name, leg.depth, state.epochs, _best_epoch(leg, state), state.train, recalled)


def _best_epoch(leg: Leg, state: PhaseState) -> int:
    return leg.first_epoch + int(state.counters["best"]["best_epoch"])


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


def _early_stopping(trial: TrialConfig, leg: Leg) -> keras.callbacks.Callback:
    return keras.callbacks.EarlyStopping(
        monitor=trial.monitor, mode=_mode(trial), patience=leg.config.patience or leg.config.epochs,
        restore_best_weights=True,
    )  # fmt: skip


def _plateau(trial: TrialConfig, leg: Leg) -> dict[str, keras.callbacks.Callback]:
    if leg.config.plateau_patience is None:
        return {}
    slower = keras.callbacks.ReduceLROnPlateau(
        monitor=trial.monitor, mode=_mode(trial), factor=leg.config.plateau_factor,
        patience=leg.config.plateau_patience,
    )  # fmt: skip
    return {"plateau": slower}


def _mode(trial: TrialConfig) -> str:
    return "max" if trial.monitor == "val_accuracy" else "min"


def evaluate(model: keras.Model, feed: Feed, split: Split) -> dict[str, float]:
    """`split`/loss and `split`/accuracy of the compiled `model` in inference mode."""
    values = model.evaluate(feed.evaluation(split), verbose=0, return_dict=True)
    return {f"{split}/{name}": float(value) for name, value in values.items()}


class _EpochSeeds(keras.callbacks.Callback):  # type: ignore[misc]
    """Lets what Dropout drops follow from seed, layer and epoch, not from how many steps came before."""

    def __init__(self, seed: int, first_epoch: int) -> None:
        super().__init__()
        self.seed, self.first_epoch = seed, first_epoch

    def on_epoch_begin(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        for layer in self.model.layers:
            if isinstance(layer, keras.layers.Dropout) and layer.rate > 0:  # at 0 Keras gives it no generator
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


_COUNTERS = {"best": ("best", "best_epoch", "wait"), "plateau": ("best", "wait", "cooldown_counter")}
"""What Keras' callbacks go on from, by the names of their attributes."""


class _Keeper(keras.callbacks.Callback):  # type: ignore[misc]
    """Takes the phase up where `known` left it, and has its state kept after each epoch; must come last."""

    def __init__(
        self,
        network: Network,
        leg: Leg,
        known: PhaseState | None,
        counting: dict[str, keras.callbacks.Callback],
        records: list[EpochRecord],
        keep: Callable[[PhaseState], None],
    ) -> None:
        super().__init__()
        self.network, self.leg, self.counting, self.records, self.keep = network, leg, counting, records, keep
        self.known = known

    def on_train_begin(self, logs: dict[str, float] | None = None) -> None:
        self.model.optimizer.build(self.model.trainable_variables)
        if self.known:
            self._take_up(self.known)

    def on_epoch_end(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        self.state = PhaseState(
            epochs=tuple(self.records),
            stopped=bool(self.model.stop_training),
            counters={name: _counters(name, callback) for name, callback in self.counting.items()},
            train={},
            last=self.network.changed(self.leg.depth),
            best=self._best(),
            optimizer={str(k): np.array(variable.numpy()) for k, variable in enumerate(self.model.optimizer.variables)},
        )
        self.keep(self.state)

    def _best(self) -> Arrays:
        weights = zip(self.model.weights, self.counting["best"].best_weights, strict=True)
        changing = self.network.changing_paths(self.leg.depth)
        return {variable.path: value for variable, value in weights if variable.path in changing}

    def _take_up(self, known: PhaseState) -> None:
        self.state = known
        self.records[:] = known.epochs
        self.network.restore(self.leg.depth, known.best)
        best_weights = self.model.get_weights()
        self.network.restore(self.leg.depth, known.last)
        for k, variable in enumerate(self.model.optimizer.variables):
            variable.assign(known.optimizer[str(k)])
        for name, callback in self.counting.items():
            for attribute, value in known.counters[name].items():
                setattr(callback, attribute, value)
        self.counting["best"].best_weights = best_weights


def _counters(name: str, callback: keras.callbacks.Callback) -> dict[str, Any]:
    values = {attribute: getattr(callback, attribute) for attribute in _COUNTERS[name]}
    return {attribute: value.item() if isinstance(value, np.generic) else value for attribute, value in values.items()}
