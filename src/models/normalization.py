"""Layers that do as they are told: BatchNormalization and Dropout whose mode follows the plan, not Keras' defaults.

Keras 3 ignores ``base(x, training=False)`` for layers of a functional model that train, so the mode has to live in the
layers themselves. They are swapped in by cloning, and swapped out again before a model is saved.
"""

import zlib
from collections.abc import Iterable
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from keras import layers

from src.models.depth import BatchNormPolicy


class FixedBatchNormalization(layers.BatchNormalization):  # type: ignore[misc]
    """BatchNormalization that always normalises with its moving statistics; gamma and beta may train."""

    def call(self, inputs: Any, training: bool | None = None, mask: Any = None) -> Any:
        """As in Keras, in inference mode whatever `training` says."""
        return super().call(inputs, training=False, mask=mask)


class ThawedDropout(layers.Dropout):  # type: ignore[misc]
    """Dropout that drops only where it is trainable: a frozen part of a network is a constant function."""

    def call(self, inputs: Any, training: bool = False) -> Any:
        """As in Keras, and the identity while frozen."""
        return super().call(inputs, training=bool(training) and self.trainable)


def obedient(layer: layers.Layer, batchnorm: BatchNormPolicy, seed: int) -> layers.Layer:
    """A new layer like `layer` that follows the plan. `seed` fixes what a Dropout drops."""
    config = layer.get_config()
    if type(layer) is layers.BatchNormalization and batchnorm != "train":
        return FixedBatchNormalization.from_config(config)
    if type(layer) is layers.Dropout:
        config["seed"] = zlib.crc32(f"{seed} {layer.name}".encode())
        return ThawedDropout.from_config(config)
    return type(layer).from_config(config)


def stock(layer: layers.Layer) -> layers.Layer:
    """A new layer like `layer`, of Keras' own class: what a saved model is made of."""
    own = {FixedBatchNormalization: layers.BatchNormalization, ThawedDropout: layers.Dropout}
    return own.get(type(layer), type(layer)).from_config(layer.get_config())


def adapt_statistics(model: keras.Model, batches: Iterable[tf.Tensor]) -> None:
    """Take every BatchNormalization's statistics from `batches` of images (AdaBN: Li et al. 2016, arXiv:1603.04779).

    One pass in training mode; each layer's mean and variance become the averages over the batches, weighted by their
    sizes. Gamma, beta and all other variables stay.
    """
    source = keras.models.clone_model(model, clone_function=stock)
    source.set_weights(model.get_weights())
    targets = [layer for layer in model.layers if isinstance(layer, layers.BatchNormalization)]
    meters = [source.get_layer(layer.name) for layer in targets]
    for layer in source.layers:
        layer.trainable = layer in meters
    seen = 0
    for images in batches:
        count = int(images.shape[0])
        seen += count
        for meter in meters:
            meter.momentum = 1 - count / seen  # a running mean: eager, so that each call reads it
        source(images, training=True)
    for meter, target in zip(meters, targets, strict=True):
        target.moving_mean.assign(np.asarray(meter.moving_mean))
        target.moving_variance.assign(np.asarray(meter.moving_variance))
