"""A program that knows Keras alone: FILE PHOTOS CLASSES; the loss of the loaded model on photos of just its size."""

import json
import sys
from pathlib import Path

import keras
import numpy as np
from PIL import Image


def main(file: Path, photos: Path, classes: list[str]) -> None:
    model = keras.saving.load_model(file, safe_mode=True)
    paths = [(path, k) for k, name in enumerate(classes) for path in sorted((photos / name).iterdir())]
    images = np.stack([np.asarray(Image.open(path), np.float32) for path, _ in paths])
    labels = np.array([k for _, k in paths])
    losses = keras.losses.sparse_categorical_crossentropy(labels, model(images, training=False))
    print(json.dumps({"loss": float(np.mean(losses)), "src": "src" in sys.modules}))


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3].split(","))
