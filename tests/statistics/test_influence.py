"""How much images move a metric, against leaving each out in turn."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import balanced_accuracy_score, f1_score

from src.common.metrics import METRICS
from src.statistics.influence import influences

ACCURACY = METRICS["accuracy"].compute


@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3)), min_size=3, max_size=30))
def test_accuracys_influence_is_the_hit_less_the_accuracy(pairs: list[tuple[int, int]]) -> None:
    labels, predicted = np.array(pairs).T
    hits = (labels == predicted).astype(float)
    found = influences(ACCURACY, labels, predicted, np.arange(labels.size))
    assert found == pytest.approx((hits - hits.mean()) / hits.size, abs=1e-12)


@pytest.mark.parametrize("objective", ["balanced_accuracy", "macro_f1"])
def test_of_other_metrics_it_is_the_jackknifes(objective: str) -> None:
    rng = np.random.default_rng(0)
    labels, predicted = rng.integers(0, 3, (2, 40))
    score = {
        "balanced_accuracy": balanced_accuracy_score,
        "macro_f1": lambda true, guess: f1_score(true, guess, average="macro"),
    }[objective]
    without = np.array([score(np.delete(labels, i), np.delete(predicted, i)) for i in range(40)])
    found = influences(METRICS[objective].compute, labels, predicted, np.arange(40))
    assert found == pytest.approx(39 / 40 * (without.mean() - without))


def test_images_of_a_case_are_added_up() -> None:
    labels, predicted = np.array([0, 0, 1, 1]), np.array([0, 1, 1, 1])
    apart = influences(ACCURACY, labels, predicted, np.arange(4))
    together = influences(ACCURACY, labels, predicted, np.array([0, 0, 1, 2]))
    assert together == pytest.approx([apart[0] + apart[1], apart[2], apart[3]])
