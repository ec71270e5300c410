"""Predictions: the confusion matrix, the table of classes and the worst mistakes, on numbers done by hand."""

import numpy as np

from src.training.evaluation import Predictions

PREDICTIONS = Predictions(
    indices=np.array([10, 11, 12, 13]),
    labels=np.array([0, 0, 1, 1]),
    probabilities=np.array([[0.9, 0.1, 0], [0.4, 0.6, 0], [0.2, 0.8, 0], [0.95, 0.05, 0]], np.float32),
)


def test_confusion_has_true_rows_and_predicted_columns_for_every_class() -> None:
    assert PREDICTIONS.confusion().tolist() == [[1, 1, 0], [1, 1, 0], [0, 0, 0]]


def test_worst_mistakes_come_first() -> None:
    assert PREDICTIONS.worst(5).tolist() == [3, 1]
    assert PREDICTIONS.worst(1).tolist() == [3]


def test_per_class_table_names_classes_without_photos() -> None:
    rows = PREDICTIONS.per_class({"a": 3, "b": 4, "c": 5})
    assert rows[0] == {"class": "a", "precision": 0.5, "recall": 0.5, "f1": 0.5, "photos": 2, "training_photos": 3}
    assert rows[2] == {"class": "c", "precision": 0.0, "recall": 0.0, "f1": 0.0, "photos": 0, "training_photos": 5}
