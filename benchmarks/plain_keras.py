"""The same trials as a user writes them after the Keras guide: no store, no plan, Keras' own input pipeline.

Run as ``python -m benchmarks.plain_keras PHOTOS WEIGHTS XLA [DEPTH...]`` with XLA `auto` (Keras' default), `on` or
`off`; prints what that came to, and the seconds of each trial of the sample, or of its DEPTHs, as JSON.
"""

import json
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import keras

from benchmarks.sweep import BATCH, CLASSES, DEPTHS, EPOCHS, FINE_TUNE_EPOCHS, RATE, SAMPLE, SIDE, Trial


def load(photos: Path, split: str) -> Any:
    """Images decoded once and kept in memory, as the guide has it: more than a loop over files would do."""
    found = keras.utils.image_dataset_from_directory(
        photos / split, image_size=(SIDE, SIDE), batch_size=None, label_mode="categorical", shuffle=False, verbose=False
    )
    kept = found.cache()
    for _ in kept:  # decoded now, once for all trials, rather than within the first one
        pass
    return (kept.shuffle(2000, seed=0) if split == "train" else kept).batch(BATCH).prefetch(2)


def build(weights: str, dropout: float) -> tuple[keras.Model, keras.Model]:
    """The classifier and the backbone in it, frozen."""
    base = keras.applications.MobileNetV2(input_shape=(SIDE, SIDE, 3), include_top=False, weights=weights)
    base.trainable = False
    image = keras.Input((SIDE, SIDE, 3))
    x = base(keras.layers.Rescaling(1 / 127.5, offset=-1)(image), training=False)
    x = keras.layers.Dropout(dropout)(keras.layers.GlobalAveragePooling2D()(x))
    return keras.Model(image, keras.layers.Dense(CLASSES, activation="softmax")(x)), base


def two_phases(model: keras.Model, base: keras.Model, trial: Trial, jit: Any, fit: Callable[[int], Any]) -> Any:
    """Train the head, then the last layers at the lower rate; `fit` trains the compiled model for so many epochs."""
    model.compile(keras.optimizers.Adam(RATE), "categorical_crossentropy", metrics=["accuracy"], jit_compile=jit)
    fit(EPOCHS)
    if trial.depth:
        base.trainable = True
        for layer in base.layers[: -trial.depth]:
            layer.trainable = False
    adam = keras.optimizers.Adam(trial.fine_tune_rate)
    model.compile(adam, "categorical_crossentropy", metrics=["accuracy"], jit_compile=jit)
    return fit(FINE_TUNE_EPOCHS)


def warm_up(weights: str, train: Any, jit: Any) -> keras.Model:
    """Train on one batch: what TensorFlow does once in a process belongs to its start, and to no trial."""
    model, base = build(weights, 0.5)
    two_phases(model, base, SAMPLE[-1], jit, lambda _: model.fit(train.take(1), verbose=0))
    return model


def run(photos: Path, weights: str, jit: Any, depths: Sequence[int] = DEPTHS) -> dict[int, float]:
    """Seconds of each trial of the sample that is of one of `depths`, by depth."""
    train, val = load(photos, "train"), load(photos, "val")
    print("XLA on" if warm_up(weights, train, jit).jit_compile else "XLA off")
    seconds = {}
    for trial in (trial for trial in SAMPLE if trial.depth in depths):
        began = time.perf_counter()
        keras.utils.set_random_seed(trial.seed)
        model, base = build(weights, trial.dropout)
        two_phases(
            model, base, trial, jit,
            lambda epochs, model=model: model.fit(train, validation_data=val, epochs=epochs, verbose=0),
        )  # fmt: skip
        seconds[trial.depth] = time.perf_counter() - began
    return seconds


if __name__ == "__main__":
    settings = {"auto": "auto", "on": True, "off": False}
    some = [int(depth) for depth in sys.argv[4:]] or DEPTHS
    print(json.dumps(run(Path(sys.argv[1]), sys.argv[2], settings[sys.argv[3]], some)))
