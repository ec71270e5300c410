"""When a model should abstain: a threshold chosen on validation images, and what it comes to on test images."""

from dataclasses import dataclass

import numpy as np

from src.common.errors import ThawError
from src.data.listing import Split
from src.deployment.model_source import OpenedModel
from src.inference.calibration import Abstention, Confidence, abstention, fit_temperature, threshold_for
from src.inference.temperature import scaled
from src.statistics.intervals import Interval
from src.tracking.prediction_files import read_predictions, read_probabilities


@dataclass(frozen=True)
class KnownConfidence:
    """The calibrated confidence of a model in the images that its trial set aside.

    Attributes:
        temperature: that is applied.
        by_split: val, and test where there are test images.
    """

    temperature: float
    by_split: dict[Split, Confidence]

    def threshold(self, accuracy: float) -> float:
        """Return the least threshold at which the answers on validation images reach `accuracy`.

        Raises:
            ThawError: none does.
        """
        found = threshold_for(self.by_split["val"], accuracy)
        if found is None:
            raise ThawError(f"--target-accuracy {accuracy:g}: not reached on validation images at any confidence")
        return found

    def sentence(self, threshold: float) -> str:
        """Return what answering at `threshold` comes to, on test images where there are some."""
        split: Split = "test" if "test" in self.by_split else "val"
        confidence = self.by_split[split]
        return abstention_sentence(abstention(confidence, threshold), confidence.values.size, split)


def known_confidence(model: OpenedModel) -> KnownConfidence | None:
    """Return what the model's run keeps of its confidence; None where it keeps too little, as earlier versions did."""
    if model.client is None or model.run is None:
        return None
    probabilities = read_probabilities(model.client, model.run)
    splits: tuple[Split, ...] = ("val", "test")
    labels = {
        split: found.labels.astype(np.int64)
        for split in splits
        if split in probabilities and (found := read_predictions(model.client, model.run, split))
    }
    if "val" not in labels:
        return None
    fitted = model.classifier.facts.temperature or fit_temperature(probabilities["val"], labels["val"]) or 1.0
    known = {split: Confidence.of(scaled(probabilities[split], fitted), own) for split, own in labels.items()}
    return KnownConfidence(fitted, known)


def abstention_sentence(found: Abstention, images: int, split: Split) -> str:
    """Return coverage and accuracy in a sentence.

    >>> abstention_sentence(Abstention(0.62, Interval(0.71, 0.69, 0.73, 2000), Interval(0.98, 0.97, 0.99, 1420)), 2000,
    ... "test")
    'At confidence 62.0% or more it answers 71.0% (95% CI 69.0–73.0) of 2,000 test images and is right on 98.0% (95% CI
    97.0–99.0) of those.'
    """
    where = {"test": "test images", "val": "validation images", "train": "training images"}[split]
    start = f"At confidence {100 * found.threshold:.1f}% or more it answers"
    if not found.accuracy.count:
        return f"{start} none of {images:,} {where}."
    return f"{start} {share(found.coverage)} of {images:,} {where} and is right on {share(found.accuracy)} of those."


def share(interval: Interval) -> str:
    """Return a share and its confidence interval in percent."""
    estimate = f"{100 * interval.estimate:.1f}%"
    if interval.low is None or interval.high is None:
        return estimate
    return f"{estimate} (95% CI {100 * interval.low:.1f}–{100 * interval.high:.1f})"
