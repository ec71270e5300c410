"""Networks as `.keras` files, written in the time that their bytes need.

Keras takes a third of a second to walk a network's layers whenever it saves one. So it saves each network once, with
marks for values; a file is then that archive with the values in the places of the marks.
"""

import io
import json
import tempfile
import zipfile
from pathlib import Path

import h5py
import keras
import numpy as np

_CONFIG, _WEIGHTS = "config.json", "model.weights.h5"


class KerasArchive:
    """The file of `model`, whose variables are lost: they serve as marks. `model` is in Keras' own layers."""

    def __init__(self, model: keras.Model) -> None:
        for number, variable in enumerate(model.weights):
            variable.assign(np.full(variable.shape, _mark(number, variable.dtype)))
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "marks.keras"
            model.save(path)
            with zipfile.ZipFile(path) as archive:
                self.entries = {name: archive.read(name) for name in archive.namelist()}
        self.places = _places(self.entries[_WEIGHTS], model)

    def write(self, path: Path, network: keras.Model) -> None:
        """Write the values of `network`, a model of the same variables and layers by name, in their place.

        Rates of Dropout are `network`'s too.
        """
        weights = io.BytesIO(self.entries[_WEIGHTS])
        with h5py.File(weights, "r+") as file:
            for place, variable in zip(self.places, network.weights, strict=True):
                file[place][...] = variable.numpy()
        own = {_CONFIG: self._config(network), _WEIGHTS: weights.getvalue()}
        with zipfile.ZipFile(path, "w") as archive:
            for name, content in (self.entries | own).items():
                archive.writestr(name, content)

    def _config(self, network: keras.Model) -> bytes:
        config = json.loads(self.entries[_CONFIG])
        for layer in config["config"]["layers"]:
            if layer["class_name"] == "Dropout":
                layer["config"]["rate"] = network.get_layer(layer["config"]["name"]).rate
        return json.dumps(config).encode()


def _mark(number: int, dtype: str) -> float:
    """What no variable holds by chance, exact in float32."""
    return number + 0.5 if "float" in dtype else number


def _places(weights: bytes, model: keras.Model) -> list[str]:
    """Where each variable of `model` lies in its weight file."""
    found: dict[str, float] = {}

    def note(name: str, item: h5py.Dataset | h5py.Group) -> None:
        if isinstance(item, h5py.Dataset) and "seed_generator" not in name:
            found[name] = float(np.ravel(item[()])[0])

    with h5py.File(io.BytesIO(weights)) as file:
        file.visititems(note)
    by_mark = {mark: name for name, mark in found.items()}
    return [by_mark[_mark(number, variable.dtype)] for number, variable in enumerate(model.weights)]
