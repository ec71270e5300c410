"""Temperature, calibration error and abstention, on cases whose answers are known."""

import numpy as np
import pytest
from numpy.typing import NDArray

from src.inference.calibration import (
    Confidence,
    abstention,
    calibration_error,
    fit_temperature,
    reliability,
    threshold_for,
)
from src.inference.temperature import scaled


def drawn(count: int, temperature: float) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Return probabilities that are `temperature` times too confident, and labels as they truly fall."""
    rng = np.random.default_rng(0)
    logits = rng.normal(0, 1.5, (count, 5))
    true = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    labels = np.array([rng.choice(5, p=row) for row in true])
    return scaled(true.astype(np.float32), 1 / temperature), labels


@pytest.mark.parametrize("temperature", [0.5, 1.0, 3.0])
def test_the_temperature_of_too_confident_probabilities_is_found(temperature: float) -> None:
    probabilities, labels = drawn(4000, temperature)
    assert fit_temperature(probabilities, labels) == pytest.approx(temperature, rel=0.08)


def test_calibration_lowers_the_error_and_changes_no_answer() -> None:
    probabilities, labels = drawn(4000, 3.0)
    after = scaled(probabilities, fit_temperature(probabilities, labels))
    np.testing.assert_array_equal(after.argmax(axis=1), probabilities.argmax(axis=1))
    errors = [calibration_error(Confidence.of(each, labels)) for each in (probabilities, after)]
    assert errors[0] > 0.15
    assert errors[1] < 0.03


def test_a_few_images_all_right_make_nothing_certain() -> None:
    probabilities = np.array([[0.7, 0.3]] * 4, np.float32)
    temperature = fit_temperature(probabilities, np.zeros(4, np.int64))
    assert temperature is not None
    assert 0.3 < temperature < 1


def test_a_diverged_network_has_no_temperature() -> None:
    assert fit_temperature(np.full((3, 2), np.nan, np.float32), np.zeros(3, np.int64)) is None


def test_probabilities_of_zero_stay_finite() -> None:
    assert scaled(np.array([[1, 0]], np.float32), 0.05).tolist() == [[1, 0]]
    assert scaled(np.array([[1, 0]], np.float32), None).tolist() == [[1, 0]]


def confidence(*pairs: tuple[float, bool]) -> Confidence:
    return Confidence(np.array([value for value, _ in pairs]), np.array([right for _, right in pairs]))


def test_reliability_counts_images_by_confidence() -> None:
    bins = reliability(confidence((0.01, False), (0.99, True), (1.0, True), (0.98, False)))
    assert [(each.count, round(each.confidence, 3), round(each.accuracy.estimate, 3)) for each in bins] == [
        (1, 0.01, 0), (3, 0.99, 0.667)
    ]  # fmt: skip


def test_abstention_counts_what_is_answered() -> None:
    found = abstention(confidence((0.9, True), (0.8, False), (0.5, True), (0.2, False)), 0.8)
    assert (found.coverage.estimate, found.accuracy.estimate, found.accuracy.count) == (0.5, 0.5, 2)
    none = abstention(confidence((0.9, True)), 0.95)
    assert (none.coverage.estimate, none.accuracy.low) == (0, None)


def test_the_threshold_answers_most_images_at_the_accuracy_asked_for() -> None:
    known = confidence((0.9, True), (0.8, True), (0.7, False), (0.6, True), (0.6, True), (0.1, False))
    assert threshold_for(known, 1.0) == 0.8
    assert threshold_for(known, 0.75) == 0.6
    assert threshold_for(known, 0.0) == 0.1
    assert threshold_for(confidence((0.5, False)), 0.9) is None
