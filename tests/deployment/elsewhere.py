"""A program that knows Keras and MLflow alone: FILE RUN STORE PHOTOS; what a model's file and its run say of them."""

import json
import sys

import keras
import mlflow
import numpy as np
from PIL import Image


def main(file: str, run: str, store: str, *paths: str) -> None:
    mlflow.set_tracking_uri(store)
    model = keras.saving.load_model(file, safe_mode=True)
    raw = [np.asarray(Image.open(path).convert("RGB")) for path in paths]
    found = {
        "file": [model.predict(image[np.newaxis], verbose=0)[0].tolist() for image in raw],
        "pyfunc": mlflow.pyfunc.load_model(f"runs:/{run}/model").predict(list(paths)).to_numpy().tolist(),
        "src": "src" in sys.modules,
    }
    print(json.dumps(found))


if __name__ == "__main__":
    main(*sys.argv[1:])
