"""Cuts: what is before is constant, what is after is all the rest, and training after a cut is training the network."""

from collections.abc import Sequence
from functools import cache

import keras
import numpy as np
import pytest
import tensorflow as tf
from numpy.typing import NDArray

from src.common.depth_choice import DepthChoice
from src.models import runtime  # noqa: F401 - makes operations deterministic
from src.models.backbone import pretrained
from src.models.catalog import find_backbone
from src.models.cut import Cut, Graph, Step, Tensor, constant_part, cuts, freeze_boundary, segment, trace
from src.models.depth import BatchNormPolicy, Depth, resolve_depth
from src.models.layers import LayerInfo
from src.models.network import Network, build_network
from src.models.weights import WeightSet

Arrays = list[NDArray[np.float32]]

BATCH, EPOCHS = 24, 2  # a size at which an image gives the same wherever it stands in its batch
IMAGES = np.random.default_rng(0).uniform(0, 255, (2 * BATCH, 32, 32, 3)).astype(np.float32)
LABELS = np.eye(3, dtype=np.float32)[np.arange(len(IMAGES)) % 3]


@cache
def network(name: str, batchnorm: BatchNormPolicy = "inference", side: int = 32) -> Network:
    weights = WeightSet("random", None, 0.35 if name == "mobilenetv2" else 1.0, side, f"random/{name}")
    spec = find_backbone(name)
    plain = pretrained(spec, weights, side, 0)
    net = build_network(plain, spec, classes=3, batchnorm=batchnorm)
    net.begin(plain.get_weights(), seed=0, dropout=0.2)
    generator = np.random.default_rng(1)
    for layer in net.model.layers:
        if isinstance(layer, keras.layers.BatchNormalization):
            layer.set_weights([generator.uniform(0.5, 1.5, value.shape) for value in layer.get_weights()])
    return net


def resolve(net: Network, depth: int | str, batchnorm: BatchNormPolicy = "inference") -> Depth:
    return resolve_depth(DepthChoice.read(depth), net.table, batchnorm, "net")


def listed(arrays: Sequence[NDArray[np.float32]] | NDArray[np.float32]) -> Arrays:
    return [np.asarray(array) for array in (arrays if isinstance(arrays, (list, tuple)) else [arrays])]


IN_A_BLOCK = {"mobilenetv2": 16, "mobilenetv3small": 12, "resnet50": 9, "efficientnetb0": 25}
"""A depth at which a skip or a squeeze-and-excite branch crosses."""

ALL_PLACES = [(name, depth) for name, inside in IN_A_BLOCK.items() for depth in (0, 3, inside, "all")]


@pytest.mark.parametrize(("name", "depth"), ALL_PLACES)
def test_the_parts_together_are_the_network(name: str, depth: int | str) -> None:
    net = network(name)
    cut = freeze_boundary(trace(net.model), net.table, resolve(net, depth))
    prefix, tail = segment(net.model, None, cut.tensors), segment(net.model, cut.tensors, None)
    crossing = listed(prefix([IMAGES], training=False))
    assert [array.shape[1:] for array in crossing] == [tensor.shape for tensor in cut.tensors]
    assert sum(array[0].nbytes for array in crossing) == cut.image_bytes()
    np.testing.assert_array_equal(tail(crossing, training=False), net.model([IMAGES], training=False))
    whole = {id(variable) for variable in net.model.variables}
    assert {id(variable) for variable in tail.variables} <= whole


@pytest.mark.parametrize("name", IN_A_BLOCK)
def test_several_tensors_cross_inside_a_block(name: str) -> None:
    net = network(name)
    assert len(freeze_boundary(trace(net.model), net.table, resolve(net, IN_A_BLOCK[name])).tensors) > 1


def batches(arrays: Sequence[NDArray[np.float32]]) -> tf.data.Dataset:
    """Two epochs, each in its own order."""
    orders = [np.random.default_rng(epoch).permutation(len(IMAGES)) for epoch in range(EPOCHS)]
    chosen = np.concatenate(orders)
    return tf.data.Dataset.from_tensor_slices((tuple(array[chosen] for array in arrays), LABELS[chosen])).batch(BATCH)


def fit(model: keras.Model, arrays: Sequence[NDArray[np.float32]]) -> dict[str, list[float]]:
    for layer in model.layers:
        if isinstance(layer, keras.layers.Dropout):
            layer.seed_generator.state.assign([7, 0])
    model.compile(keras.optimizers.Adam(0.01), "categorical_crossentropy", metrics=["accuracy"], jit_compile=False)
    validation = tf.data.Dataset.from_tensor_slices((tuple(arrays), LABELS)).batch(BATCH)
    history = model.fit(
        batches(arrays), epochs=EPOCHS, steps_per_epoch=2, validation_data=validation, shuffle=False, verbose=0
    )
    return dict(history.history)


TRAINED = [
    ("mobilenetv2", IN_A_BLOCK["mobilenetv2"], "inference"),
    *(
        pytest.param(name, depth, policy, marks=pytest.mark.slow)
        for name, depth, policy in (
            ("mobilenetv2", 20, "train"),
            ("mobilenetv3small", 12, "inference"),
            ("resnet50", 9, "inference"),
            ("efficientnetb0", 25, "inference"),
        )
    ),
]


@pytest.mark.parametrize(("name", "depth", "policy"), TRAINED)
def test_training_after_the_cut_is_training_the_network(name: str, depth: int, policy: BatchNormPolicy) -> None:
    net = network(name, policy)
    planned = resolve(net, depth, policy)
    net.unfreeze(planned)
    start = net.model.get_weights()
    whole = fit(net.model, [IMAGES]), net.model.get_weights()
    net.model.set_weights(start)
    cut = freeze_boundary(trace(net.model), net.table, planned)
    prefix, tail = segment(net.model, None, cut.tensors), segment(net.model, cut.tensors, None)
    stored = listed(prefix.predict(IMAGES, batch_size=BATCH, verbose=0))
    apart = fit(tail, stored), net.model.get_weights()
    net.model.set_weights(start)
    assert apart[0] == whole[0]
    assert all(np.array_equal(a, b) for a, b in zip(apart[1], whole[1], strict=True))
    assert any(not np.array_equal(a, b) for a, b in zip(apart[1], start, strict=True))
    assert [v.path for v in tail.trainable_variables] == [v.path for v in net.model.trainable_variables]


def ancestors(graph: Graph, tensors: Sequence[Tensor]) -> set[str]:
    """Names of the steps that `tensors` come of."""
    steps = {step.name: step for step in graph}
    found: set[str] = set()
    waiting = list(tensors)
    while waiting:
        name = waiting.pop().operation
        if name not in found:
            found.add(name)
            waiting += steps[name].inputs
    return found


def after(graph: Graph, cut: Cut) -> set[str]:
    """Names of the steps that the network's output comes of when walking back stops at `cut`."""
    steps = {step.name: step for step in graph}
    found: set[str] = set()
    waiting = list(graph[-1].outputs)
    while waiting:
        tensor = waiting.pop()
        if tensor not in cut.tensors and tensor.operation not in found:
            found.add(tensor.operation)
            waiting += steps[tensor.operation].inputs
    return found


def check(net: Network, graph: Graph, planned: Depth) -> None:
    """The cuts at `planned` are closed, and nothing that trains lies before them."""
    trains = {info.name for info in net.table if any(path in planned.variables for path, _ in info.variables)}
    found = cuts(graph, net.table, planned)
    for cut in (found[0], found[len(found) // 2], found[-1]):
        before = ancestors(graph, cut.tensors)
        assert not before & trains
        assert trains | {"head_dropout", "head_dense"} <= after(graph, cut)
        assert before | after(graph, cut) == {step.name for step in graph}
        assert before.isdisjoint(after(graph, cut))
        assert cut.image_bytes() > 0
        assert cut.macs == sum(step.macs for step in graph if step.name in before)


@pytest.mark.parametrize("policy", ["inference", "frozen", "train"])
def test_at_every_depth_the_cut_is_closed_and_nothing_before_it_trains(policy: BatchNormPolicy) -> None:
    net = network("mobilenetv2")
    graph = trace(net.model)
    values = []
    for depth in range(len(net.table) + 1):
        planned = resolve(net, depth, policy)
        check(net, graph, planned)
        values.append(freeze_boundary(graph, net.table, planned).values)
    assert values == sorted(values, reverse=True)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["densenet121", "inceptionv3", "convnexttiny", "xception"])
def test_every_kind_of_block_can_be_cut(name: str) -> None:
    net = network(name, side=max(find_backbone(name).least_size, 32))
    graph = trace(net.model)
    for depth in {0, 1, 7, len(net.table) // 3, len(net.table) // 2, len(net.table)}:
        check(net, graph, resolve(net, depth))
    segment(net.model, None, freeze_boundary(graph, net.table, resolve(net, len(net.table) // 2)).tensors)


def test_at_depth_0_the_pooled_features_cross() -> None:
    net = network("mobilenetv2")
    graph = trace(net.model)
    cut = freeze_boundary(graph, net.table, resolve(net, 0))
    assert (cut.name, cut.tensors[0].shape) == ("head_pooling:0", (1280,))
    assert cut.image_bytes() == 2 * cut.image_bytes("float16") == 5120


def test_normalisation_that_is_frozen_is_constant() -> None:
    net = network("mobilenetv2")
    graph = trace(net.model)
    at = {policy: freeze_boundary(graph, net.table, resolve(net, 2, policy)).name for policy in ("inference", "frozen")}
    assert at == {"inference": "Conv_1:0", "frozen": "head_pooling:0"}


def test_dropout_is_constant_until_it_thaws() -> None:
    net = network("efficientnetb0")
    graph = trace(net.model)
    thawed = set()
    for depth in range(len(net.table)):
        planned = resolve(net, depth)
        constant = {step.name for step in constant_part(graph, net.table, planned)}
        first = [info.name for info in net.table[len(net.table) - planned.canonical :]]
        drops = {name for name in first if name.endswith("_drop")}
        assert not drops & constant
        thawed |= drops
    assert len(thawed) == 9


def test_the_names_are_the_same_whenever_the_network_is_built_and_however_often_cut() -> None:
    first = trace(network("mobilenetv3small").model)
    again = network.__wrapped__("mobilenetv3small")
    assert trace(again.model) == first
    segment(again.model, freeze_boundary(first, again.table, resolve(again, 12)).tensors, None)
    assert trace(again.model) == first


def test_work_is_what_the_paper_counts() -> None:
    net = network("mobilenetv2")
    at_32_px = freeze_boundary(trace(net.model), net.table, resolve(net, 0)).macs
    assert at_32_px * 7**2 + 1280 * 1000 == pytest.approx(59.2e6, rel=0.005)  # at 224 px, with 1000 classes


def test_a_layer_called_twice_is_refused() -> None:
    image = keras.Input((4,), name="image")
    twice = keras.layers.Dense(4, name="twice")
    with pytest.raises(ValueError, match="twice is called more than once"):
        trace(keras.Model(image, twice(twice(image))))


def test_a_branch_listed_after_the_first_that_trains_is_constant_where_nothing_it_comes_of_trains() -> None:
    image, left, right, both = (Tensor(name, 0, (2,)) for name in ("image", "left", "right", "both"))
    graph = (
        Step("image", (), (image,), 0, draws=False),
        Step("left", (image,), (left,), 4, draws=False),
        Step("right", (image,), (right,), 4, draws=False),
        Step("both", (left, right), (both,), 0, draws=False),
        Step("head_dense", (both,), (Tensor("head_dense", 0, (3,)),), 6, draws=False),
    )
    table = [LayerInfo(name, ((f"{name}/kernel", 4),), is_batchnorm=False) for name in ("left", "right")]
    depth = Depth("left", 2, 2, ("left/kernel",), 4, ())
    assert [step.name for step in constant_part(graph, table, depth)] == ["image", "right"]
    assert freeze_boundary(graph, table, depth) == Cut((image, right), 4, 4)
