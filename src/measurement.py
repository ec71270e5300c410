"""What a trial does once TensorFlow runs: build, plan, train, evaluate, and leave its numbers and files behind."""

import csv
import json
import math
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from src.data.augment import AS_THEY_ARE
from src.data.batches import training_batches
from src.data.dataset import Dataset
from src.job import Job
from src.models.network import Network, build_network
from src.models.normalization import adapt_statistics
from src.reporting.figures import draw_confusion, draw_curves, draw_mistakes
from src.tracking.key import trial_key
from src.tracking.model import save_model
from src.tracking.surroundings import machine_tags
from src.training import runtime
from src.training.evaluation import Predictions, predict_validation
from src.training.phase import EpochRecord, Leg, PhaseResult, evaluate
from src.training.schedule import Outcome, plan_depths, run_schedule


@dataclass(frozen=True)
class Measured:
    """What a trial came to: its summary by the names in MLflow, and lines for the user."""

    summary: dict[str, Any]
    notes: tuple[str, ...]

    def text(self) -> str:
        """The summary as summary.json holds it; a number that is none (a diverged loss) is null."""
        return json.dumps(_without_nan(self.summary), indent=1, allow_nan=False) + "\n"


def measure(job: Job) -> Measured:
    """Train and measure `job`, and leave all in its run and its output folder but the summary's file.

    Raises:
        ThawError: a depth that the backbone does not have, weights that do not fit, a loss that is no number.
    """
    trial, clock = job.inputs.trial, job.clock
    with clock.part("network"):
        network = _network(job)
        depths = plan_depths(trial, network.table, job.inputs.spec.name)
    key = trial_key(trial, job.inputs.side, job.inputs.dataset, job.inputs.weights, depths)
    with clock.part("tracking"):
        described = {f"depth.{name}": depth.describe(len(network.table)) for name, depth in depths.items()}
        job.run.tags({"trial_key": key} | described | machine_tags(runtime.device_name()))
    outcome = run_schedule(
        network, job.inputs.dataset, trial, depths, job.output / "checkpoints", _Watcher(job, len(network.table))
    )
    with clock.part("evaluation"):
        numbers = _numbers(job, network, outcome)
        predictions = predict_validation(network.model, job.inputs.dataset, trial.batch_size)
    with clock.part("figures"):
        _draw(job.output / "figures", outcome, predictions, job.inputs.dataset)
        job.run.files(job.output / "figures", "figures")
    if trial.tracking.save_model:
        with clock.part("model"):
            _save_model(job, network)
    measured = Measured(_summary(job, key, numbers | clock.metrics(), outcome), _notes(outcome))
    job.run.text(measured.text(), "summary.json")
    return measured


def _network(job: Job) -> Network:
    trial, dataset = job.inputs.trial, job.inputs.dataset
    network = build_network(
        job.inputs.spec,
        job.inputs.weights,
        side=job.inputs.side,
        classes=len(dataset.class_names),
        dropout=trial.dropout,
        batchnorm=trial.batchnorm,
        seed=trial.seed,
    )
    if trial.batchnorm == "adapted":
        mixed = training_batches(dataset, AS_THEY_ARE, batch_size=64, seed=0, first_epoch=0, epochs=1)
        adapt_statistics(network.model, (images for images, _ in mixed))
    return network


class _Watcher:
    """Tells the terminal and the run what the schedule does."""

    def __init__(self, job: Job, layers: int) -> None:
        self.job, self.layers = job, layers

    def phase_begins(self, leg: Leg) -> None:
        self.leg, self.began = leg, time.perf_counter()
        self.job.terminal.note(f"phase {leg.name}: {leg.depth.describe(self.layers)}")
        self.job.terminal.bar(self._place(leg.first_epoch), lines=False)

    def batch(self, images: int, of: int) -> None:
        self.job.terminal.count(images, of)

    def epoch(self, record: EpochRecord) -> None:
        self.job.run.metrics(record.metrics, record.epoch)
        self.job.terminal.note(f"{self._place(record.epoch)}   {_epoch_line(record)}")
        self.job.terminal.bar(self._place(record.epoch + 1), lines=False)

    def phase_ends(self, result: PhaseResult) -> None:
        for epoch, values in result.train.items():
            self.job.run.metrics(values, epoch)
        self.job.clock.add(f"phase/{result.name}", time.perf_counter() - self.began)

    def _place(self, epoch: int) -> str:
        epochs = self.leg.config.epochs
        return f"{self.leg.name} {min(epoch - self.leg.first_epoch + 1, epochs)}/{epochs}"


def _epoch_line(record: EpochRecord) -> str:
    m = record.metrics
    return (
        f"fit {m['fit/accuracy']:.3f} (loss {m['fit/loss']:.3f})   val {m['val/accuracy']:.3f} "
        f"(loss {m['val/loss']:.3f})   rate {m['learning_rate']:.1e}   {record.seconds:.1f} s"
    )


def _numbers(job: Job, network: Network, outcome: Outcome) -> dict[str, float]:
    """The metrics of the weights kept; test/* is measured here, once, and nothing chooses by it."""
    dataset = job.inputs.dataset
    numbers = outcome.summary() | {"trainable_parameters": float(network.trainable_parameters())}
    if dataset.splits.test.size:
        numbers |= evaluate(network.model, dataset, "test", job.inputs.trial.batch_size)
    return numbers


def _draw(folder: Path, outcome: Outcome, predictions: Predictions, dataset: Dataset) -> None:
    folder.mkdir()
    draw_curves(outcome.phases, folder / "curves.png")
    draw_confusion(predictions, dataset.class_names, folder / "confusion.png")
    draw_mistakes(predictions, dataset, folder / "mistakes.png")
    rows = predictions.per_class(dataset.class_names)
    with (folder / "per_class.csv").open("w", newline="", encoding="utf-8", errors="backslashreplace") as file:
        table = csv.DictWriter(file, fieldnames=list(rows[0]))
        table.writeheader()
        table.writerows(rows)


def _save_model(job: Job, network: Network) -> None:
    save_model(network.portable(), job.output / "model", job.run.run_id, job.inputs.dataset.class_names)
    job.run.files(job.output / "model", "model")


def _summary(job: Job, key: str, numbers: dict[str, float], outcome: Outcome) -> dict[str, Any]:
    """Log the trial's numbers, and give them with what names the trial and with all epochs."""
    per_epoch = outcome.last.epochs[-1]
    already = {*per_epoch.metrics, *outcome.last.train[per_epoch.epoch]}
    job.run.metrics({name: value for name, value in numbers.items() if name not in already}, per_epoch.epoch)
    return {
        "run_id": job.run.run_id,
        "trial_key": key,
        "status": "FINISHED",
        "data_fingerprint": job.inputs.dataset.fingerprint,
        **numbers,
        "history": [record.metrics | {"epoch": record.epoch} for p in outcome.phases for record in p.epochs],
    }


def _without_nan(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _without_nan(each) for name, each in value.items()}
    if isinstance(value, list):
        return [_without_nan(each) for each in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _notes(outcome: Outcome) -> tuple[str, ...]:
    notes = [
        f"phase {phase.name} diverged in epoch {record.epoch}: its loss is not a number; a lower learning rate?"
        for phase in outcome.phases
        for record in phase.epochs
        if not math.isfinite(record.metrics["fit/loss"])
    ]
    reached = outcome.last.best.metrics["val/accuracy"]
    earlier = max(outcome.phases[:-1], key=lambda phase: phase.best.metrics["val/accuracy"], default=None)
    if earlier and earlier.best.metrics["val/accuracy"] > reached:
        best = earlier.best.metrics["val/accuracy"]
        notes.append(f"phase {earlier.name} had reached val {best:.3f}: {outcome.last.name} did not improve on it")
    return tuple(notes)
