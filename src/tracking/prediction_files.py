"""Predictions of trials for each image, kept with their runs and, for a study's trials together, with the study.

A run has `predictions/val.npz` and, where there are test images, `predictions/test.npz`: the arrays of
:class:`ImagePredictions` and the names of the classes. Any metric, and any comparison of trials image by image, can be
computed from them. `predictions/probabilities.npz` has the probabilities of all classes, which calibration and
ensembles need: float32 [images, classes] for each split, its images in the same order. The study's own run has
`predictions/val.npz` of all trials, so that a report on a thousand trials opens one file.
"""

import contextlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import mlflow
import numpy as np
from mlflow.entities import Run as FoundRun
from mlflow.exceptions import MlflowException
from numpy.typing import NDArray

from src.common.files import atomic_write, path_in_errors
from src.common.predictions import Arrays, ImagePredictions, join_trials, pack, split_trials, unpack
from src.data.dataset import Dataset
from src.data.listing import Split
from src.tracking.artifacts import fetch_from

if TYPE_CHECKING:  # a report needs no TensorFlow
    from src.training.evaluation import Predictions

FOLDER = "predictions"
_PROBABILITIES = "probabilities"


def write_predictions(folder: Path, predictions: Mapping[Split, "Predictions"], dataset: Dataset) -> None:
    """Write SPLIT.npz for each split, and the probabilities of all, to `folder`, which is made.

    Raises:
        OSError: the disk is full, or takes no file there; it names the folder.
    """
    names: Arrays = {"class_names": np.array(dataset.class_names, np.str_)}
    with path_in_errors(folder):
        for split, predicted in predictions.items():
            atomic_write(folder / f"{split}.npz", pack({**_of_split(predicted, dataset).arrays(), **names}))
        probabilities: Arrays = {
            str(split): predicted.probabilities.astype(np.float32) for split, predicted in predictions.items()
        }
        atomic_write(folder / f"{_PROBABILITIES}.npz", pack(probabilities))


def read_predictions(client: mlflow.MlflowClient, run: FoundRun, split: Split = "val") -> ImagePredictions | None:
    """Return the predictions of a run's trial for a split; None if its file is missing or damaged."""
    arrays = _read(client, run, split)
    try:
        return None if arrays is None else ImagePredictions.of(arrays)
    except KeyError:
        return None


def read_probabilities(client: mlflow.MlflowClient, run: FoundRun) -> dict[str, NDArray[np.float32]]:
    """Return the class probabilities that a run's trial predicts, float32 [images, classes] by split.

    Empty where the file is missing or damaged: runs of earlier versions have none.
    """
    return dict(_read(client, run, _PROBABILITIES) or {})


def read_class_names(client: mlflow.MlflowClient, run: FoundRun) -> tuple[str, ...]:
    """Return the names of a run's classes in the order of its outputs; empty where its file is missing or damaged."""
    return tuple(str(name) for name in (_read(client, run, "val") or {}).get("class_names", ()))


def study_predictions(
    client: mlflow.MlflowClient, parent_run_id: str, runs: Sequence[FoundRun]
) -> dict[str, ImagePredictions]:
    """Return the validation predictions of `runs`, a study's trials, by run id; runs without any are left out.

    What the study's own run does not hold yet is read from the trials' runs and kept there, if the store can be
    written.
    """
    stored = split_trials(_read(client, client.get_run(parent_run_id), "val") or {})
    finished = {run.info.run_id: run for run in runs if run.info.status == "FINISHED"}
    lacking = {run_id: run for run_id, run in finished.items() if run_id not in stored}
    new = {run_id: predictions for run_id, run in lacking.items() if (predictions := read_predictions(client, run))}
    known = {run_id: predictions for run_id, predictions in (stored | new).items() if run_id in finished}
    if new:
        _keep(client, parent_run_id, pack(join_trials(known)))
    return known


def _of_split(predictions: "Predictions", dataset: Dataset) -> ImagePredictions:
    return ImagePredictions(
        dataset.digests[predictions.indices],
        dataset.groups[predictions.indices],
        predictions.labels.astype(np.uint16),
        predictions.predicted.astype(np.uint16),
        predictions.probabilities.max(axis=1).astype(np.float32),
    )


def _keep(client: mlflow.MlflowClient, parent_run_id: str, packed: bytes) -> None:
    with TemporaryDirectory() as folder, contextlib.suppress(MlflowException, OSError):  # a store that may only be read
        file = Path(folder) / "val.npz"
        file.write_bytes(packed)
        client.log_artifact(parent_run_id, str(file), FOLDER)


def _read(client: mlflow.MlflowClient, run: FoundRun, name: str) -> Arrays | None:
    """Return the arrays of a run's file, or None if it cannot be read."""
    content = fetch_from(client, run.info.artifact_uri, f"{FOLDER}/{name}.npz")
    return None if content is None else unpack(content)
