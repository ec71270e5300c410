"""The network of a trial and its compiled functions, built once for trials of a process that share its structure."""

import gc
from collections.abc import Iterator, MutableMapping
from functools import lru_cache

import numpy as np
from cachetools import LRUCache
from numpy.typing import NDArray

from src.common.keras_setup import keras
from src.data.augment import AS_THEY_ARE
from src.data.batches import epoch_order, images_shown
from src.data.dataset import Dataset
from src.models.backbone import pretrained
from src.models.network import Network, Values, build_network
from src.models.normalization import adapt_statistics
from src.training.model_cache import ModelCache, get_or_make
from src.trial.plan import Plan

_AT_MOST = 2
"""Networks kept at a time; a sweep's order keeps trials of one network together."""

_ADAPTING_BATCH = 64

_BUILT: MutableMapping[tuple[object, ...], ModelCache] = LRUCache(_AT_MOST)


def get_or_build(plan: Plan) -> ModelCache:
    """Return the model cache for `plan`, with its network as the trial begins.

    Raises:
        ThawError: see :func:`src.models.backbone.build_backbone`.
    """
    trial = plan.trial
    seed = trial.seed if plan.weights.name == "random" else 0
    plain = pretrained(plan.spec, plan.weights, plan.image_size, seed)
    model_cache, values = _cache_of(plan, plain), _values(plain)
    if trial.batchnorm == "adapted":
        of = (plan.weights.digest, seed, plan.dataset.fingerprint)
        values = get_or_make(model_cache.adapted, of, lambda: _adapted(model_cache.network, values, plan.dataset))
    model_cache.network.begin(values, seed=trial.seed, dropout=trial.dropout)
    return model_cache


def _adapted(network: Network, values: Values, dataset: Dataset) -> Values:
    """Return the backbone's `values` with statistics taken from the training images."""
    network.begin(values, seed=0, dropout=0)
    adapt_statistics(network.model, _mixed(dataset))
    adapted: Values = network.model.get_weights()[: len(values)]
    return adapted


@lru_cache(maxsize=1)
def _values(plain: keras.Model) -> Values:
    """Return its weights: to read them takes as long as to set them."""
    values: Values = plain.get_weights()
    return values


def _cache_of(plan: Plan, plain: keras.Model) -> ModelCache:
    """Return the model cache for networks of `plan`'s structure, with any weights."""
    classes, policy = len(plan.dataset.class_names), plan.trial.batchnorm
    precision = plan.trial.runtime.precision
    key = (plan.spec, plan.table, plan.image_size, classes, policy, precision)
    if key not in _BUILT:
        is_full = len(_BUILT) == _AT_MOST
        network = build_network(plain, plan.spec, classes=classes, batchnorm=policy, precision=precision)
        _BUILT[key] = ModelCache(network)
        if is_full:
            gc.collect()  # the network that made room and its functions refer to each other
    return _BUILT[key]


def _mixed(dataset: Dataset) -> Iterator[NDArray[np.float32]]:
    """Yield the training images in batches of mixed classes."""
    train = dataset.splits.train
    order = train[epoch_order(train.size, 0, 0)]
    for first in range(0, order.size, _ADAPTING_BATCH):
        yield images_shown(dataset, order[first : first + _ADAPTING_BATCH], AS_THEY_ARE, 0, 0)
