"""Test predictions by the files that they are of: models that see images at other sizes are compared by these."""

import hashlib
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import mlflow
import numpy as np
from mlflow.entities import Run as FoundRun
from numpy.typing import NDArray

from src.common.errors import ThawError
from src.common.events import EventHandler
from src.common.predictions import ImagePredictions
from src.data.listing import Listing
from src.deployment.trial_data import listed_dataset_of


def by_file(
    client: mlflow.MlflowClient, run: FoundRun, predictions: ImagePredictions, emit: EventHandler
) -> ImagePredictions | None:
    """Return a run's test predictions with a hash of each image's file in place of that of its pixels.

    Pixels depend on a trial's image size and on how it makes images square, files do not. An image that is drawn has
    the hash of what it is drawn by.

    Returns:
        None where the predictions are not of the images that the trial's data hold now.

    Raises:
        ThawError: the images are gone, or are other ones now.
    """
    listing, dataset = listed_dataset_of(client, run, emit)
    indices = dataset.splits["test"]
    if not np.array_equal(dataset.digests[indices], predictions.images):
        return None
    return replace(predictions, images=np.array(list(_contents(listing, indices)), np.uint64))


def _contents(listing: Listing, indices: NDArray[np.int64]) -> Iterator[int]:
    for i in indices:
        content = _read(listing.paths[i]) if listing.paths else listing.stamps[i].encode()
        yield int.from_bytes(hashlib.blake2b(content, digest_size=8).digest(), "little")


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise ThawError(f"{path}: {error.strerror or error}") from error
