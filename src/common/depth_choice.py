"""The depth that is asked for: the only place that reads `unfrozen`."""

import re
from dataclasses import dataclass
from typing import Self


@dataclass(frozen=True)
class DepthChoice:
    """The last `layers`, the last `blocks`, all from a `block` on, or the whole backbone where none is given."""

    layers: int | None = None
    blocks: int | None = None
    block: str | None = None

    @classmethod
    def read(cls, value: object) -> Self:
        """Return the choice that `value` stands for: a number of layers, `all`, a block's name, or `3 blocks`.

        Raises:
            ValueError: it stands for none.

        >>> DepthChoice.read("3"), DepthChoice.read("ALL").text, DepthChoice.read("2 blocks").text
        (DepthChoice(layers=3, blocks=None, block=None), 'all', '2 blocks')
        """
        if isinstance(value, cls):
            return value
        text = str(value).strip() if isinstance(value, int | str) and not isinstance(value, bool) else ""
        if re.fullmatch(r"[0-9]+", text):
            return cls(layers=int(text))
        if isinstance(value, int):
            raise ValueError("a number of layers is 0 or more")
        if not text:
            raise ValueError("a depth is a number of layers, `all`, a block's name, or `3 blocks`")
        return cls() if text.lower() == "all" else cls._of_blocks(text)

    @classmethod
    def _of_blocks(cls, text: str) -> Self:
        number = re.fullmatch(r"([0-9]+)\s+blocks?", text)
        if number is None:
            return cls(block=text)
        if not int(number[1]):
            raise ValueError("`N blocks` needs N of 1 or more; `0` unfreezes nothing")
        return cls(blocks=int(number[1]))

    @property
    def is_all(self) -> bool:
        """Return whether the whole backbone is asked for."""
        return self == type(self)()

    @property
    def text(self) -> int | str:
        """Return it as it is typed."""
        if self.layers is not None:
            return self.layers
        if self.blocks is not None:
            return f"{self.blocks} block{'s' * (self.blocks != 1)}"
        return self.block or "all"

    def __str__(self) -> str:
        return str(self.text)
