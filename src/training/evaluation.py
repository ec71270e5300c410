"""Predictions of the kept weights for the images of a split."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import classification_report, confusion_matrix

from src.data.dataset import Dataset
from src.data.listing import Split
from src.data.split import Indices
from src.training.phase import probabilities_of
from src.training.trainable_segment import Batches


@dataclass(frozen=True)
class Predictions:
    """The probabilities of a split's images.

    Attributes:
        indices: into the data set, int64 [images].
        labels: the true classes, int64 [images].
        probabilities: float32 [images, classes].
    """

    indices: Indices
    labels: NDArray[np.int64]
    probabilities: NDArray[np.float32]

    @property
    def predicted(self) -> NDArray[np.int64]:
        """Return the most probable class, int64 [images]."""
        return np.asarray(self.probabilities.argmax(axis=1), np.int64)

    def confusion(self) -> NDArray[np.int64]:
        """Return the number of images by true and predicted class, int64 [classes, classes]."""
        classes = np.arange(self.probabilities.shape[1])
        return np.asarray(confusion_matrix(self.labels, self.predicted, labels=classes), np.int64)

    def worst(self, count: int) -> NDArray[np.int64]:
        """Return the positions of the `count` mistakes that were made with most confidence, worst first."""
        wrong = np.flatnonzero(self.predicted != self.labels)
        confidence = self.probabilities.max(axis=1)[wrong]
        worst: NDArray[np.int64] = wrong[np.argsort(-confidence, kind="stable")]
        return worst[:count]

    def per_class(self, training_images: Mapping[str, int]) -> list[dict[str, float | str]]:
        """Return precision, recall, F1 and image counts of each class; `training_images` in the same order."""
        report = classification_report(
            self.labels, self.predicted, labels=np.arange(len(training_images)), output_dict=True, zero_division=0
        )
        return [
            {"class": name, **_class_scores(report[str(k)]), "training_photos": count}
            for k, (name, count) in enumerate(training_images.items())
        ]


def _class_scores(values: dict[str, float]) -> dict[str, float]:
    return {
        "precision": values["precision"], "recall": values["recall"], "f1": values["f1-score"],
        "photos": int(values["support"]),
    }  # fmt: skip


def predictions_of(batches: Sequence[Batches], dataset: Dataset, split: Split) -> Predictions:
    """Return the predictions of measured `batches`, which hold the images of `split` in order."""
    indices = dataset.splits[split]
    return Predictions(indices, dataset.labels[indices], probabilities_of(batches))
