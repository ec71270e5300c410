"""Find the cuts of a network: before one, a constant function of the image; after it, all layers that train.

What the constant part gives at a cut can be computed once for each view of an image, and the rest trained on that. The
network's graph is plain data here, and cuts follow from it; only :func:`segment` needs TensorFlow.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from src.models.depth import Depth
from src.models.keras_internals import node_of, output_of
from src.models.layers import LayerInfo

if TYPE_CHECKING:
    from src.common.keras_setup import keras

Kind = Literal["float32", "float16"]
"""How activations are stored: float32 as they are, float16 in half the bytes with 11 bits of precision."""

_BYTES: dict[Kind, int] = {"float32": 4, "float16": 2}
_HEAD = "head_"
_POOLING = "head_pooling"  # the one part of the head that neither trains nor draws


@dataclass(frozen=True, slots=True)
class Tensor:
    """One output of one operation; named alike in every process that builds the same network.

    Attributes:
        operation: name of the layer, or of the operation that has no layer, which gives it.
        output: which of the operation's outputs, from 0.
        shape: for one image, without the batch.
    """

    operation: str
    output: int
    shape: tuple[int, ...]

    @property
    def values(self) -> int:
        """Return the number of values for one image."""
        return math.prod(self.shape)


@dataclass(frozen=True, slots=True)
class Step:
    """One operation of a network.

    Attributes:
        macs: multiply-accumulates with its kernels, forward, for one image.
        draws: whether it draws at random while it trains.
    """

    name: str
    inputs: tuple[Tensor, ...]
    outputs: tuple[Tensor, ...]
    macs: int
    draws: bool


Graph = tuple[Step, ...]
"""A network's operations, each after those that it takes from."""


@dataclass(frozen=True, slots=True)
class Cut:
    """A place to cut a network.

    Attributes:
        tensors: what crosses, in the network's order.
        macs: multiply-accumulates before the cut, for one image.
        values: values that come out of the operations before the cut, for one image.
    """

    tensors: tuple[Tensor, ...]
    macs: int
    values: int

    @property
    def name(self) -> str:
        """Return the names of the tensors that cross. Cuts of one network with equal names are equal."""
        return " ".join(f"{tensor.operation}:{tensor.output}" for tensor in self.tensors)

    @property
    def width(self) -> int:
        """Return the number of values that cross, for one image."""
        return sum(tensor.values for tensor in self.tensors)

    def image_bytes(self, kind: Kind = "float32") -> int:
        """Return the bytes that the tensors of the cut take for one view of one image."""
        return self.width * _BYTES[kind]


def trace(model: "keras.Model") -> Graph:
    """Return the graph of a functional `model`, in the order of `model.operations`.

    Raises:
        ValueError: an operation is called more than once.
    """
    return tuple(_step(node) for node in _nodes(model).values())


def cuts(graph: Graph, table: Sequence[LayerInfo], depth: Depth) -> list[Cut]:
    """Return every cut through the part of `graph` that is constant while `depth` trains, from the image's own on.

    The last is the freeze boundary; after the others some of the constant part is repeated.
    """
    constant = constant_part(graph, table, depth)
    names = {step.name for step in constant}
    return list(_cuts(constant, [step for step in graph if step.name not in names]))


def freeze_boundary(graph: Graph, table: Sequence[LayerInfo], depth: Depth) -> Cut:
    """Return the cut before which everything is constant while `depth` trains."""
    return cuts(graph, table, depth)[-1]


def constant_part(graph: Graph, table: Sequence[LayerInfo], depth: Depth) -> list[Step]:
    """Return the steps whose outputs for an image do not change while `depth` trains (see `Network.unfreeze`).

    Those are not just the steps before the first that trains: where branches part, a later one may depend on none that
    does.
    """
    changing = _changing(graph, table, depth)
    constant = []
    for step in graph:
        if step.name in changing or any(tensor.operation in changing for tensor in step.inputs):
            changing.add(step.name)
        else:
            constant.append(step)
    return constant


def segment(model: "keras.Model", start: Sequence[Tensor] | None, end: Sequence[Tensor] | None) -> "keras.Model":
    """Return the part of `model` from `start` (None: its input) to `end` (None: its output), made of its own layers.

    It takes a list of the former and gives a list of the latter, or a single one bare. None of `end` may be in `start`.

    To train the part behind a cut is to train the model, and to run its parts one after the other is to run it: bit for
    bit, on two conditions. Graphs are not rewritten, because Grappler's arithmetic_optimization, remapping and
    constant_folding round otherwise in a whole than in its parts. And the batches are of one size, a multiple of
    24: kernels choose their method by the size, and take what is left of a block of 8 or 24 rows by another.
    """
    from src.common.keras_setup import keras

    nodes = _nodes(model)

    def symbolic(tensors: Sequence[Tensor]) -> list[Any]:
        return [nodes[tensor.operation].outputs[tensor.output] for tensor in tensors]

    return keras.Model(symbolic(start) if start else model.inputs, symbolic(end) if end else model.output)


def _changing(graph: Graph, table: Sequence[LayerInfo], depth: Depth) -> set[str]:
    """Return the names of the steps that themselves train or draw."""
    unfrozen = table[len(table) - depth.canonical :]
    training = set(depth.variables)
    trains = {layer.name for layer in unfrozen if any(path in training for path, _ in layer.variables)}
    draws = {step.name for step in graph if step.draws} & {layer.name for layer in unfrozen}
    head = {step.name for step in graph if step.name.startswith(_HEAD)} - {_POOLING}
    return trains | draws | head


def _cuts(constant: Sequence[Step], rest: Sequence[Step]) -> Iterator[Cut]:
    """Yield the cut after each of the `constant` steps."""
    last_use = {tensor: k for k, step in enumerate((*constant, *rest)) for tensor in step.inputs}
    crossing: list[Tensor] = []
    macs = values = 0
    for k, step in enumerate(constant):
        crossing = [tensor for tensor in (*crossing, *step.outputs) if last_use.get(tensor, k) > k]
        macs += step.macs
        values += sum(tensor.values for tensor in step.outputs)
        yield Cut(tuple(crossing), macs, values)


def _nodes(model: "keras.Model") -> dict[str, Any]:
    """Keras' node for each operation of `model`. A layer has more where other models share it, so walk back for it."""
    nodes: dict[str, Any] = {}
    waiting = list(model.outputs)
    while waiting:
        node = node_of(waiting.pop())
        name = node.operation.name
        if name not in nodes:
            nodes[name] = node
            waiting += node.input_tensors
        elif nodes[name] is not node:
            raise ValueError(f"{name} is called more than once: no cut can be named")
    return {operation.name: nodes[operation.name] for operation in model.operations}


def _step(node: Any) -> Step:
    operation = node.operation
    inputs = tuple(dict.fromkeys(_tensor(symbolic) for symbolic in node.input_tensors))
    outputs = tuple(_tensor(symbolic) for symbolic in node.outputs)
    return Step(operation.name, inputs, outputs, _macs(operation, outputs), hasattr(operation, "seed_generator"))


def _tensor(symbolic: Any) -> Tensor:
    operation, output = output_of(symbolic)
    return Tensor(operation.name, output, tuple(symbolic.shape[1:]))


def _macs(operation: Any, outputs: Sequence[Tensor]) -> int:
    """Return the multiply-accumulates for one image: kernels are used once at each place of the output."""
    shapes: list[tuple[int, ...]] = [variable.shape for variable in getattr(operation, "weights", ())]
    kernels = sum(math.prod(shape) for shape in shapes if len(shape) > 1)
    return kernels * math.prod(outputs[0].shape[:-1])
