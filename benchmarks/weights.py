"""Weights for the reference sweep: MobileNetV2 of width 1.0 as drawn, with BatchNorm statistics that fit the photos.

What they are worth makes no step faster or slower, and ImageNet's need a download. With statistics that do not fit, all
images would give the same features.
"""

import sys
from pathlib import Path

import keras

from benchmarks.sweep import SIDE


def write_weights(photos: Path, path: Path) -> None:
    """Write them to `path`, with statistics of `photos`/train."""
    keras.utils.set_random_seed(0)
    base = keras.applications.MobileNetV2(input_shape=(SIDE, SIDE, 3), include_top=False, weights=None)
    for layer in base.layers:
        if isinstance(layer, keras.layers.BatchNormalization):
            layer.momentum = 0.8
    images = keras.utils.image_dataset_from_directory(
        photos / "train", image_size=(SIDE, SIDE), batch_size=64, seed=0, verbose=False
    )
    for batch, _ in images:
        base(batch / 127.5 - 1, training=True)
    base.save_weights(path)


if __name__ == "__main__":
    write_weights(Path(sys.argv[1]), Path(sys.argv[2]))
