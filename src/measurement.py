"""What a trial does once TensorFlow runs: build, plan, train, evaluate, and leave its numbers and files behind."""

import csv
import json
import time
from pathlib import Path
from typing import Any

from src.composition import PROJECT
from src.data.batches import evaluation_batches
from src.data.dataset import Dataset
from src.job import Job
from src.models.depth import Depth
from src.models.network import Network, build_network
from src.models.normalization import adapt_statistics
from src.reporting.figures import draw_confusion, draw_curves, draw_mistakes
from src.tracking.key import trial_key
from src.tracking.model import save_model
from src.tracking.run import as_yaml
from src.tracking.store import how_to_compare, tracking_uri
from src.tracking.surroundings import git_tags, machine_tags, package_versions
from src.training import runtime
from src.training.evaluation import Predictions, predict_validation
from src.training.phase import EpochRecord, Leg, PhaseResult, evaluate
from src.training.schedule import Outcome, plan_depths, run_schedule


def measure(job: Job) -> dict[str, Any]:
    """Train and measure `job`; return its summary, by the names in MLflow.

    Raises:
        ThawError: a depth that the backbone does not have, weights that do not fit, a loss that is no number.
    """
    trial, clock = job.inputs.trial, job.clock
    with clock.part("network"):
        network = _network(job)
        depths = plan_depths(trial, network.table, job.inputs.spec.name)
    key = trial_key(trial, job.inputs.side, job.inputs.dataset, job.inputs.weights, depths)
    with clock.part("tracking"):
        _describe(job, key)
    outcome = _train(job, network, depths)
    with clock.part("evaluation"):
        numbers = _numbers(job, network, outcome)
        predictions = predict_validation(network.model, job.inputs.dataset, trial.batch_size)
    with clock.part("figures"):
        _draw(job.output / "figures", outcome, predictions, job.inputs.dataset)
        job.run.files(job.output / "figures", "figures")
    if trial.tracking.save_model:
        with clock.part("model"):
            _save_model(job, network)
    return _close(job, key, numbers, outcome)


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
        adapt_statistics(network.model, (images for images, _ in evaluation_batches(dataset, "train", 64)))
    return network


def _describe(job: Job, key: str) -> None:
    """Log all that is known of the trial before it trains."""
    inputs = job.inputs
    tags = {
        "trial_key": key,
        "data_fingerprint": inputs.dataset.fingerprint,
        "weights_digest": inputs.weights.digest,
        "image_side": str(inputs.side),
    }
    tags |= git_tags(PROJECT) | machine_tags(runtime.device_name())
    job.run.describe(inputs.trial, inputs.dataset, tags)
    job.run.text(as_yaml(inputs.trial), "config.yaml")
    job.run.text(package_versions(), "packages.txt")


def _train(job: Job, network: Network, depths: dict[str, Depth]) -> Outcome:
    watcher = _Watcher(job, len(network.table))
    return run_schedule(network, job.inputs.dataset, job.inputs.trial, depths, job.output / "checkpoints", watcher)


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
        self.job.clock.add(result.name, time.perf_counter() - self.began)

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
    folder.mkdir(parents=True)
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


def _close(job: Job, key: str, numbers: dict[str, float], outcome: Outcome) -> dict[str, Any]:
    numbers |= job.clock.metrics()
    job.run.metrics(numbers, outcome.last.best_epoch)
    summary: dict[str, Any] = {
        "run_id": job.run.run_id,
        "trial_key": key,
        "status": "FINISHED",
        "data_fingerprint": job.inputs.dataset.fingerprint,
        **numbers,
        "history": [record.metrics | {"epoch": record.epoch} for p in outcome.phases for record in p.epochs],
    }
    text = json.dumps(summary, indent=1) + "\n"
    job.run.text(text, "summary.json")
    (job.output / "summary.json").write_text(text, "utf-8")
    _tell(job, numbers, outcome)
    return summary


def _tell(job: Job, numbers: dict[str, float], outcome: Outcome) -> None:
    earlier = max(outcome.phases[:-1], key=lambda phase: phase.best.metrics["val/accuracy"], default=None)
    if earlier and earlier.best.metrics["val/accuracy"] > numbers["val/accuracy"]:
        job.terminal.note(
            f"phase {earlier.name} had reached val {earlier.best.metrics['val/accuracy']:.3f}: "
            f"{outcome.last.name} at this depth did not improve on it"
        )
    places = {
        "run": f"{job.run.run_id} in experiment {job.inputs.trial.tracking.experiment}",
        "files": str(job.output),
        "compare": how_to_compare(tracking_uri(job.inputs.trial.tracking, PROJECT), PROJECT),
    }
    job.terminal.result(numbers, places)
