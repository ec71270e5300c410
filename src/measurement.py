"""What a trial does once TensorFlow runs: build, plan, train, evaluate, and leave its numbers and files behind."""

import math
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from src.data.dataset import Dataset
from src.features.store import FeatureStore
from src.features.supply import Keeping, Listener
from src.files import naming
from src.job import Job
from src.metrics import METRICS, Metric
from src.models.network import Network
from src.reporting.classes import write_classes
from src.reporting.figures import draw_confusion, draw_curves, draw_mistakes, draw_near_duplicates
from src.tracking.facts import baselines
from src.tracking.key import frozen_key, phase_key
from src.tracking.memory import MODEL_TAG
from src.tracking.model import save_model
from src.tracking.summary import summary_text
from src.tracking.surroundings import machine_tags
from src.training import runtime
from src.training.evaluation import Predictions, predict_validation
from src.training.feed import Feed, open_feed
from src.training.memory import PhaseMemory
from src.training.phase import evaluate, tail_of
from src.training.records import EpochRecord, Leg, PhaseResult
from src.training.schedule import Outcome, run_schedule
from src.training.tail import Tail
from src.training.workbench import Workbench, lay_out


@dataclass(frozen=True)
class Measured:
    """What a trial came to: its summary by the names in MLflow, and lines for the user."""

    summary: dict[str, Any]
    notes: tuple[str, ...]


def measure(job: Job) -> Measured:
    """Train and measure `job`, and leave all in its run and its output folder but the summary's file.

    Raises:
        ThawError: a depth that the backbone does not have, weights that do not fit, a loss that is no number.
    """
    plan, clock = job.plan, job.clock
    with clock.part("tracking"):
        job.run.tags(machine_tags(runtime.device_name()))
    with clock.part("network"):
        bench = lay_out(plan)
    watcher = _Watcher(job)
    feed = _feed(job, bench, watcher)
    keys = [phase_key(plan, index) for index in range(len(plan.depths))]
    outcome = run_schedule(bench, feed, plan.depths, keys, _memory(job), watcher)
    with clock.part("evaluation"):
        last = len(outcome.phases) - 1
        tail = tail_of(bench, feed, last, outcome.last.depth)
        numbers = _numbers(tail, feed, outcome)
        job.run.tags({"epochs_recalled": str(sum(phase.recalled for phase in outcome.phases))})
        predictions = predict_validation(tail, feed, last)
    with clock.part("figures"):
        _draw(job.output / "figures", outcome, predictions, plan.dataset)
        job.run.files(job.output / "figures", "figures")
    if job.keeps_model:
        with clock.part("model"):
            _save_model(job, bench.network)
            job.run.tags({MODEL_TAG: "kept"})
    summary = _summary(job, numbers | clock.metrics(), outcome)
    measured = Measured(summary, _notes(outcome, METRICS[plan.trial.objective]))
    job.run.text(summary_text(measured.summary), "summary.json")
    return measured


def _feed(job: Job, bench: Workbench, listener: Listener) -> Feed:
    settings, device = job.plan.trial, runtime.device_key()
    store = FeatureStore(settings.runtime.cache_dir / "features", settings.features.max_gb, job.terminal.warn)
    key = frozen_key(job.plan, device)
    return open_feed(job.plan, bench, job.companions, Keeping(key, store, listener, job.clock), job.terminal.warn)


def _memory(job: Job) -> PhaseMemory:
    settings = job.plan.trial.runtime
    return PhaseMemory(settings.work_dir / "phases", settings.phases_max_gb, job.terminal.warn, runtime.device_key())


class _Watcher:
    """Tells the terminal and the run what the schedule does."""

    def __init__(self, job: Job) -> None:
        self.job = job

    def phase_begins(self, leg: Leg) -> None:
        self.leg, self.began = leg, time.perf_counter() - self.job.clock.parts.get("features", 0.0)
        self.job.terminal.note(f"phase {leg.name}: {leg.depth.describe(len(self.job.plan.table))}")
        self._at(leg.first_epoch)

    def waits(self) -> None:
        self.job.terminal.note(f"{self.leg.name}: another process computes the same; waiting for its result")

    def computing(self, done: int, of: int) -> None:
        if not done:
            self.job.terminal.bar("computing frozen layers")
        self.job.terminal.count(done, of)
        if done == of:
            self._at(self.next_epoch)

    def recalled(self, records: Sequence[EpochRecord]) -> None:
        if records:
            for record in records:
                self.job.run.metrics(record.metrics, record.epoch)
            self.job.terminal.note(f"{self.leg.name}: {len(records)} epochs are known from an earlier trial")
            self._at(records[-1].epoch + 1)

    def batch(self, images: int, of: int) -> None:
        self.job.terminal.count(images, of)

    def epoch(self, record: EpochRecord) -> None:
        self.job.run.metrics(record.metrics, record.epoch)
        line = _epoch_line(record, METRICS[self.job.plan.trial.objective])
        self.job.terminal.note(f"{self._place(record.epoch)}   {line}")
        self._at(record.epoch + 1)

    def phase_ends(self, result: PhaseResult) -> None:
        for epoch, values in result.train.items():
            self.job.run.metrics(values, epoch)
        computing = self.job.clock.parts.get("features", 0.0)
        self.job.clock.add(f"phase/{result.name}", time.perf_counter() - self.began - computing)

    def _at(self, epoch: int) -> None:
        self.next_epoch = epoch
        self.job.terminal.bar(self._place(epoch), lines=False)

    def _place(self, epoch: int) -> str:
        epochs = self.leg.config.epochs
        return f"{self.leg.name} {min(epoch - self.leg.first_epoch + 1, epochs)}/{epochs}"


def _epoch_line(record: EpochRecord, judged: Metric) -> str:
    m = record.metrics
    own = "" if judged.objective == "accuracy" else f", {judged.words} {m[f'val/{judged.objective}']:.3f}"
    return (
        f"fit {m['fit/accuracy']:.3f} (loss {m['fit/loss']:.3f})   val {m['val/accuracy']:.3f} "
        f"(loss {m['val/loss']:.3f}{own})   rate {m['learning_rate']:.1e}   {record.seconds:.1f} s"
    )


def _numbers(tail: Tail, feed: Feed, outcome: Outcome) -> dict[str, float]:
    """The metrics of the weights kept; test/* is measured here, once, and nothing chooses by it."""
    numbers = outcome.summary() | {"trainable_parameters": float(tail.network.trainable_parameters())}
    numbers |= baselines(feed.dataset)
    if feed.dataset.splits.test.size:
        numbers |= evaluate(tail, feed, len(outcome.phases) - 1, "test")
    return numbers


def _draw(folder: Path, outcome: Outcome, predictions: Predictions, dataset: Dataset) -> None:
    with naming(folder):
        folder.mkdir()
        draw_curves(outcome.phases, folder / "curves.png")
        draw_confusion(predictions, dataset.class_names, folder / "confusion.png")
        draw_mistakes(predictions, dataset, folder / "mistakes.png")
        if dataset.near_duplicates.pairs:
            draw_near_duplicates(dataset, folder / "near_duplicates.png")
        write_classes(predictions.per_class(dataset.class_counts("train")), folder)


def _save_model(job: Job, network: Network) -> None:
    save_model(network, job.output / "model", job.run.run_id, job.plan.dataset.class_names)
    job.run.files(job.output / "model", "model")


def _summary(job: Job, numbers: dict[str, float], outcome: Outcome) -> dict[str, Any]:
    """Log the trial's numbers, and give them with what names the trial and with all epochs."""
    per_epoch = outcome.last.epochs[-1]
    already = {*per_epoch.metrics, *outcome.last.train[per_epoch.epoch]}
    job.run.metrics({name: value for name, value in numbers.items() if name not in already}, per_epoch.epoch)
    return {
        "run_id": job.run.run_id,
        "trial_key": job.key,
        "status": "FINISHED",
        "data_fingerprint": job.plan.dataset.fingerprint,
        "objective": job.plan.trial.objective,
        **numbers,
        "history": [record.metrics | {"epoch": record.epoch} for p in outcome.phases for record in p.epochs],
    }


def _notes(outcome: Outcome, judged: Metric) -> tuple[str, ...]:
    notes = [
        f"phase {phase.name} diverged in epoch {record.epoch}: its loss is not a number; a lower learning rate?"
        for phase in outcome.phases
        for record in phase.epochs
        if not math.isfinite(record.metrics["fit/loss"])
    ]
    *before, reached = [phase.best.metrics[f"val/{judged.objective}"] for phase in outcome.phases]
    best = max(before, default=reached)
    if best > reached:
        earlier = outcome.phases[before.index(best)].name
        notes.append(
            f"phase {earlier} had reached {judged.on_validation} {best:.3f}: {outcome.last.name} did not improve on it"
        )
    return tuple(notes)
