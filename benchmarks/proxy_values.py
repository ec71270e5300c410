"""Compute cheap proxies of how much to unfreeze: a value for each depth, before anything (much) trains.

- probe: cross-fitted accuracy of ridge regression on the pooled features at the depth's freeze boundary; of training
  and validation images, 0–1.
- gradients: logarithm of the gradient's norm over the weights' norm, under the trained head, the mean over the layers
  that the depth adds to the next lesser one (0: the head): Auto-RGN's ratio (Lee et al. 2022, arXiv:2210.11466,
  section 4), with BatchNorm's gamma and beta, which train here. As in its authors' code, of five batches.
- rungs: validation accuracy after three epochs of the head and one of fine-tuning, 0–1.
- trials: the same after a full schedule. It is not cheap: it is what the others would save.
"""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from itertools import pairwise
from pathlib import Path
from statistics import fmean
from typing import Any

import numpy as np
import tensorflow as tf
from hydra import compose
from numpy.typing import NDArray
from sklearn.linear_model import RidgeClassifierCV
from sklearn.model_selection import StratifiedKFold, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from threadpoolctl import threadpool_limits

from src.cli.command_line import as_hydra_reads
from src.cli.composition import trial_config
from src.common.clock import Clock
from src.common.depth_choice import DepthChoice
from src.common.events import ignore
from src.common.files import gather
from src.common.keras_setup import keras
from src.data.batches import epoch_order
from src.features.cache_plan import SharedFeatures
from src.features.feature_cache import FeatureCache
from src.features.feature_source import CacheContext
from src.models import runtime
from src.models.backbone import backbone_layers
from src.models.cut import Cut, freeze_boundary
from src.models.depth import Depth, resolve_depth
from src.tracking import schema
from src.training.checkpoints import CheckpointStore
from src.training.model_cache import ModelCache
from src.training.schedule import ScheduleResult, run_schedule
from src.trial.built_models import get_or_build
from src.trial.key import frozen_key, phase_key
from src.trial.plan import Plan, make_plan, plan_depths
from src.trial.train_and_evaluate import open_batch_loader

RUNG = ("epochs=3", "fine_tune_epochs=1")
_SEED = 100
"""None of those that the sets' trials had."""
_FOLDS, _STRENGTHS = 5, np.logspace(0, 5, 6)
_BATCHES = 5


def measure(overrides: Sequence[str], depths: Sequence[int], folder: Path) -> dict[str, dict[str, Any]]:
    """Return each proxy's values at `depths` and the seconds that it takes once all is compiled.

    Hydra is initialized. `folder` keeps features.
    """
    typed = [*overrides, f"seed={_SEED}"]
    plan = make_plan(trial_config(compose("config", as_hydra_reads(typed))), ignore, Clock())

    def with_overrides(*more: str) -> Plan:
        trial = trial_config(compose("config", as_hydra_reads([*typed, *more])))
        return replace(plan, trial=trial, depths=plan_depths(trial, plan.table, plan.spec.name))

    proxies: Mapping[str, Callable[[], list[float]]] = {
        "probe": partial(probe, plan, depths),
        "gradients": partial(gradients, with_overrides("schedule=head_only"), depths, folder),
        "rungs": partial(accuracies, [with_overrides(f"unfrozen={depth}", *RUNG) for depth in depths], folder),
        "trials": partial(accuracies, [with_overrides(f"unfrozen={depth}") for depth in depths], folder),
    }
    return {name: timed(compute) for name, compute in proxies.items()}


def timed(compute: Callable[[], list[float]]) -> dict[str, Any]:
    """Return the values that `compute` gives, and the seconds of its second call."""
    compute()
    began = time.perf_counter()
    values = compute()
    return {"values": [round(value, 4) for value in values], "seconds": round(time.perf_counter() - began, 2)}


def probe(plan: Plan, depths: Sequence[int]) -> list[float]:
    """Return how well ridge regression classifies by the features at each depth's freeze boundary."""
    model_cache, dataset = get_or_build(plan), plan.dataset
    cuts = [freeze_boundary(model_cache.network.graph, plan.table, _depth(plan, layers)) for layers in depths]
    indices = np.concatenate([dataset.splits.train, dataset.splits.val])
    images = gather(dataset.pixels, indices).astype(np.float32).reshape(indices.size, -1)
    features = model_cache.frozen_segment(None, tuple(cuts))(images)
    labels = dataset.labels[indices]
    return [cross_fitted(pooled(values, cut), labels) for values, cut in zip(features, cuts, strict=True)]


def pooled(features: NDArray[np.float32], cut: Cut) -> NDArray[np.float32]:
    """Return the means over places of the tensors that cross `cut`, float32 [images, channels of all]."""
    parts = np.split(features, np.cumsum([tensor.values for tensor in cut.tensors])[:-1], axis=1)
    shaped = zip(parts, cut.tensors, strict=True)
    means = [part.reshape(len(part), -1, tensor.shape[-1]).mean(axis=1) for part, tensor in shaped]
    return np.concatenate(means, axis=1)


def cross_fitted(features: NDArray[np.float32], labels: NDArray[np.int64]) -> float:
    """Return the accuracy, 0–1, of ridge regression on images that it was not fitted on."""
    classifier = make_pipeline(StandardScaler(), RidgeClassifierCV(_STRENGTHS))
    folds = StratifiedKFold(_FOLDS, shuffle=True, random_state=0)
    with threadpool_limits(1, user_api="blas"):  # so small products take longer on several
        return float(cross_val_score(classifier, features, labels, cv=folds).mean())


def gradients(plan: Plan, depths: Sequence[int], folder: Path) -> list[float]:
    """Return the logarithms of the ratios of the layers that each depth adds, after the head has trained."""
    network = trained(plan, folder)[0].network
    network.unfreeze(_depth(plan, depths[-1]))
    backbone = backbone_layers(network.model)
    added = [backbone[len(backbone) - more : len(backbone) - less] for less, more in pairwise(depths)]
    layers = [[network.model.get_layer("head_dense")], *added]
    variables = [[layer.trainable_variables for layer in group if layer.trainable_variables] for group in layers]
    train, size = plan.dataset.splits.train, plan.trial.batch_size
    order = train[epoch_order(train.size, plan.trial.seed, 0)][: _BATCHES * size]
    of_batches = []
    for first in range(0, order.size, size):
        indices = order[first : first + size]
        images = gather(plan.dataset.pixels, indices).astype(np.float32)
        of_batches.append(ratios(network.model, variables, images, plan.dataset.labels[indices]))
    return [float(value) for value in np.log(np.mean(of_batches, axis=0))]


def ratios(
    model: keras.Model,
    variables: list[list[list[keras.Variable]]],
    images: NDArray[np.float32],
    labels: NDArray[np.int64],
) -> list[float]:
    """Return the norm of the loss's gradient over that of the weights, the mean over the layers of each group.

    Args:
        model: gives class probabilities.
        variables: by group and layer.
        images: one batch.
        labels: their classes.
    """
    with tf.GradientTape() as tape:
        scores = model(images, training=True)
        loss = tf.reduce_mean(keras.losses.sparse_categorical_crossentropy(labels, scores))
    by_group = tape.gradient(loss, variables)
    return [
        fmean(_norm(slopes) / _norm(layer) for slopes, layer in zip(of_layers, layers, strict=True))
        for of_layers, layers in zip(by_group, variables, strict=True)
    ]


def _norm(tensors: Sequence[Any]) -> float:
    return float(np.sqrt(sum(np.square(np.asarray(tensor)).sum() for tensor in tensors)))


def accuracies(plans: Sequence[Plan], folder: Path) -> list[float]:
    """Return the validation accuracy of each of `plans`, 0–1."""
    return [trained(plan, folder)[1].last.best.metrics[schema.of_split(schema.VAL)] for plan in plans]


def trained(plan: Plan, folder: Path) -> tuple[ModelCache, ScheduleResult]:
    """Train by `plan`, from the start; features are read from `folder` where they have been computed before."""
    model_cache = get_or_build(plan)
    store = FeatureCache(folder / "features", plan.trial.features.max_gb, ignore)
    cache_context = CacheContext(frozen_key(plan, runtime.device_key()), store, Clock())
    loader = open_batch_loader(plan, model_cache, SharedFeatures(), cache_context, ignore)
    keys = [phase_key(plan, index) for index in range(len(plan.depths))]
    nowhere = CheckpointStore(folder / "phases", 0, ignore)
    return model_cache, run_schedule(model_cache, loader, plan.depths, keys, nowhere, ignore)


def _depth(plan: Plan, layers: int) -> Depth:
    return resolve_depth(DepthChoice(layers=layers), plan.table, plan.trial.batchnorm, plan.spec.name)
