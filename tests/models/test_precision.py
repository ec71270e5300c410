"""Half precision: every backbone computes and trains in it, close to float32, and its model is saved in float32."""

import csv
import math
from pathlib import Path

import numpy as np
import pytest

from src.common.depth_choice import DepthChoice
from src.config import OptimizerConfig, Precision
from src.features.frozen_segment import BATCH, FrozenSegment
from src.models.backbone import pretrained
from src.models.catalog import find_backbone
from src.models.cut import freeze_boundary
from src.models.depth import resolve_depth
from src.models.network import Network, build_network
from src.models.precision import slower_than_float32
from src.models.weights import WeightSet
from src.training.trainable_segment import TrainableSegment
from tests.conftest import Command
from tests.models.test_network import random_weights

IMAGES = np.random.default_rng(0).uniform(0, 255, (BATCH, 64, 64, 3)).astype(np.float32)
OF_ALL_KINDS = ("efficientnetb0", "convnexttiny", "densenet121")
HALF: tuple[Precision, ...] = ("bfloat16", "float16")
ADAM = OptimizerConfig(name="adam", momentum=0.9, weight_decay=0.0)


def network(backbone: str, precision: Precision, side: int = 64) -> Network:
    spec = find_backbone(backbone)
    is_small = backbone == "mobilenetv2"
    weights = WeightSet("formula", None, 0.35, 96, "formula") if is_small else random_weights(backbone)
    plain = pretrained(spec, weights, side, 0)
    net = build_network(plain, spec, classes=3, batchnorm="inference", precision=precision)
    net.begin(plain.get_weights(), seed=0, dropout=0.2)
    return net


@pytest.mark.parametrize("precision", HALF)
def test_a_networks_answers_are_close_to_those_in_float32(precision: Precision) -> None:
    half, whole = (np.asarray(network("mobilenetv2", each).model(IMAGES)) for each in (precision, "float32"))
    assert half.dtype == np.float32
    assert not np.array_equal(half, whole)
    np.testing.assert_allclose(half, whole, atol=0.05)


@pytest.mark.parametrize("precision", HALF)
def test_the_saved_model_is_in_float32_with_the_same_variables(precision: Precision) -> None:
    net = network("mobilenetv2", precision)
    saved = net.in_keras_layers()
    assert {layer.compute_dtype for layer in saved.layers} == {"float32"}
    assert all(np.array_equal(a, b) for a, b in zip(saved.get_weights(), net.model.get_weights(), strict=True))
    whole = np.asarray(network("mobilenetv2", "float32").model(IMAGES))
    np.testing.assert_array_equal(np.asarray(saved(IMAGES)), whole)


@pytest.mark.slow
@pytest.mark.parametrize("precision", HALF)
@pytest.mark.parametrize("backbone", OF_ALL_KINDS)
def test_every_kind_of_layer_trains_in_it(backbone: str, precision: Precision) -> None:
    net = network(backbone, precision, side=max(32, find_backbone(backbone).least_size))
    depth = resolve_depth(DepthChoice.read("2 blocks"), net.table, "inference", backbone)
    cut = freeze_boundary(net.graph, net.table, depth)
    trained = TrainableSegment(net, depth, cut, ADAM)
    trained.begin(1e-3)
    images = np.random.default_rng(0).uniform(0, 255, (BATCH, math.prod(net.model.input_shape[1:])))
    (features,) = FrozenSegment(net.model, None, [cut])(images.astype(np.float32))
    batches = trained.train(features, np.arange(BATCH) % 3, np.ones(3, np.float32), 8)
    assert np.isfinite(batches.losses).all()
    head = net.model.get_layer("head_dense")
    assert head.bias.numpy().any()
    assert all(np.isfinite(variable.numpy()).all() for variable in net.model.trainable_variables)
    assert {variable.dtype for variable in net.model.trainable_variables} == {"float32"}


def test_float16_goes_on_where_gradients_overflow() -> None:
    """The loss' scale is halved and the step left out, and both are a part of the optimizer's state."""
    net = network("mobilenetv2", "float16")
    depth = resolve_depth(DepthChoice.read("0"), net.table, "inference", "mobilenetv2")
    cut = freeze_boundary(net.graph, net.table, depth)
    trained = TrainableSegment(net, depth, cut, ADAM)
    trained.begin(1e-3)
    features = np.full((8, cut.width), np.inf, np.float32)
    kernel = net.model.get_layer("head_dense").kernel.numpy()
    trained.train(features, np.zeros(8, np.int64), np.ones(3, np.float32), 8)
    np.testing.assert_array_equal(net.model.get_layer("head_dense").kernel.numpy(), kernel)
    state = trained.optimizer.state()
    assert state["scale"] == 2.0**14
    trained.begin(1e-3)
    assert trained.optimizer.state()["scale"] == 2.0**15
    trained.optimizer.restore(state)
    assert trained.optimizer.state()["scale"] == 2.0**14


def test_float32_is_never_called_slower() -> None:
    assert slower_than_float32("float32") is None


def test_a_slower_device_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("src.models.precision._relative_time", lambda _: 3.14)
    assert slower_than_float32("bfloat16") == (
        "runtime.precision=bfloat16: a convolution takes 3.1 times as long as in float32 on this device"
    )


def test_a_sweep_may_vary_it(thaw: Command, tiny: tuple[str, ...], tmp_path: Path) -> None:
    store = f"tracking.uri=sqlite:///{tmp_path / 'mlflow.db'}"
    assert thaw("src.train", *tiny, "unfrozen=all", store, f"hydra.run.dir={tmp_path / 'one'}").returncode == 0
    words = ("-m", *tiny, "unfrozen=all", "runtime.precision=float32,bfloat16,float16", "force=false", store)
    done = thaw("src.train", *words, f"hydra.sweep.dir={tmp_path / 'many'}")
    assert done.returncode == 0, done.stderr
    assert "3 of 3 trials done, 1 reused" in done.stdout
    with (tmp_path / "many" / "report" / "trials.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [row["runtime.precision"] for row in rows] == ["float32", "bfloat16", "float16"]
    assert len({row["best/val_loss"] for row in rows}) == 3
