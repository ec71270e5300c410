"""A combination of networks as a model of its own: a run with its predictions, and a registered version."""

import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

import mlflow
import numpy as np
from mlflow.entities import Run as FoundRun

from src.common.keras_setup import keras
from src.data.dataset import Dataset
from src.data.listing import SPLITS
from src.deployment.free_accuracy import CombinationResult, predict
from src.deployment.model_source import OpenedModel
from src.deployment.promotion import Promotion, promote, version_tags
from src.inference.facts import ModelFacts
from src.tracking import schema
from src.tracking.artifacts import fetch
from src.tracking.mlflow_run import Run, TrialFacts, started_run
from src.tracking.prediction_files import FOLDER, write_predictions
from src.tracking.saved_model import save_model
from src.training.evaluation import Predictions
from src.trial.calibration_metrics import calibration


def promote_combination(
    client: mlflow.MlflowClient,
    runs: Sequence[FoundRun],
    model: OpenedModel,
    best: CombinationResult,
    dataset: Dataset,
    name: str,
    alias: str,
    tags: Mapping[str, str],
    *,
    force: bool = False,
) -> Promotion:
    """Keep a combination as a run of its own, promote that, and return what happened.

    Args:
        client: of the store.
        runs: whose networks it combines; classes and images are theirs.
        model: one of those.
        best: the combination.
        dataset: the images.
        name: of the registered model.
        alias: to be promoted under.
        tags: of the version, beside those that its run gives.
        force: move the alias in any case.
    """
    kept = keep_combination(client, runs, model.classifier.facts, best, dataset)
    return promote(client, kept, name, alias, version_tags(client, kept) | dict(tags), force=force)


def keep_combination(
    client: mlflow.MlflowClient, runs: Sequence[FoundRun], facts: ModelFacts, best: CombinationResult, dataset: Dataset
) -> FoundRun:
    """Return a run, beside the first of `runs`, with the combination's model, metrics and predictions: once for all."""
    experiment, members = runs[0].info.experiment_id, schema.MEMBERS.of([run.info.run_id for run in runs])
    which = " and ".join(f"tags.`{name}` = '{text}'" for name, text in members.items())
    finished = f"attributes.run_name = '{best.name}' and attributes.status = 'FINISHED' and {which}"
    if known := client.search_runs([experiment], finished, max_results=1):
        return client.get_run(known[0].info.run_id)
    with started_run(client, experiment, best.name, int(time.time() * 1000), members) as new:
        _describe(new, runs[0], dataset)
        _keep(new, facts, best.network, dataset)
    return client.get_run(new.run_id)


def _describe(new: Run, member: FoundRun, dataset: Dataset) -> None:
    """Log what a combination has from its members: images, and how they are decoded."""
    configuration = schema.CONFIGURATION.read(member.data.tags) or {}
    new.describe(TrialFacts(configuration), dataset, schema.DATA_FINGERPRINT.of(dataset.fingerprint))
    if content := fetch(new.client, member.info.run_id, "config.yaml"):
        new.text(content.decode(), "config.yaml")


def _keep(new: Run, facts: ModelFacts, network: keras.Model, dataset: Dataset) -> None:
    """Keep a combination's model, predictions and metrics in its run."""
    predictions = {
        split: Predictions(indices, dataset.labels[indices], predict(network, dataset, split))
        for split in SPLITS[1:]
        if (indices := dataset.splits[split]).size
    }
    numbers = calibration(predictions)
    with TemporaryDirectory() as folder:
        logged, top = new.new_model("model"), Path(folder)
        model_facts = ModelFacts(facts.class_names, facts.resize, facts.bit_depth, numbers.get(schema.TEMPERATURE))
        save_model(network, top / "model", logged, model_facts, dataset.pixels[dataset.splits["train"][0]])
        new.keep_model(logged, top / "model")
        write_predictions(top / FOLDER, predictions, dataset)
        new.files(top / FOLDER, FOLDER)
    for split, predicted in predictions.items():
        right = float(np.mean(predicted.predicted == predicted.labels))
        numbers[schema.of_split(schema.TEST) if split == "test" else schema.best(schema.VAL)] = right
    new.metrics(numbers, 0)
    new.tags(schema.MODEL.of("kept"))
