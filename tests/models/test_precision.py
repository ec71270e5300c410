"""Half precision: every backbone computes and trains in it, close to float32, and its model is saved in float32."""

import numpy as np
import pytest

from src.common.depth_choice import DepthChoice
from src.config import OptimizerConfig, Precision
from src.features.frozen_segment import BATCH, FrozenSegment
from src.models.backbone import pretrained
from src.models.catalog import CATALOG, find_backbone
from src.models.cut import freeze_boundary
from src.models.depth import resolve_depth
from src.models.network import Network, build_network
from src.models.precision import slower_than_float32
from src.training.trainable_segment import TrainableSegment
from tests.models.test_network import random_weights

IMAGES = np.random.default_rng(0).uniform(0, 255, (BATCH, 32, 32, 3)).astype(np.float32)
HALF: tuple[Precision, ...] = ("bfloat16", "float16")
ADAM = OptimizerConfig(name="adam", momentum=0.9, weight_decay=0.0)


def network(backbone: str, precision: Precision, side: int = 32) -> Network:
    alpha = 0.35 if backbone == "mobilenetv2" else 1.0
    spec = find_backbone(backbone)
    plain = pretrained(spec, random_weights(backbone, alpha), side, 0)
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
@pytest.mark.parametrize("backbone", CATALOG)
def test_every_backbone_trains_in_it(backbone: str, precision: Precision) -> None:
    net = network(backbone, precision, side=max(32, find_backbone(backbone).least_size))
    depth = resolve_depth(DepthChoice.read("2 blocks"), net.table, "inference", backbone)
    cut = freeze_boundary(net.graph, net.table, depth)
    trained = TrainableSegment(net, depth, cut, ADAM)
    trained.begin(1e-3)
    side = net.model.input_shape[1]
    images = np.random.default_rng(0).uniform(0, 255, (BATCH, side * side * 3)).astype(np.float32)
    (features,) = FrozenSegment(net.model, None, [cut])(images)
    before = net.model.get_weights()
    weights, labels = np.ones(3, np.float32), np.arange(BATCH) % 3
    batches = trained.train(features, labels, weights, 8)
    assert np.isfinite(batches.losses).all()
    changed = [not np.array_equal(a, b) for a, b in zip(before, net.model.get_weights(), strict=True)]
    assert sum(changed) >= len(net.model.trainable_variables)
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
