"""A combination of networks as a model of its own: a run with its predictions, and a registered version."""

from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

import mlflow
import numpy as np
from mlflow.entities import Run as FoundRun

from src.data.dataset import Dataset
from src.data.listing import SPLITS
from src.deployment.free_accuracy import CombinationResult, predict
from src.deployment.model_source import OpenedModel
from src.deployment.promotion import promote, registered_name, version_tags
from src.inference.facts import ModelFacts
from src.tracking import schema
from src.tracking.mlflow_run import Run
from src.tracking.prediction_files import FOLDER, write_predictions
from src.tracking.saved_model import save_model
from src.training.evaluation import Predictions
from src.trial.calibration_metrics import calibration


def promote_combination(
    client: mlflow.MlflowClient,
    run: FoundRun,
    model: OpenedModel,
    best: CombinationResult,
    dataset: Dataset,
    verdict: str,
    alias: str,
) -> Sequence[str]:
    """Keep a combination as a run of its own, promote that, and return what happened.

    Args:
        client: of the store.
        run: of the single model, whose classes, images and registered name are its own too.
        model: that of `run`.
        best: the combination.
        dataset: the images.
        verdict: the sentence that recommended the depth.
        alias: to be promoted under.
    """
    kept = keep_combination(client, run, model.classifier.facts, best, dataset)
    tags = version_tags(client, kept) | schema.VERDICT.of(f"{best.line()}. {verdict}")
    return promote(client, kept, registered_name(run), alias, tags, force=False).lines


def keep_combination(
    client: mlflow.MlflowClient, run: FoundRun, facts: ModelFacts, best: CombinationResult, dataset: Dataset
) -> FoundRun:
    """Return a new run, beside `run`, with the combination's model, metrics and predictions."""
    tags = schema.DATA_FINGERPRINT.of(dataset.fingerprint) | schema.MODEL.of("kept")
    created = client.create_run(run.info.experiment_id, tags=tags, run_name=best.name)
    new = Run(client, run.info.experiment_id, created.info.run_id)
    predictions = {
        split: Predictions(indices, dataset.labels[indices], predict(best.network, dataset, split))
        for split in SPLITS[1:]
        if (indices := dataset.splits[split]).size
    }
    numbers = calibration(predictions)
    with TemporaryDirectory() as folder:
        logged, place = new.new_model("model"), Path(folder)
        own = ModelFacts(facts.class_names, facts.resize, facts.bit_depth, numbers.get(schema.TEMPERATURE))
        save_model(best.network, place / "model", logged, own, dataset.pixels[dataset.splits["train"][0]])
        new.keep_model(logged, place / "model")
        write_predictions(place / FOLDER, predictions, dataset)
        new.files(place / FOLDER, FOLDER)
    for split, found in predictions.items():
        right = float(np.mean(found.predicted == found.labels))
        numbers[schema.of_split(schema.TEST) if split == "test" else schema.best(schema.VAL)] = right
    new.metrics(numbers, 0)
    new.flush()
    new.end("FINISHED")
    return client.get_run(created.info.run_id)
