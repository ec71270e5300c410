"""Metrics against scikit-learn, with classes that are absent from the truth, the predictions, or both."""

import warnings

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from sklearn.metrics import accuracy_score, balanced_accuracy_score, f1_score

from src.common.metrics import METRICS, ClassCounts, baselines, scores

CLASSES = 5
Labels = NDArray[np.int64]
classes = st.integers(0, CLASSES - 1)
pairs = st.lists(st.tuples(classes, classes), min_size=1, max_size=60).map(lambda rows: np.array(rows, np.int64).T)


def by_scikit_learn(labels: Labels, predicted: Labels) -> dict[str, float]:
    with warnings.catch_warnings(action="ignore"):  # of predicted classes that have no image
        return {
            "accuracy": accuracy_score(labels, predicted),
            "balanced_accuracy": balanced_accuracy_score(labels, predicted),
            "macro_f1": f1_score(labels, predicted, average="macro", zero_division=0),
        }


@given(pairs)
def test_every_metric_is_scikit_learns(rows: tuple[Labels, Labels]) -> None:
    labels, predicted = rows
    found = scores(ClassCounts.of(labels, predicted, CLASSES))
    assert set(found) == set(METRICS)
    assert found == pytest.approx(by_scikit_learn(labels, predicted), abs=1e-12)


@given(st.lists(classes, min_size=1, max_size=40), st.lists(classes, min_size=1, max_size=40))
def test_the_baseline_is_what_always_predicting_the_largest_training_class_scores(
    train: list[int], val: list[int]
) -> None:
    counts = {name: np.bincount(labels, minlength=CLASSES) for name, labels in (("train", train), ("val", val))}
    labels, guess = np.array(val), np.full(len(val), counts["train"].argmax())
    found = baselines(counts["train"], {"val": counts["val"], "test": np.zeros(CLASSES, np.int64)})
    assert found == pytest.approx(
        {f"baseline/val_{name}": value for name, value in by_scikit_learn(labels, guess).items()}
        | {"baseline/chance": 1 / CLASSES}
    )


def test_chance_is_what_random_predictions_score_and_at_most_that_in_macro_f1() -> None:
    rng = np.random.default_rng(0)
    labels = rng.choice(CLASSES, 200_000, p=[0.6, 0.2, 0.1, 0.05, 0.05])
    found = scores(ClassCounts.of(labels, rng.integers(0, CLASSES, labels.size), CLASSES))
    assert (found["accuracy"], found["balanced_accuracy"]) == pytest.approx((0.2, 0.2), abs=0.01)
    assert found["macro_f1"] < 0.2


def test_a_trial_that_only_equals_its_baseline_is_no_better() -> None:
    metric = METRICS["macro_f1"]
    assert metric.is_no_better({"best/val_macro_f1": 0.3, "baseline/val_macro_f1": 0.3})
    assert not metric.is_no_better({"best/val_macro_f1": 0.31, "baseline/val_macro_f1": 0.3})
    assert not metric.is_no_better({"best/val_macro_f1": 0.3})  # from before: not known
