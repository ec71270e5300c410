"""Pre-train a backbone on formula images.

Two linear heads on the pooled features predict the image's class and its descriptors. AdamW with linear warm-up and one
cosine decay; images of 64 px first (half the cost), then 96 px.
"""

import hashlib
import io
import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

from src.common.files import atomic_write
from src.common.keras_setup import keras
from src.demo.formula import formula_images
from src.demo.formula.targets import Whitening, describe
from src.models.embedded_weights import digest_file

Tensor = Any


@dataclass(frozen=True)
class Recipe:
    """All settings that determine the weights. A finite `minutes` shortens the decay on a slow machine."""

    images: int = 700_000
    minutes: float = math.inf
    seed: int = 0
    batch: int = 64
    reuse: int = 8
    pool: int = 16_000
    sizes: tuple[int, int] = (64, 96)
    small_share: float = 0.75
    learning_rate: float = 4e-3
    warm_up: float = 0.03
    weight_decay: float = 0.02
    label_smoothing: float = 0.1
    descriptors: float = 6.0
    components: int = 128


class FusedBatchNormalization(keras.layers.BatchNormalization):  # type: ignore[misc]  # Keras is untyped
    """BatchNormalization as one fused kernel (a third faster on a CPU), with momentum 0.98 for a short training."""

    def call(self, inputs: Tensor, training: bool | None = None, mask: Tensor = None) -> Tensor:
        """Normalise (n, h, w, c) by the batch's statistics in training, else by the moving ones."""
        if not training:
            return super().call(inputs, training=False)
        normalised, mean, variance = tf.compat.v1.nn.fused_batch_norm(
            inputs, self.gamma, self.beta, epsilon=self.epsilon, is_training=True
        )[:3]
        self.moving_mean.assign_add(0.02 * (mean - self.moving_mean))
        self.moving_variance.assign_add(0.02 * (variance - self.moving_variance))
        return normalised


def new_backbone() -> keras.Model:
    """Return MobileNetV2, width 0.35, no top, random weights, for images of any size divisible by 32."""
    original = keras.applications.MobileNetV2(input_shape=(None, None, 3), alpha=0.35, include_top=False, weights=None)

    def fuse(layer: keras.layers.Layer) -> keras.layers.Layer:
        kind = FusedBatchNormalization if isinstance(layer, keras.layers.BatchNormalization) else type(layer)
        return kind.from_config(layer.get_config())

    return keras.models.clone_model(original, clone_function=fuse)


def with_heads(backbone: keras.Model, components: int) -> keras.Model:
    """Return the backbone with two linear heads: class logits (n, CLASSES) and descriptors (n, components)."""
    pooled = keras.layers.GlobalAveragePooling2D()(backbone.output)
    heads = [keras.layers.Dense(units)(pooled) for units in (formula_images.CLASSES, components)]
    return keras.Model(backbone.input, heads)


def augment(images: Tensor, size: int, random: tf.random.Generator) -> Tensor:
    """Crop, flip and recolour at random: (n, s, s, 3) uint8 to (n, size, size, 3) in [-1, 1]."""
    count = tf.shape(images)[0]
    extent = random.uniform([count, 2], 0.6, 1.0)
    start = random.uniform([count, 2]) * (1 - extent)
    boxes = tf.concat([start, start + extent], 1)
    flipped = tf.gather(boxes, [[2, 3, 0, 1], [0, 3, 2, 1], [2, 1, 0, 3], [0, 1, 2, 3]], axis=1)
    boxes = tf.gather(flipped, random.uniform([count], 0, 4, tf.int32), batch_dims=1)
    cropped = tf.image.crop_and_resize(images, boxes, tf.range(count), [size, size]) / 127.5 - 1
    grey = tf.reduce_mean(cropped, -1, keepdims=True)
    saturated = grey + random.uniform([count, 1, 1, 1], 0.3, 1.3) * (cropped - grey)
    contrast, brightness = random.uniform([count, 1, 1, 1], 0.6, 1.3), random.normal([count, 1, 1, 1], 0, 0.15)
    return tf.clip_by_value(saturated * contrast + brightness, -1, 1)


def learning_rate(recipe: Recipe, progress: float) -> float:
    """Return the learning rate at `progress` in [0, 1]: linear warm-up, then cosine decay to zero."""
    if progress < recipe.warm_up:
        return recipe.learning_rate * progress / recipe.warm_up
    return recipe.learning_rate * 0.5 * (1 + math.cos(math.pi * (progress - recipe.warm_up) / (1 - recipe.warm_up)))


def whitening(recipe: Recipe, random: tf.random.Generator) -> Whitening:
    """Return a whitening fitted to augmented images from the start of the stream."""
    sample = formula_images.draw_batch(np.random.default_rng(recipe.seed), min(recipe.pool, 3072)).images
    parts = [
        describe(augment(part, recipe.sizes[0], random)) for part in np.array_split(sample, max(1, len(sample) // 16))
    ]
    return Whitening(np.concatenate(parts), recipe.components)


class Trainer:
    """The training step, compiled once for each image size."""

    def __init__(self, recipe: Recipe, backbone: keras.Model) -> None:
        self.recipe = recipe
        self.random = tf.random.Generator.from_seed(recipe.seed)
        self.whitening = whitening(recipe, self.random)
        self.model = with_heads(backbone, self.whitening.components)
        self.entropy = keras.losses.CategoricalCrossentropy(from_logits=True, label_smoothing=recipe.label_smoothing)
        self.optimizer = keras.optimizers.AdamW(recipe.learning_rate, weight_decay=recipe.weight_decay)
        self.optimizer.exclude_from_weight_decay(var_names=["gamma", "beta", "bias"])
        self.optimizer.build(self.model.trainable_variables)
        # XLA is several times slower for this network on a CPU.
        self.step = tf.function(self._step, jit_compile=False, autograph=False)

    def _step(self, images: Tensor, labels: Tensor, size: int) -> Tensor:
        """Train on a batch (n, s, s, 3) uint8 and (n,); return loss, accuracy and the descriptors' error."""
        views = augment(images, size, self.random)
        targets = self.whitening(views)
        with tf.GradientTape() as tape:
            logits, predicted = self.model(views, training=True)
            error = tf.reduce_mean((targets - predicted) ** 2)
            loss = self.entropy(tf.one_hot(labels, formula_images.CLASSES), logits) + self.recipe.descriptors * error
        variables = self.model.trainable_variables
        self.optimizer.apply_gradients(zip(tape.gradient(loss, variables), variables, strict=True))
        accuracy = tf.reduce_mean(tf.cast(tf.argmax(logits, -1, tf.int32) == labels, tf.float32))
        return tf.stack([loss, accuracy, error])


def save_weights(backbone: keras.Model, file: Path) -> None:
    """Write the backbone's variables, in their order, as float16 arrays of an .npz, and its SHA-256 beside it."""
    buffer = io.BytesIO()
    np.savez(buffer, *[variable.numpy().astype(np.float16) for variable in backbone.weights])
    atomic_write(file, buffer.getvalue())
    atomic_write(digest_file(file), hashlib.sha256(buffer.getvalue()).hexdigest() + "\n")


def train(recipe: Recipe, file: Path, save_every: float = 10.0, log: Callable[[str], None] = print) -> keras.Model:
    """Train from scratch and return the backbone; write its weights every `save_every` minutes and at the end."""
    keras.utils.set_random_seed(recipe.seed)
    started = saved = time.monotonic()
    backbone = new_backbone()
    trainer = Trainer(recipe, backbone)
    seen, progress, recent = 0, 0.0, []
    for batch in formula_images.stream(recipe.seed, recipe.batch, recipe.reuse, recipe.pool):
        trainer.optimizer.learning_rate = learning_rate(recipe, progress)
        size = recipe.sizes[progress >= recipe.small_share]
        recent.append(trainer.step(batch.images, batch.labels, size).numpy())
        seen += recipe.batch
        now = time.monotonic()
        progress = min(1.0, max(seen / recipe.images, (now - started) / 60 / recipe.minutes))
        if len(recent) == 200 or progress == 1:
            loss, accuracy, error = np.mean(recent, axis=0)
            log(f"{seen:>9} images {(now - started) / 60:6.1f} min at {size} px: "
                f"loss {loss:.3f}, class {accuracy:.3f}, descriptors {error:.3f}")  # fmt: skip
            recent = []
        if now - saved > 60 * save_every or progress == 1:
            save_weights(backbone, file)
            saved = now
        if progress == 1:
            return backbone
    raise AssertionError("the stream is endless")
