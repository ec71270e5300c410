"""What trials are expected to cost."""

import pytest

from src.advice.cost_model import Cost, MeasuredTime, costs


def test_the_first_trial_of_all_says_nothing_of_what_is_spent_once() -> None:
    """It starts TensorFlow, reads the data and computes features, for all."""
    assert costs({0: [MeasuredTime(12.5, 0.25, 2, once=11)]}) == {0: Cost(1.0, 0.25)}


def test_a_second_trial_says_what_there_is_beside_the_epochs() -> None:
    trials = [MeasuredTime(12.5, 0.25, 2, once=11), MeasuredTime(2.5, 0.5, 4, once=0.25)]
    assert costs({0: trials}) == {0: Cost(0.5, 0.375)}, "what both spend again recurs"


def test_a_candidate_with_one_trial_is_taken_to_compile_in_it() -> None:
    first, deeper = [MeasuredTime(12.5, 0.25, 2, once=11)], [MeasuredTime(9.0, 1.0, 2)]
    assert costs({0: first, 1: deeper, 2: []}) == {0: Cost(1.0, 0.25), 1: Cost(1.0, 1.0)}


def test_what_each_trial_spends_again_recurs() -> None:
    """A large folder is listed by each."""
    first, deeper = [MeasuredTime(12.5, 0.25, 2, once=11)], [MeasuredTime(14.0, 1.0, 2, once=5)]
    assert costs({0: first, 1: deeper}) == {0: Cost(6.0, 0.25), 1: Cost(6.0, 1.0)}


def test_what_another_process_spends_once_again_does_not_count() -> None:
    """After a kill, or with more minutes."""
    trials = [MeasuredTime(12.5, 0.5, 2, once=10), MeasuredTime(14.0, 0.5, 4, once=10)]
    assert costs({0: trials, 1: [MeasuredTime(2.5, 0.5, 2)]})[0] == Cost(2.0, 0.5)


def test_some_caution_is_added() -> None:
    assert Cost(1.0, 0.5).of(8) == pytest.approx(1.15 * 5)
