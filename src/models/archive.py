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

        Rates of Dropout and what trains are `network`'s too.
        """
        weights = bytearray(self.entries[_WEIGHTS])
        for place, variable in zip(self.places, network.weights, strict=True):
            values = variable.numpy().tobytes()
            weights[place : place + len(values)] = values
        own: dict[str, bytes | bytearray] = {_CONFIG: self._config(network), _WEIGHTS: weights}
        with zipfile.ZipFile(path, "w") as archive:
            for name, content in (self.entries | own).items():
                archive.writestr(name, content)

    def _config(self, network: keras.Model) -> bytes:
        config = json.loads(self.entries[_CONFIG])
        for layer in config["config"]["layers"]:
            own = network.get_layer(layer["config"]["name"])
            layer["config"]["trainable"] = own.trainable
            if layer["class_name"] == "Dropout":
                layer["config"]["rate"] = own.rate
        return json.dumps(config).encode()


def _mark(number: int, dtype: str) -> float:
    """What no variable holds by chance, exact in float32."""
    return number + 0.5 if "float" in dtype else number


def _places(weights: bytes, model: keras.Model) -> list[int]:
    """Where the values of each variable of `model` begin in its weight file, bytes: Keras writes them in one piece."""
    by_mark: dict[float, int] = {}

    def note(name: str, item: h5py.Dataset | h5py.Group) -> None:
        if isinstance(item, h5py.Dataset) and "seed_generator" not in name:
            by_mark[float(np.ravel(item[()])[0])] = item.id.get_offset()

    with h5py.File(io.BytesIO(weights)) as file:
        file.visititems(note)
    assert len(by_mark) == len(model.weights), "a variable that is stored twice, or none of the model's"
    return [by_mark[_mark(number, variable.dtype)] for number, variable in enumerate(model.weights)]
