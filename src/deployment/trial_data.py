"""The images of a run's trial, decoded as the trial decoded them."""

import mlflow
from mlflow.entities import Run as FoundRun

from src.common.errors import ThawError
from src.common.events import EventHandler
from src.data.dataset import Dataset, list_samples, load_dataset
from src.data.listing import Listing
from src.tracking import schema
from src.trial.logged_configuration import logged_configuration
from src.trial.plan import pretrained_of

_MEND = "if they are elsewhere, type this in the folder where it was trained, or put them back"


def dataset_of(client: mlflow.MlflowClient, run: FoundRun, emit: EventHandler) -> Dataset:
    """Return the images that a run's trial was trained and tested on.

    Raises:
        ThawError: they are gone, or are other ones now.
    """
    return listed_dataset_of(client, run, emit)[1]


def listed_dataset_of(client: mlflow.MlflowClient, run: FoundRun, emit: EventHandler) -> tuple[Listing, Dataset]:
    """Return the same as :func:`dataset_of`, after the listing that the data set's indices count in.

    Raises:
        ThawError: the images are gone, or are other ones now.
    """
    trial = logged_configuration(client, run)
    _, _, image_size = pretrained_of(trial)
    try:
        listing = list_samples(trial.data, image_size)
        dataset = load_dataset(trial.data, listing, image_size, trial.runtime, emit)
    except ThawError as error:
        raise ThawError(f"run {run.info.run_id}: its images cannot be read: {error}; {_MEND}") from error
    if dataset.fingerprint != schema.DATA_FINGERPRINT.read(run.data.tags):
        raise ThawError(f"run {run.info.run_id}: {dataset.source} holds other images than it was trained on; {_MEND}")
    return listing, dataset
