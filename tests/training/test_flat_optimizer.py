"""An optimizer on long vectors gives the numbers of Keras' own on each variable."""

from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf

from src.config import OptimizerConfig
from src.models import runtime  # noqa: F401 - sets TensorFlow up as trials do
from src.training import flat_optimizer
from src.training.flat_optimizer import FlatOptimizer, make_optimizer
from tests.conftest import Compose

SHAPES: tuple[tuple[int, ...], ...] = ((3, 3, 2, 5), (5,), (), (7, 3))
KINDS = [("adam", 0.0), ("adamw", 0.01), ("sgd", 0.0)]


def config(name: str, decay: float) -> OptimizerConfig:
    return OptimizerConfig.model_validate({"name": name, "momentum": 0.9, "weight_decay": decay})


def variables(seed: int = 0) -> list[keras.Variable]:
    draw = np.random.default_rng(seed)
    return [keras.Variable(draw.normal(size=shape).astype(np.float32)) for shape in SHAPES]


def gradients(steps: int) -> list[list[Any]]:
    draw = np.random.default_rng(1)
    return [[tf.constant(draw.normal(size=shape), tf.float32) for shape in SHAPES] for _ in range(steps)]


def after(optimizer: FlatOptimizer, steps: list[list[Any]]) -> list[bytes]:
    step = tf.function(optimizer.apply, autograph=False)
    for each in steps:
        step(each)
    return [variable.numpy().tobytes() for variable in optimizer.variables]


@pytest.mark.parametrize(("name", "kind"), [("adam", "Adam"), ("sgd", "SGD"), ("adamw", "AdamW")])
def test_optimizers_by_name(composed: Compose, name: str, kind: str) -> None:
    assert type(make_optimizer(composed(f"optimizer={name}").optimizer)).__name__ == kind


@pytest.fixture(params=[2, 6, 10**6], autouse=True)
def large(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """All variables but one are large, some, or none."""
    monkeypatch.setattr(flat_optimizer, "_LARGE", request.param)


@pytest.mark.parametrize(("name", "decay"), KINDS)
def test_vectors_train_as_each_variable_by_itself_bit_for_bit(name: str, decay: float) -> None:
    flat, own = FlatOptimizer(config(name, decay), variables()), variables()
    flat.begin(0.01)
    plain = make_optimizer(config(name, decay))
    plain.build(own)
    plain.learning_rate.assign(0.01)
    step = tf.function(lambda *each: plain.apply(list(each), own), autograph=False)
    for each in gradients(5):
        step(*each)
    assert after(flat, gradients(5)) == [variable.numpy().tobytes() for variable in own]
    moments = [variable.numpy() for variable in plain.variables]
    kept = flat.state()
    assert sorted(kept, key=int) == [str(k) for k in range(len(moments))]
    for k, expected in enumerate(moments):
        np.testing.assert_array_equal(kept[str(k)], expected)


@pytest.mark.parametrize(("name", "decay"), KINDS)
def test_a_restored_optimizer_goes_on_as_if_never_stopped(name: str, decay: float) -> None:
    whole = FlatOptimizer(config(name, decay), variables())
    whole.begin(0.01)
    expected = after(whole, gradients(6))
    first = FlatOptimizer(config(name, decay), variables())
    first.begin(0.01)
    after(first, gradients(6)[:3])
    second = FlatOptimizer(config(name, decay), variables(seed=9))
    second.begin(0.5)
    for variable, value in zip(second.variables, first.variables, strict=True):
        variable.assign(value)
    second.restore(first.state())
    assert after(second, gradients(6)[3:]) == expected


def test_what_begins_anew_has_no_memory() -> None:
    optimizer = FlatOptimizer(config("adam", 0), variables())
    optimizer.begin(0.01)
    after(optimizer, gradients(4))
    for variable, start in zip(optimizer.variables, variables(), strict=True):
        variable.assign(start)
    optimizer.begin(0.01)
    fresh = FlatOptimizer(config("adam", 0), variables())
    fresh.begin(0.01)
    assert after(optimizer, gradients(2)) == after(fresh, gradients(2))
