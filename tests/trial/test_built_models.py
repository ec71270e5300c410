"""What a process keeps between trials, and that it lets go of the rest."""

import weakref

import numpy as np
import pytest

from src.models import runtime  # noqa: F401 - sets TensorFlow up as trials do
from src.trial import built_models
from src.trial.built_models import get_or_build
from tests.conftest import Compose
from tests.training.test_schedule import plan_of


def test_networks_that_made_room_are_given_back(composed: Compose, tiny: tuple[str, ...]) -> None:
    def laid_out(policy: str) -> "weakref.ref[object]":
        trial = composed(*tiny, "backbone=mobilenetv2", "weights=random", "weights.alpha=0.35", f"batchnorm={policy}")
        return weakref.ref(get_or_build(plan_of(trial)).network.model)

    first, *_, last = [laid_out(policy) for policy in ("inference", "frozen", "train")]
    assert first() is None
    assert last() is not None
    assert laid_out("train")() is last()


def test_adapted_statistics_are_taken_once_and_are_the_same_again(
    composed: Compose, tiny: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    base = (*tiny, "backbone=mobilenetv2", "weights=random", "weights.alpha=0.35", "batchnorm=adapted")
    trial, other = plan_of(composed(*base, "dropout=0.1")), plan_of(composed(*base, "dropout=0.3"))
    first = get_or_build(trial).network.model.get_weights()
    monkeypatch.setattr(built_models, "adapt_statistics", lambda *_: pytest.fail("taken again"))
    for ours, theirs in zip(get_or_build(other).network.model.get_weights(), first, strict=True):
        np.testing.assert_array_equal(ours, theirs)
