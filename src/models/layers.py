"""A backbone's layers as a table: all that planning a depth needs, without TensorFlow."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Literal


@dataclass(frozen=True, slots=True)
class LayerInfo:
    """One layer as Keras lists it.

    Attributes:
        variables: (name, number of values) of each variable that trains when the layer does.
        is_batchnorm: whether it is a BatchNormalization.
        block: the block it belongs to, `stem` before the first and `top` after the last; "" where the family has none.
    """

    name: str
    variables: tuple[tuple[str, int], ...]
    is_batchnorm: bool
    block: str = ""


@dataclass(frozen=True)
class Blocks:
    """The rule by which a family's layers form blocks, one after the other in Keras' list.

    Attributes:
        block_of: the block whose name a layer bears; "" for a layer that bears none.
        marked_layers: the end of a block that bears its name. `first`: layers without a name belong to the block before
            them, and to the top after the last block. `last`: they belong to the block after them.
        stem: with `last`: name of the stem's last layer.
        top: with `last`: name of the first layer after the last block; "": the one after the last that bears a name.
    """

    block_of: Callable[[str], str]
    marked_layers: Literal["first", "last"] = "first"
    stem: str = ""
    top: str = ""

    def given_to(self, layers: Sequence[LayerInfo]) -> tuple[LayerInfo, ...]:
        """Return `layers`, each with its block."""
        names = [self.block_of(layer.name) for layer in layers]
        blocks = _forward(layers, names) if self.marked_layers == "first" else self._backward(layers, names)
        return tuple(replace(layer, block=block) for layer, block in zip(layers, blocks, strict=True))

    def _backward(self, layers: Sequence[LayerInfo], names: Sequence[str]) -> list[str]:
        positions = {layer.name: position for position, layer in enumerate(layers)}
        end = positions.get(self.top, 1 + max((position for position, name in enumerate(names) if name), default=-1))
        after_stem = positions.get(self.stem, -1) + 1
        assigned, current = ["top"] * len(names), next((name for name in reversed(names) if name), "")
        for position in range(end - 1, -1, -1):
            current = names[position] or current
            assigned[position] = current if position >= after_stem else "stem"
        return assigned


def _forward(layers: Sequence[LayerInfo], names: Sequence[str]) -> list[str]:
    last = max((position for position, name in enumerate(names) if name), default=-1)
    assigned, current = [], "stem"
    for position, (layer, name) in enumerate(zip(layers, names, strict=True)):
        current = "top" if position > last and layer.variables else name or current
        assigned.append(current)
    return assigned
