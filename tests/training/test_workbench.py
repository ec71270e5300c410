"""What a process keeps between trials, and that it lets go of the rest."""

import weakref

from src.training import runtime  # noqa: F401 - sets TensorFlow up as trials do
from src.training.workbench import lay_out
from tests.conftest import Compose
from tests.training.test_schedule import plan_of


def test_networks_that_made_room_are_given_back(composed: Compose, tiny: tuple[str, ...]) -> None:
    def laid_out(policy: str) -> "weakref.ref[object]":
        trial = composed(*tiny, "backbone=mobilenetv2", "weights=random", "weights.alpha=0.35", f"batchnorm={policy}")
        return weakref.ref(lay_out(plan_of(trial)).network.model)

    first, *_, last = [laid_out(policy) for policy in ("inference", "frozen", "train")]
    assert first() is None
    assert last() is not None
    assert laid_out("train")() is last()
