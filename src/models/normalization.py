"""BatchNorm policies: BatchNormalization and Dropout layers whose mode follows the plan rather than Keras' defaults.

Keras 3 ignores ``base(x, training=False)`` for layers of a functional model that train, so the mode has to live in the
layers themselves. They are swapped in by cloning, and swapped out again before a model is saved. Of the policies,
`frozen` also leaves gamma and beta out of what trains (`depth.py`), and `adapted` sets the statistics when a network is
built (`trial/built_models.py`).
"""

import zlib
from collections.abc import Iterable
from typing import Any

import numpy as np
import tensorflow as tf

from src.common.keras_setup import keras, layers
from src.models.depth import BatchNormPolicy


class InferenceBatchNorm(layers.BatchNormalization):  # type: ignore[misc]
    """BatchNormalization that always normalises with its moving statistics; gamma and beta may train."""

    def call(self, inputs: Any, training: bool | None = None, mask: Any = None) -> Any:
        """Run as in Keras, in inference mode for any `training`."""
        return super().call(inputs, training=False, mask=mask)


class TrainableOnlyDropout(layers.Dropout):  # type: ignore[misc]
    """Dropout that drops only where it is trainable: a frozen part of a network is a constant function."""

    def call(self, inputs: Any, training: bool = False) -> Any:
        """Run as in Keras; the identity while frozen."""
        return super().call(inputs, training=bool(training) and self.trainable)


class LiveNormalization(layers.Normalization):  # type: ignore[misc]
    """Normalization by its variables as they are; Keras' own keeps to what they were when it was built or loaded."""

    def call(self, inputs: Any) -> Any:
        """Run as in Keras."""
        mean, variance = (
            keras.ops.reshape(variable, self._broadcast_shape) for variable in (self.adapt_mean, self.adapt_variance)
        )
        shifted = keras.ops.subtract(keras.ops.cast(inputs, self.compute_dtype), mean)
        return keras.ops.divide(shifted, keras.ops.maximum(keras.ops.sqrt(variance), keras.config.epsilon()))


class TunableDropout(layers.Dropout):  # type: ignore[misc]
    """Dropout whose rate is a variable: trials that differ in nothing else share their compiled steps."""

    def __init__(self, rate: float = 0.5, **settings: Any) -> None:
        super().__init__(0.5, **settings)  # at 0 Keras gives a layer no generator
        self.variable_rate = tf.Variable(0.5, trainable=False)
        self.set_rate(rate)

    def set_rate(self, rate: float) -> None:
        """Drop this part (0–1) from now on."""
        self.rate = rate
        self.variable_rate.assign(rate)

    def call(self, inputs: Any, training: bool = False) -> Any:
        """Run as in Keras; the identity at rate 0 too."""
        if not training:
            return inputs
        seed = tf.cast(tf.math.floormod(self.seed_generator.next(), tf.int32.max), tf.int32)
        return tf.nn.experimental.stateless_dropout(inputs, self.variable_rate, seed)


def reseed(model: keras.Model, seed: int, epoch: int) -> None:
    """Let what `model`'s Dropout layers drop follow from seed, layer and epoch, not from how many steps came before."""
    for layer in model.layers:
        if isinstance(layer, layers.Dropout) and hasattr(layer, "seed_generator"):
            layer.seed_generator.state.assign([zlib.crc32(f"{seed} {layer.name} {epoch}".encode()), 0])


def with_batchnorm_policy(layer: layers.Layer, batchnorm: BatchNormPolicy) -> layers.Layer:
    """Return a new layer like `layer` that follows the plan."""
    config = layer.get_config()
    if type(layer) is layers.BatchNormalization and batchnorm != "train":
        return InferenceBatchNorm.from_config(config | {"axis": -1})  # 3 is the same, by four more operations
    if type(layer) is layers.Normalization and layer.input_mean is None and not layer.invert:
        return LiveNormalization.from_config(config)
    if type(layer) is layers.Dropout:
        return TrainableOnlyDropout.from_config(config | {"seed": 0})
    return type(layer).from_config(config)


def to_keras_layer(layer: layers.Layer) -> layers.Layer:
    """Return a new layer like `layer`, of Keras' own class: what a saved model is made of."""
    keras_classes = {
        InferenceBatchNorm: layers.BatchNormalization,
        TrainableOnlyDropout: layers.Dropout,
        TunableDropout: layers.Dropout,
        LiveNormalization: layers.Normalization,
    }
    return keras_classes.get(type(layer), type(layer)).from_config(layer.get_config())


def adapt_statistics(model: keras.Model, batches: Iterable[tf.Tensor]) -> None:
    """Take every BatchNormalization's statistics from `batches` of images (AdaBN: Li et al. 2016, arXiv:1603.04779).

    One pass in which each layer normalises by its batch, while Dropout rests. A layer's new mean and variance are those
    of all images together (the variance within batches and that between their means). All other variables stay.
    """
    source = keras.models.clone_model(model, clone_function=_measuring)
    source.set_weights(model.get_weights())
    meters = [layer for layer in source.layers if isinstance(layer, layers.BatchNormalization)]
    for layer in source.layers:
        layer.trainable = layer in meters
    sizes, means, variances = [], [], []
    for images in batches:
        source([images], training=True)
        sizes.append(int(images.shape[0]))
        means.append([meter.moving_mean.numpy().astype(np.float64) for meter in meters])
        variances.append([meter.moving_variance.numpy().astype(np.float64) for meter in meters])
    for k, meter in enumerate(meters):
        mean = np.average([batch[k] for batch in means], axis=0, weights=sizes)
        spread = [variance[k] + (batch[k] - mean) ** 2 for variance, batch in zip(variances, means, strict=True)]
        target = model.get_layer(meter.name)
        target.moving_mean.assign(mean)
        target.moving_variance.assign(np.average(spread, axis=0, weights=sizes))


def _measuring(layer: layers.Layer) -> layers.Layer:
    """Return a new layer like `layer`; a BatchNormalization keeps just the last batch's statistics."""
    if isinstance(layer, layers.BatchNormalization):
        return layers.BatchNormalization.from_config(layer.get_config() | {"momentum": 0.0})
    return type(layer).from_config(layer.get_config())
