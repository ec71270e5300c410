"""A backbone's layers as a table: all that planning a depth needs, without TensorFlow."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

_OPENS_BLOCK = re.compile(
    r"(?P<plain>expanded_conv(?:_\d+)?|stage_\d+_block_\d+|conv\d+_block\d+|block_\d+|block\d+[a-z]?)(?:_|$)"
    r"|conv_(?:dw|pw|pad)_(?P<mobilenet>\d+)"
)
"""Layer names from which a block's name can be read, over the families of keras.applications."""

_CLOSES_BLOCK = re.compile(r"^(?P<inception>mixed\d+|mixed_\w+|block\d+_\d+)(?:_ac)?$")
"""Inception names only the layer that a block ends with."""


@dataclass(frozen=True, slots=True)
class LayerInfo:
    """One layer as Keras lists it.

    Attributes:
        variables: (path, number of values) of each variable that trains when the layer does.
        is_batchnorm: whether it is a BatchNormalization.
    """

    name: str
    variables: tuple[tuple[str, int], ...]
    is_batchnorm: bool


def block_names(layers: Sequence[LayerInfo]) -> list[str]:
    """For each layer, the block it belongs to: `stem` before the first, `top` after the last; "" where none has one.

    A layer with no block in its name belongs with what comes before it.
    """
    return _closed_blocks(layers) if _is_inception(layers) else _opened_blocks(layers)


def _is_inception(layers: Sequence[LayerInfo]) -> bool:
    return any(re.match(r"mixed(\d+|_\w+)$", layer.name) for layer in layers)


def _opened_blocks(layers: Sequence[LayerInfo]) -> list[str]:
    own = [_block_of(layer.name) for layer in layers]
    if not any(own):
        return [""] * len(layers)
    last = max(i for i, name in enumerate(own) if name)
    names, current = [], "stem"
    for i, (layer, name) in enumerate(zip(layers, own, strict=True)):
        current = name or current
        if i > last and layer.variables:
            current = "top"
        names.append(current)
    return names


def _block_of(layer: str) -> str:
    match = _OPENS_BLOCK.search(layer)
    if match is None:
        return ""
    return match["plain"] or f"block_{match['mobilenet']}"


def _closed_blocks(layers: Sequence[LayerInfo]) -> list[str]:
    names: list[str] = []
    waiting = 0
    for layer in layers:
        waiting += 1
        match = _CLOSES_BLOCK.match(layer.name)
        if match:
            names += [match["inception"]] * waiting
            waiting = 0
    return names + ["top"] * waiting
