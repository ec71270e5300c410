"""One phase of a schedule: thaw to its depth, train, keep its best epoch's weights."""

import math
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np
from numpy.typing import NDArray
from sklearn.utils.class_weight import compute_class_weight

from src.config import TrialConfig
from src.data.dataset import Dataset
from src.data.listing import Split
from src.metrics import ClassCounts, scores
from src.models.depth import Depth
from src.models.normalization import reseed
from src.training.feed import Feed
from src.training.memory import Arrays, PhaseMemory, PhaseState
from src.training.pace import Pace
from src.training.records import EpochRecord, Leg, PhaseResult
from src.training.tail import Batches, Tail
from src.training.workbench import Workbench


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


def fit_phase(bench: Workbench, feed: Feed, leg: Leg, memory: PhaseMemory, observer: Observer) -> PhaseResult:
    """Train the bench's network by `leg` as far as `memory` does not know it; it then has the best epoch's weights.

    The batches, their order and their views follow from the trial's seed and the epoch alone, so that a phase may
    begin at any epoch and give the same numbers.
    """
    with memory.alone_with(leg.key, observer.waits):
        known = None if feed.trial.force else memory.load(leg.key)
        if known and not known.leads_to(leg.config.epochs):
            known = None
        observer.recalled(known.epochs if known else ())
        if known and known.is_result_of(leg.config.epochs):
            bench.network.thaw(leg.depth)
            bench.network.restore(leg.depth, known.best)
            return _result(leg, known, recalled=len(known.epochs))
        state = _Training(bench, feed, leg, memory, observer).run(known)
        memory.save(leg.key, state)
    return _result(leg, state, recalled=len(known.epochs) if known else 0)


def tail_of(bench: Workbench, feed: Feed, phase: int, depth: Depth) -> Tail:
    """What trains at `depth` in the phase `phase`, behind its natural cut."""
    cut = feed.supply.placements.phases[phase].natural
    return bench.tail(depth, cut, feed.trial.optimizer, feed.trial.label_smoothing)


def evaluate(tail: Tail, feed: Feed, phase: int, split: Split) -> dict[str, float]:
    """Return `split`/loss and every metric of the network as it stands, in inference mode."""
    batches, dataset = measured(tail, feed, phase, split), feed.dataset
    predicted = np.concatenate(
        [each.probabilities.argmax(axis=1) for each in batches if each.probabilities is not None]
    )
    counts = ClassCounts.of(dataset.labels[dataset.splits[split]], predicted, len(dataset.class_names))
    return {f"{split}/{name}": value for name, value in scores(counts).items()} | _means(split, batches)


def measured(tail: Tail, feed: Feed, phase: int, split: Split) -> list[Batches]:
    """What the images of `split` leave in inference mode, in their order."""
    size = feed.measuring_size(phase)
    return [tail.measure(chunk.rows, chunk.labels, size) for chunk in feed.as_they_are(phase, split)]


def class_weights(dataset: Dataset, trial: TrialConfig) -> NDArray[np.float32]:
    """scikit-learn's `balanced`, images / (classes · images of the class), or 1 for each; float32 [classes]."""
    classes = np.arange(len(dataset.class_names))
    if trial.class_weights is None:
        return np.ones(classes.size, np.float32)
    weights = compute_class_weight("balanced", classes=classes, y=dataset.labels[dataset.splits.train])
    return np.asarray(weights, np.float32)


def _means(name: str, batches: Sequence[Batches]) -> dict[str, float]:
    """Loss and accuracy over all images of `batches`."""
    sizes, losses, hits = (np.concatenate([getattr(each, part) for each in batches]) for part in _PARTS)
    return {
        f"{name}/loss": float((losses.astype(np.float64) * sizes).sum() / sizes.sum()),
        f"{name}/accuracy": float(hits.astype(np.float64).sum() / sizes.sum()),
    }


_PARTS = ("sizes", "losses", "hits")


@dataclass
class _Training:
    """A phase under way."""

    bench: Workbench
    feed: Feed
    leg: Leg
    memory: PhaseMemory
    observer: Observer

    def run(self, known: PhaseState | None) -> PhaseState:
        """Train from `known` (None: from the network's weights) to the phase's end; the network keeps the best weights.

        What is measured of the training images: the last epoch's weights, and the best one's.
        """
        self.tail = tail_of(self.bench, self.feed, self.leg.index, self.leg.depth)
        self.weights = class_weights(self.feed.dataset, self.feed.trial)
        state = self._take_up(known)
        while not state.stopped and len(state.epochs) < self.leg.config.epochs:
            state = self._epoch(state)
            if self.memory.is_due():
                self.memory.save(self.leg.key, self._with_weights(state))
        state = self._with_weights(state)
        train = {state.epochs[-1].epoch: evaluate(self.tail, self.feed, self.leg.index, "train")}
        self.bench.network.restore(self.leg.depth, state.best)
        best_epoch = _best_epoch(self.leg, state)
        if best_epoch not in train:
            train[best_epoch] = evaluate(self.tail, self.feed, self.leg.index, "train")
        return replace(state, train=train)

    def _take_up(self, known: PhaseState | None) -> PhaseState:
        rate = known.pace.rate if known else self.leg.config.learning_rate
        self.tail.begin(rate)
        if known is None:
            return PhaseState((), False, Pace(rate), {}, {}, {}, {})
        self.bench.network.restore(self.leg.depth, known.last)
        for number, variable in enumerate(self.tail.optimizer.variables):
            variable.assign(known.optimizer[str(number)])
        self.tail.optimizer.learning_rate.assign(rate)
        return replace(known, train={})

    def _epoch(self, state: PhaseState) -> PhaseState:
        number, began = self.leg.first_epoch + len(state.epochs), time.perf_counter()
        self.tail.optimizer.learning_rate.assign(state.pace.rate)
        metrics = self._fit(number) | evaluate(self.tail, self.feed, self.leg.index, "val")
        metrics |= {"learning_rate": state.pace.rate, "phase": float(self.leg.index)}
        record = EpochRecord(number, self.leg.index, metrics, time.perf_counter() - began)
        pace = state.pace.after(len(state.epochs), self._value(metrics), self.leg.config)
        is_best = pace.best_epoch == len(state.epochs)
        best: Arrays = self.bench.network.changed(self.leg.depth) if is_best else state.best
        stopped = pace.is_over(self.leg.config) or not math.isfinite(metrics["fit/loss"])
        self.observer.epoch(record)
        return replace(state, epochs=(*state.epochs, record), stopped=stopped, pace=pace, best=best)

    def _fit(self, number: int) -> dict[str, float]:
        reseed(self.bench.network.model, self.feed.trial.seed, number)
        batches, done = [], 0
        for chunk in self.feed.training(self.leg.index, number):
            batches.append(self.tail.train(chunk.rows, chunk.labels, self.weights, self.feed.trial.batch_size))
            done += len(chunk.labels)
            self.observer.batch(done, self.feed.images)
        return _means("fit", batches)

    def _value(self, metrics: dict[str, float]) -> float:
        """What the phase is to raise; a loss that is no number is worse than any."""
        monitor = self.feed.trial.monitor
        value = metrics[monitor.replace("_", "/", 1)] * (-1 if monitor == "val_loss" else 1)
        return value if math.isfinite(value) else -math.inf

    def _with_weights(self, state: PhaseState) -> PhaseState:
        """`state` with the variables as they are."""
        moments = {str(k): np.array(variable.numpy()) for k, variable in enumerate(self.tail.optimizer.variables)}
        return replace(state, last=self.bench.network.changed(self.leg.depth), optimizer=moments)


def _result(leg: Leg, state: PhaseState, recalled: int) -> PhaseResult:
    return PhaseResult(leg.name, leg.depth, state.epochs, _best_epoch(leg, state), state.train, recalled)


def _best_epoch(leg: Leg, state: PhaseState) -> int:
    return leg.first_epoch + state.pace.best_epoch
