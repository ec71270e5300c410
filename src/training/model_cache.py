"""Keep the network and its compiled functions between a process' trials that differ in numbers only."""

from collections.abc import Callable, MutableMapping
from dataclasses import dataclass, field
from typing import TypeVar

from cachetools import LRUCache

from src.config import OptimizerConfig
from src.features.frozen_segment import FrozenSegment
from src.models.cut import Cut
from src.models.depth import Depth
from src.models.network import Network, Values
from src.training.trainable_segment import TrainableSegment

K = TypeVar("K")
V = TypeVar("V")

_PIECES = 24
"""Segments kept of each kind: those of a study's depths."""


@dataclass(eq=False)
class ModelCache:
    """A network, its compiled frozen and trainable segments, and its weights adapted to a data set."""

    network: Network
    frozen_segments: MutableMapping[tuple[str, ...], FrozenSegment] = field(default_factory=lambda: LRUCache(_PIECES))
    trainable_segments: MutableMapping[tuple[object, ...], TrainableSegment] = field(
        default_factory=lambda: LRUCache(_PIECES)
    )
    adapted: MutableMapping[tuple[object, ...], Values] = field(default_factory=lambda: LRUCache(1))

    def frozen_segment(self, start: Cut | None, ends: tuple[Cut, ...]) -> FrozenSegment:
        """Return the frozen segment from `start` (None: images) to each of `ends`."""
        key = (start.name if start else "", *(end.name for end in ends))
        return get_or_make(self.frozen_segments, key, lambda: FrozenSegment(self.network.model, start, ends))

    def trainable_segment(
        self, depth: Depth, cut: Cut, optimizer: OptimizerConfig, label_smoothing: float
    ) -> TrainableSegment:
        """Return the trainable segment at `depth` behind `cut`."""
        key = (depth.variables, cut.name, optimizer.model_dump_json())
        segment = get_or_make(
            self.trainable_segments, key, lambda: TrainableSegment(self.network, depth, cut, optimizer)
        )
        segment.smoothing.assign(label_smoothing)
        return segment


def get_or_make(cache: MutableMapping[K, V], key: K, make: Callable[[], V]) -> V:
    """Return `cache[key]`, made where it lacks."""
    if key not in cache:
        cache[key] = make()
    return cache[key]
