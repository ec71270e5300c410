"""The part of a network that trains, as compiled steps on features: built once for trials that differ in numbers.

Keras' `fit` costs 0.2 s an epoch around what may be 25 ms of training, so a function here runs many batches at a time.
Each batch leaves its own loss and hits, which the caller sums: how many run at a time changes no number.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from src.common.keras_setup import keras
from src.config import OptimizerConfig
from src.features.frozen_segment import unpack
from src.models.cut import Cut, segment
from src.models.depth import Depth
from src.models.network import Network
from src.training.flat_optimizer import FlatOptimizer


@dataclass(frozen=True)
class Batches:
    """The results of batches, in their order.

    Attributes:
        sizes: images.
        losses: the mean over each batch's images.
        hits: images whose most probable class is the true one.
        probabilities: of each image's classes, [images, classes]; None where they were not asked for.
    """

    sizes: NDArray[np.int64]
    losses: NDArray[np.float32]
    hits: NDArray[np.float32]
    probabilities: NDArray[np.float32] | None = None


class TrainableSegment:
    """The part of `network` behind `cut` that trains at `depth`; label `smoothing` (0–1) is a variable."""

    def __init__(self, network: Network, depth: Depth, cut: Cut, optimizer: OptimizerConfig) -> None:
        self.network, self.depth, self.cut = network, depth, cut
        self.smoothing = tf.Variable(0.0, trainable=False)
        network.unfreeze(depth)
        self.model = segment(network.model, cut.tensors, None)
        self.optimizer = FlatOptimizer(optimizer, self.model.trainable_variables, network.precision == "float16")
        features, labels = tf.TensorSpec((None, cut.width)), tf.TensorSpec((None,), tf.int64)
        self.classes = int(self.model.output_shape[1])
        weights, size = tf.TensorSpec((self.classes,)), tf.TensorSpec((), tf.int64)
        self._train = _compiled(self._train_batches, [features, labels, weights, size])
        self._evaluate = _compiled(self._evaluate_batches, [features, labels, size])

    def begin(self, learning_rate: float) -> None:
        """Unfreeze the network to the depth, with an optimizer that has seen nothing."""
        self.network.unfreeze(self.depth)  # the step is traced at its first batch, and as things then stand
        self.network.check(self.depth)
        self.optimizer.begin(learning_rate)

    def train(
        self,
        features: NDArray[np.float32],
        labels: NDArray[np.int64],
        class_weights: NDArray[np.float32],
        batch_size: int,
    ) -> Batches:
        """Train on `features` float32 [images, values of one image] and `labels` int64 [images], batch by batch."""
        return _batches(len(labels), batch_size, self._train(features, labels, class_weights, batch_size))

    def evaluate(self, features: NDArray[np.float32], labels: NDArray[np.int64], batch_size: int) -> Batches:
        """Return loss, hits and probabilities on `features` in inference mode."""
        *totals, probabilities = self._evaluate(features, labels, batch_size)
        return replace(_batches(len(labels), batch_size, totals), probabilities=np.asarray(probabilities))

    def _train_batches(self, features: Any, labels: Any, weights: Any, size: Any) -> tuple[Any, Any]:
        def step(k: Any) -> tuple[Any, Any]:
            batch, truth = features[k * size : (k + 1) * size], labels[k * size : (k + 1) * size]
            with tf.GradientTape() as tape:
                scores = self.model(unpack(batch, self.cut), training=True)
                loss = tf.reduce_mean(self._losses(scores, truth) * tf.gather(weights, truth))
                scaled = self.optimizer.scale_loss(loss)
            self.optimizer.apply(tape.gradient(scaled, self.model.trainable_variables))
            return loss, _hits(scores, truth)

        losses, hits = _in_turn(step, labels, size, (tf.float32, tf.float32))
        return losses, hits

    def _evaluate_batches(self, features: Any, labels: Any, size: Any) -> tuple[Any, Any, Any]:
        def step(k: Any) -> tuple[Any, Any, Any]:
            truth = labels[k * size : (k + 1) * size]
            scores = self.model(unpack(features[k * size : (k + 1) * size], self.cut), training=False)
            loss = tf.reduce_mean(self._losses(scores, truth))
            missing = size - tf.shape(scores, tf.int64)[0]  # of the last batch: all must have one shape
            return loss, _hits(scores, truth), tf.pad(scores, [[0, missing], [0, 0]])

        losses, hits, scores = _in_turn(step, labels, size, (tf.float32, tf.float32, tf.float32))
        return losses, hits, tf.reshape(scores, (-1, self.classes))[: tf.shape(labels)[0]]

    def _losses(self, scores: Any, truth: Any) -> Any:
        target = tf.one_hot(truth, self.classes) * (1 - self.smoothing) + self.smoothing / self.classes
        return keras.losses.categorical_crossentropy(target, scores)


def _compiled(function: Callable[..., Any], signature: list[tf.TensorSpec]) -> Any:
    """Return `function` as a graph; it holds no Python that would need rewriting."""
    return tf.function(function, input_signature=signature, jit_compile=False, autograph=False)


def _in_turn(step: Callable[[Any], tuple[Any, ...]], labels: Any, size: Any, kinds: tuple[tf.DType, ...]) -> Any:
    """Return the stacked results of `step` on each batch of `size` of `labels`, one after the other."""
    batches = tf.range(-(-tf.shape(labels, tf.int64)[0] // size))
    return tf.map_fn(step, batches, fn_output_signature=kinds, parallel_iterations=1)


def _hits(scores: Any, truth: Any) -> Any:
    return tf.reduce_sum(tf.cast(tf.argmax(scores, axis=1) == truth, tf.float32))


def _batches(images: int, size: int, outputs: Sequence[Any]) -> Batches:
    losses, hits = (np.asarray(array) for array in outputs)
    sizes = np.full(len(losses), size, np.int64)
    sizes[-1] = images - size * (len(losses) - 1)
    return Batches(sizes, losses, hits)
