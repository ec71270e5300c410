"""What trials predict for each image, kept with their runs and, for a study's trials together, with the study.

A run has `predictions/val.npz` and, where there are test images, `predictions/test.npz`: arrays with an entry for each
image of the split, in the split's order, and the names of the classes. Any metric, and any comparison of trials image
by image, follows from them. The study's own run has `predictions/val.npz` of all trials one after the other, so that
a report on a thousand trials opens one file.
"""

import contextlib
import io
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import mlflow
import numpy as np
from mlflow.entities import Run as FoundRun
from mlflow.exceptions import MlflowException
from mlflow.store.artifact.artifact_repository_registry import get_artifact_repository
from numpy.typing import NDArray

from src.common.files import atomic_write, naming
from src.data.dataset import Dataset
from src.data.listing import Split
from src.training.evaluation import Predictions

FOLDER = "predictions"
_RUNS, _LENGTHS, _CLASSES = "run_ids", "lengths", "class_names"


@dataclass(frozen=True)
class ImagePredictions:
    """What a trial predicts for the images of a split, in the split's order.

    Attributes:
        images: uint64 [images], a hash of each image's pixels: trials with equal arrays saw the same images.
        groups: uint64 [images], a hash of each image's group; the image's own where it has none.
        labels: uint16 [images], the true classes.
        predicted: uint16 [images], the most probable classes.
        probability: float32 [images], of the predicted class, 0–1.
    """

    images: NDArray[np.uint64]
    groups: NDArray[np.uint64]
    labels: NDArray[np.uint16]
    predicted: NDArray[np.uint16]
    probability: NDArray[np.float32]

    @property
    def hits(self) -> NDArray[np.bool_]:
        """Whether each image's class is predicted, [images]."""
        return np.asarray(self.labels == self.predicted)


_COLUMNS = tuple(field.name for field in fields(ImagePredictions))


def write_predictions(folder: Path, predictions: Mapping[Split, Predictions], dataset: Dataset) -> None:
    """Write SPLIT.npz for each split to `folder`, which is made.

    Raises:
        OSError: the disk is full, or takes no file there; it names the folder.
    """
    with naming(folder):
        for split, found in predictions.items():
            own = _of_split(found, dataset)
            names = np.array(dataset.class_names, np.str_)
            arrays = {name: getattr(own, name) for name in _COLUMNS} | {_CLASSES: names}
            atomic_write(folder / f"{split}.npz", _packed(arrays))


def read_predictions(run: FoundRun, split: Split = "val") -> ImagePredictions | None:
    """Return what a run's trial predicts for a split; None where its file is not there, or not whole."""
    arrays = _read(run.info.artifact_uri, split)
    return None if arrays is None else ImagePredictions(*(arrays[name] for name in _COLUMNS))


def study_predictions(
    client: mlflow.MlflowClient, parent_run_id: str, runs: Sequence[FoundRun]
) -> dict[str, ImagePredictions]:
    """Return the validation predictions of `runs`, a study's finished trials, by run id; runs without any are left out.

    What the study's own run does not hold yet is read from the trials' runs and kept there, where the store takes it.
    """
    parent = client.get_run(parent_run_id)
    kept = _parted(_read(parent.info.artifact_uri, "val"))
    wanted = {run.info.run_id: run for run in runs if run.info.status == "FINISHED"}
    new = {run_id: found for run_id, run in wanted.items() if run_id not in kept and (found := read_predictions(run))}
    if new:
        kept |= new
        _keep(client, parent_run_id, kept)
    return {run_id: kept[run_id] for run_id in wanted if run_id in kept}


def _of_split(found: Predictions, dataset: Dataset) -> ImagePredictions:
    return ImagePredictions(
        dataset.digests[found.indices],
        dataset.groups[found.indices],
        found.labels.astype(np.uint16),
        found.predicted.astype(np.uint16),
        found.probabilities.max(axis=1).astype(np.float32),
    )


def _keep(client: mlflow.MlflowClient, parent_run_id: str, kept: Mapping[str, ImagePredictions]) -> None:
    """Log the predictions of several trials, one after the other, with the study's run."""
    columns = {name: np.concatenate([getattr(own, name) for own in kept.values()]) for name in _COLUMNS}
    lengths = np.array([own.images.size for own in kept.values()], np.int64)
    packed = _packed(columns | {_RUNS: np.array(list(kept), np.str_), _LENGTHS: lengths})
    with TemporaryDirectory() as folder, contextlib.suppress(MlflowException, OSError):  # a store that may only be read
        file = Path(folder) / "val.npz"
        file.write_bytes(packed)
        client.log_artifact(parent_run_id, str(file), FOLDER)


def _parted(arrays: Mapping[str, NDArray[Any]] | None) -> dict[str, ImagePredictions]:
    """Return the trials' own predictions from a study's file."""
    if arrays is None:
        return {}
    ends = np.cumsum(arrays[_LENGTHS])[:-1]
    parts = zip(*(np.split(arrays[name], ends) for name in _COLUMNS), strict=True)
    return {str(run_id): ImagePredictions(*own) for run_id, own in zip(arrays[_RUNS], parts, strict=True)}


def _packed(arrays: Mapping[str, NDArray[Any]]) -> bytes:
    buffer = io.BytesIO()
    np.savez_compressed(buffer, allow_pickle=False, **arrays)
    return buffer.getvalue()


def _read(artifact_uri: str, split: Split) -> dict[str, NDArray[Any]] | None:
    """Return the arrays of a run's file, or None; whatever fails on the way, they cannot be had."""
    try:
        with TemporaryDirectory() as folder:
            path = get_artifact_repository(artifact_uri).download_artifacts(f"{FOLDER}/{split}.npz", folder)
            with np.load(path, allow_pickle=False) as file:
                return {name: file[name] for name in file.files}
    except (MlflowException, OSError, ValueError, KeyError, zipfile.BadZipFile):
        return None
