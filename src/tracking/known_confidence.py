"""The confidence of a run's trial in the images that it set aside, before and after its temperature."""

from dataclasses import dataclass

import mlflow
import numpy as np
from mlflow.entities import Run as FoundRun
from mlflow.exceptions import MlflowException

from src.data.listing import Split
from src.inference.calibration import Confidence, fit_temperature
from src.inference.temperature import scaled
from src.tracking import schema
from src.tracking.prediction_files import read_predictions, read_probabilities


@dataclass(frozen=True)
class KnownConfidence:
    """A trial's confidence in its validation images and, where there are some, in its test images.

    Attributes:
        temperature: fitted on validation images.
        before: as the network has it, by split.
        after: with the temperature applied, by split.
    """

    temperature: float
    before: dict[Split, Confidence]
    after: dict[Split, Confidence]

    @property
    def tested_on(self) -> Split:
        """Return the split that temperature and threshold are measured on: test, or else val, which chose them."""
        return "test" if self.is_tested else "val"

    @property
    def is_tested(self) -> bool:
        """Return whether there are test images, which choose nothing."""
        return "test" in self.after


def confidence_of(client: mlflow.MlflowClient, run_id: str) -> KnownConfidence | None:
    """Return the same of a run by its id; None where the run is gone, too."""
    try:
        return known_confidence(client, client.get_run(run_id))
    except MlflowException:
        return None


def known_confidence(client: mlflow.MlflowClient, run: FoundRun) -> KnownConfidence | None:
    """Return what a run keeps of its confidence; None where it keeps too little, as runs of earlier versions do."""
    probabilities = read_probabilities(client, run)
    splits: tuple[Split, ...] = ("val", "test")
    stored = {
        split: predictions
        for split in splits
        if split in probabilities and (predictions := read_predictions(client, run, split))
    }
    if "val" not in stored:
        return None
    logged = run.data.metrics.get(schema.TEMPERATURE)
    temperature = logged or fit_temperature(probabilities["val"], stored["val"].labels.astype(np.int64))
    if temperature is None:
        return None
    before, after = (
        {
            split: Confidence.of(
                scaled(probabilities[split], applied), predictions.labels.astype(np.int64), predictions.groups
            )
            for split, predictions in stored.items()
        }
        for applied in (None, temperature)
    )
    return KnownConfidence(temperature, before, after)
