"""What a process keeps between trials: the network and all that was compiled of it, where only numbers change."""

import gc
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import lru_cache
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from src.config import OptimizerConfig
from src.data.augment import AS_THEY_ARE
from src.data.batches import epoch_order, images_shown
from src.data.dataset import Dataset
from src.features.passage import Passage
from src.keras_setup import keras
from src.models.backbone import pretrained
from src.models.cut import Cut
from src.models.depth import Depth
from src.models.network import Network, Values, build_network
from src.models.normalization import adapt_statistics
from src.plan import Plan
from src.training.tail import Tail

_BENCHES = 2
"""Networks kept at a time; a sweep's order keeps trials of one network together."""

K = TypeVar("K")
V = TypeVar("V")

_PIECES = 24
"""Passages, and tails, kept of each: those of a study's depths."""

_ADAPTING_BATCH = 64


@dataclass(eq=False)
class Workbench:
    """A network, the passages and tails that were compiled of it, and its weights adapted to a data set."""

    network: Network
    passages: dict[tuple[str, ...], Passage] = field(default_factory=dict)
    tails: dict[tuple[object, ...], Tail] = field(default_factory=dict)
    adapted: dict[tuple[object, ...], Values] = field(default_factory=dict)

    def passage(self, start: Cut | None, ends: tuple[Cut, ...]) -> Passage:
        """The frozen stretch from `start` (None: images) to each of `ends`."""
        key = (start.name if start else "", *(end.name for end in ends))
        return _latest(self.passages, key, lambda: Passage(self.network.model, start, ends))

    def tail(self, depth: Depth, cut: Cut, optimizer: OptimizerConfig, label_smoothing: float) -> Tail:
        """What trains at `depth` behind `cut`."""
        key = (depth.variables, cut.name, optimizer.model_dump_json())
        tail = _latest(self.tails, key, lambda: Tail(self.network, depth, cut, optimizer))
        tail.smoothing.assign(label_smoothing)
        return tail


def _latest(kept: dict[K, V], key: K, make: Callable[[], V], at_most: int = _PIECES) -> V:
    """`kept[key]`, made where it lacks; what was used least recently makes room."""
    kept[key] = kept.pop(key, None) or make()
    for oldest in list(kept)[:-at_most]:
        del kept[oldest]
    return kept[key]


_LAID_OUT: dict[tuple[object, ...], Workbench] = {}


def lay_out(plan: Plan) -> Workbench:
    """The workbench for `plan`, its network as the trial begins.

    Raises:
        ThawError: see :func:`src.models.backbone.build_backbone`.
    """
    trial = plan.trial
    seed = trial.seed if plan.weights.name == "random" else 0
    plain = pretrained(plan.spec, plan.weights, plan.side, seed)
    bench, values = _bench(plan, plain), _values(plain)
    if trial.batchnorm == "adapted":
        of = (plan.weights.digest, seed, plan.dataset.fingerprint)
        values = _latest(bench.adapted, of, lambda: _adapted(bench.network, values, plan.dataset), at_most=1)
    bench.network.begin(values, seed=trial.seed, dropout=trial.dropout)
    return bench


def _adapted(network: Network, values: Values, dataset: Dataset) -> Values:
    """The backbone's `values`, its statistics taken from the training images."""
    network.begin(values, seed=0, dropout=0)
    adapt_statistics(network.model, _mixed(dataset))
    adapted: Values = network.model.get_weights()[: len(values)]
    return adapted


@lru_cache(maxsize=1)
def _values(plain: keras.Model) -> Values:
    """Its weights: to read them takes as long as to set them."""
    values: Values = plain.get_weights()
    return values


def _bench(plan: Plan, plain: keras.Model) -> Workbench:
    """The bench for networks of `plan`'s structure, whatever their weights."""
    classes, policy = len(plan.dataset.class_names), plan.trial.batchnorm
    key = (plan.spec, plan.table, plan.side, classes, policy)
    bench = _LAID_OUT.pop(key, None) or Workbench(build_network(plain, plan.spec, classes=classes, batchnorm=policy))
    _LAID_OUT[key] = bench
    for oldest in list(_LAID_OUT)[:-_BENCHES]:
        del _LAID_OUT[oldest]
        gc.collect()  # a network and its functions refer to each other
    return bench


def _mixed(dataset: Dataset) -> Iterator[NDArray[np.float32]]:
    """The training images in batches of mixed classes."""
    train = dataset.splits.train
    order = train[epoch_order(train.size, 0, 0)]
    for first in range(0, order.size, _ADAPTING_BATCH):
        yield images_shown(dataset, order[first : first + _ADAPTING_BATCH], AS_THEY_ARE, 0, 0)
