"""Temperature, calibration error and abstention, on cases whose answers are known."""

import numpy as np
import pytest
from numpy.typing import NDArray

from src.inference.calibration import (
    Confidence,
    abstention,
    calibration_error,
    fit_temperature,
    most_accuracy_shown,
    reliability,
    threshold_for,
    threshold_to_report,
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


def test_images_of_one_group_make_wider_intervals() -> None:
    values, right = np.full(100, 0.9), np.repeat([True, False], [80, 20])
    groups = np.repeat(np.arange(10), 10).astype(np.uint64)
    alone, grouped = (abstention(Confidence(values, right, of), 0.5) for of in (None, groups))
    assert alone.accuracy.estimate == grouped.accuracy.estimate == 0.8
    assert (grouped.accuracy.low or 1) < (alone.accuracy.low or 0)
    assert (grouped.coverage.low or 1) < (alone.coverage.low or 0)


def test_the_threshold_answers_most_images_at_the_accuracy_that_is_shown() -> None:
    """Lower ends of the 95% intervals, from the most confident image on: 0.207, 0.342, 0.208, 0.376 (two), 0.300."""
    known = confidence((0.9, True), (0.8, True), (0.7, False), (0.6, True), (0.6, True), (0.1, False))
    assert threshold_for(known, 0.36) == 0.6
    assert threshold_for(known, 0.25) == 0.1
    assert threshold_for(known, 0.0) == 0.1
    assert threshold_for(known, 0.4) is None
    assert most_accuracy_shown(known) == pytest.approx(0.3755, abs=1e-3)
    assert threshold_for(confidence((0.5, False)), 0.9) is None
    assert threshold_for(confidence(), 0.0) is None
    assert most_accuracy_shown(confidence()) == 0


def test_new_images_reach_the_accuracy_that_a_threshold_was_chosen_for() -> None:
    """The least threshold at which 200 images happened to be right often enough falls short in most draws."""
    rng, chosen, missed, naive = np.random.default_rng(0), 0, 0, 0
    for _ in range(200):
        values = rng.uniform(0.4, 1, 4200)
        right = rng.random(4200) < values
        known, new = Confidence(values[:200], right[:200]), Confidence(values[200:], right[200:])
        if (threshold := threshold_for(known, 0.8)) is not None:
            chosen += 1
            missed += abstention(new, threshold).accuracy.estimate < 0.8
        order = np.argsort(-known.values)
        enough = np.flatnonzero(np.cumsum(known.right[order]) / np.arange(1, 201) >= 0.8)
        naive += abstention(new, float(known.values[order][enough[-1]])).accuracy.estimate < 0.8
    assert chosen >= 150
    assert missed <= 20
    assert naive >= 60


def test_images_of_one_group_do_not_choose_a_threshold_alone() -> None:
    values, right = np.linspace(0.5, 1, 100), np.ones(100, np.bool_)
    assert threshold_for(Confidence(values, right), 0.9) is not None
    assert threshold_for(Confidence(values, right, np.zeros(100, np.uint64)), 0.9) is None


def test_the_threshold_to_report_answers_half_of_the_images_or_more() -> None:
    rng = np.random.default_rng(0)
    values = rng.uniform(0.5, 1, 2000)
    known = Confidence(values, rng.random(2000) < values)
    answered = values >= threshold_to_report(known)
    assert 0.5 <= answered.mean() < 1
    assert known.right[answered].mean() > known.right.mean()
    assert threshold_to_report(confidence((0.9, False), (0.5, False), (0.1, False))) == 0.5


def test_a_temperature_does_not_hang_on_last_digits() -> None:
    """Threads round a softmax otherwise in its last digit."""
    rng = np.random.default_rng(0)
    probabilities = rng.dirichlet(np.ones(3), 12).astype(np.float32)
    labels = rng.integers(3, size=12)
    other = np.nextafter(probabilities, np.float32(1))
    assert fit_temperature(other, labels) == pytest.approx(fit_temperature(probabilities, labels), rel=1e-6)
