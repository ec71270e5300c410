"""The metrics that a trial can be judged by, in one table: their names, their words, and how each is computed.

A metric is a function of what classes an inference counted, so that an epoch pays three counts for all of them.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

from src.common.errors import ThawError, did_you_mean
from src.tracking import schema

Objective = Literal["accuracy", "balanced_accuracy", "macro_f1"]
Monitor = Literal["val_accuracy", "val_balanced_accuracy", "val_macro_f1", "val_loss"]


@dataclass(frozen=True)
class ClassCounts:
    """Images of each class, int64 [classes]: truly of it, predicted as it, and both."""

    true: NDArray[np.int64]
    predicted: NDArray[np.int64]
    right: NDArray[np.int64]

    @classmethod
    def of(cls, labels: NDArray[np.int64], predicted: NDArray[np.int64], classes: int) -> "ClassCounts":
        """Return the counts of the images' true `labels` and `predicted` classes, int64 [images]."""
        both = labels[labels == predicted]
        return cls(*(np.bincount(values, minlength=classes) for values in (labels, predicted, both)))

    @classmethod
    def of_one_guess(cls, true: NDArray[np.int64], guess: int) -> "ClassCounts":
        """Return the counts where every image is predicted as the class `guess`."""
        is_guess = np.arange(true.size) == guess
        return cls(true, np.where(is_guess, true.sum(), 0), np.where(is_guess, true, 0))


@dataclass(frozen=True)
class Metric:
    """One metric, in 0–1, the higher the better.

    Attributes:
        objective: its value of the key `objective`, and its name in MLflow after `val/`, `train/` and `test/`.
        words: what people read.
        short: the same where there is little room.
        is_proportion: whether it is a share of images or a mean of such shares, so that it reads as a percentage.
        compute: its value from what was counted.
    """

    objective: Objective
    words: str
    short: str
    is_proportion: bool
    compute: Callable[[ClassCounts], float]

    @property
    def best(self) -> str:
        """Return the name in MLflow of its validation value at the epoch that was kept."""
        return schema.best(schema.VAL, self.objective)

    @property
    def on_validation(self) -> str:
        """Return the name of its validation value on the terminal; `val` alone is accuracy's."""
        return "val" if self.objective == "accuracy" else f"val {self.words}"

    @property
    def baseline(self) -> str:
        """Return the name in MLflow of what always predicting the largest training class reaches on validation."""
        return schema.baseline(schema.VAL, self.objective)

    def is_no_better(self, numbers: Mapping[str, float]) -> bool:
        """Return whether a trial's validation value, by the names in MLflow, does not exceed its baseline's."""
        return self.best in numbers and self.baseline in numbers and numbers[self.best] <= numbers[self.baseline]


def _accuracy(counts: ClassCounts) -> float:
    """Return the share of images whose class is predicted."""
    return float(counts.right.sum() / counts.true.sum())


def _balanced_accuracy(counts: ClassCounts) -> float:
    """Return the mean recall over the classes that have images: scikit-learn's `balanced_accuracy_score`."""
    known = counts.true > 0
    return float(np.mean(counts.right[known] / counts.true[known]))


def _macro_f1(counts: ClassCounts) -> float:
    """Return the mean F1 over the classes that have images or predictions: `f1_score(average="macro")`.

    Those are scikit-learn's default labels: a class that the split lacks counts only where it is predicted, with 0.
    """
    either = counts.true + counts.predicted
    known = either > 0
    return float(np.mean(2 * counts.right[known] / either[known]))


METRICS: Mapping[str, Metric] = {
    metric.objective: metric
    for metric in (
        Metric("accuracy", "accuracy", "accuracy", True, _accuracy),
        Metric("balanced_accuracy", "balanced accuracy", "balanced", True, _balanced_accuracy),
        Metric("macro_f1", "macro F1", "macro F1", False, _macro_f1),
    )
}
"""By the key `objective`."""

assert set(METRICS) == set(get_args(Objective))


def scores(counts: ClassCounts) -> dict[str, float]:
    """Return every metric by its objective."""
    return {name: metric.compute(counts) for name, metric in METRICS.items()}


def known_objective(typed: str, name: str | None) -> Objective | None:
    """Return the objective called `name`, None for None; `typed` is what stands before it where the user typed it.

    Raises:
        ThawError: no such objective.
    """
    if name is not None and name not in METRICS:
        raise ThawError(f"{typed}{name}: {did_you_mean(name, list(METRICS))}")
    return None if name is None else METRICS[name].objective


def baselines(train: NDArray[np.int64], splits: Mapping[str, NDArray[np.int64]]) -> dict[str, float]:
    """Return what predicting without looking reaches, by the names in MLflow.

    `baseline/SPLIT_METRIC` is of always predicting the largest training class, the first by name of equal ones;
    `baseline/chance` of predicting any class with equal probability, 1 / classes: that is its expected accuracy and
    balanced accuracy, and what its macro F1 reaches at most.

    Args:
        train: training images of each class, int64 [classes].
        splits: the same of splits that are measured, by their names; one without images has no baseline.
    """
    largest = int(train.argmax())
    numbers = {schema.CHANCE: 1 / train.size}
    for split, true in splits.items():
        if true.sum():
            reached = scores(ClassCounts.of_one_guess(true, largest))
            numbers |= {schema.baseline(split, name): value for name, value in reached.items()}
    return numbers
