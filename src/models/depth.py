"""Resolve depths: a depth's layers, blocks and variables, and its canonical form.

`unfrozen=N` means the last N layers as Keras lists them; `all`, a block's name (from that block to the end) and
`N blocks` (the last N blocks and the layers behind them) do too. Two depths that train the same variables
are the same depth: the canonical form is the least number of layers that trains them.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from src.common.depth_choice import DepthChoice
from src.common.errors import ThawError, did_you_mean
from src.models.layers import LayerInfo

BatchNormPolicy = Literal["inference", "frozen", "adapted", "train"]


@dataclass(frozen=True)
class Depth:
    """A depth resolved against a backbone.

    Attributes:
        asked: what the configuration said.
        unfrozen: layers from the end that it names.
        canonical: layers from the first one that trains to the end; 0 if none does.
        variables: names of the variables that train, in order.
        parameters: how many values those hold.
        blocks: the blocks that train, from the first one on; "stem" and "top" stand for what is in no block.
    """

    asked: DepthChoice
    unfrozen: int
    canonical: int
    variables: tuple[str, ...]
    parameters: int
    blocks: tuple[str, ...]

    @property
    def name(self) -> str:
        """Return what trials of this depth are called: the word typed for it, or else the number of layers that train.

        Words that train nothing of the backbone are called by that number too, 0.
        """
        return str(self.asked) if self.asked.layers is None and self.canonical else str(self.canonical)

    def describe(self, layers: int) -> str:
        """Return one line for people."""
        if not self.variables:
            what = "the head alone" if not self.unfrozen else f"{self.unfrozen} layers, but no variable of the backbone"
            return f"unfrozen={self.asked}: trains {what}"
        where = f", from {self.blocks[0]}" if self.blocks and self.blocks[0] else ""
        return (
            f"unfrozen={self.asked}: {self.unfrozen} of {layers} layers{where}, "
            f"{self.parameters:,} backbone parameters train"
        )


def resolve_depth(asked: DepthChoice, layers: Sequence[LayerInfo], batchnorm: BatchNormPolicy, backbone: str) -> Depth:
    """Return the depth `asked` on a backbone with `layers`.

    Raises:
        ThawError: more layers or blocks than there are, or no such block.
    """
    unfrozen = _count(asked, layers, backbone)
    start = len(layers) - unfrozen
    trainable = [bool(layer.variables) and not (layer.is_batchnorm and batchnorm == "frozen") for layer in layers]
    training = [i for i in range(start, len(layers)) if trainable[i]]
    variables = [variable for i in training for variable in layers[i].variables]
    return Depth(
        asked=asked,
        unfrozen=unfrozen,
        canonical=len(layers) - training[0] if training else 0,
        variables=tuple(name for name, _ in variables),
        parameters=sum(size for _, size in variables),
        blocks=tuple(dict.fromkeys(layers[i].block for i in training)),
    )


def _count(asked: DepthChoice, layers: Sequence[LayerInfo], backbone: str) -> int:
    """Return the number of layers from the end that `asked` names."""
    if asked.layers is not None:
        if asked.layers > len(layers):
            raise ThawError(f"unfrozen={asked}: {backbone} has {len(layers)} layers")
        return asked.layers
    if asked.is_all:
        return len(layers)
    blocks = [layer.block for layer in layers]
    name = asked.block or _last_blocks(asked.blocks or 0, blocks, backbone)
    if name not in blocks:
        known = [block for block in dict.fromkeys(blocks) if block]
        hint = did_you_mean(name, known) if known else "its layers name no blocks; give a number of layers or `all`"
        raise ThawError(f"unfrozen={asked}: {backbone} has no block {name!r}: {hint}")
    return len(layers) - blocks.index(name)


def _last_blocks(number: int, blocks: Sequence[str], backbone: str) -> str:
    block_names = [block for block in dict.fromkeys(blocks) if block not in {"", "stem", "top"}]
    if number > len(block_names):
        raise ThawError(f"unfrozen={number} blocks: {backbone} has {len(block_names) or 'no named'} blocks")
    return block_names[-number]
