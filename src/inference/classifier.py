"""A saved classifier: files, bytes, base64 and arrays in, class probabilities out.

MLflow loads and serves a kept model by this module, of which each model has a copy with the modules that it imports
(:data:`SHIPPED`): so a model needs nothing of Thaw.
"""

import base64
import binascii
import contextlib
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from PIL import Image as PillowImage

from src.common.errors import ThawError, one_line
from src.common.keras_setup import keras
from src.data.decode import read_image, to_square
from src.data.listing import Image, UnreadableImageError
from src.inference.facts import ModelFacts
from src.inference.temperature import Probabilities, scaled

SHIPPED = (
    "common/errors.py", "common/keras_setup.py", "data/listing.py", "data/deep_images.py", "data/decode.py",
    "inference/facts.py", "inference/temperature.py", "inference/classifier.py",
)  # fmt: skip
BATCH = 24
_NARROWEST = 16
"""Numbers [a, b, c] with c below it are one image with c channels; else a grey images, each c px wide."""

FILE = "model.keras"
"""The name that MLflow gives the file."""

_SERVING = "_MLFLOW_IS_IN_SERVING_ENVIRONMENT"


@dataclass(frozen=True, eq=False)
class Classifier:
    """A network and the facts about it.

    Attributes:
        network: float32 images [batch, side, side, 3] in 0–255 to class probabilities [batch, classes].
    """

    network: keras.Model
    facts: ModelFacts

    @classmethod
    def load(cls, file: Path, facts: ModelFacts | None = None) -> "Classifier":
        """Return the classifier of a `.keras` file. No code of the file is run: Keras loads it in safe mode.

        Args:
            file: as Thaw saves it, or a network alone with a fixed input size.
            facts: of a file that has none.

        Raises:
            ThawError: it is no `.keras` file, would run code, is no image classifier, or its classes are not known.
        """
        stored = ModelFacts.read(file)
        model, facts = _load_keras(file), stored or facts
        network = model if stored is None else model.layers[-1]
        _check(network, file)
        classes = network.output_shape[-1]
        if facts is None:
            raise ThawError(f"{file}: does not say its classes; give the folder or the run that MLflow keeps it in")
        if classes != len(facts.class_names):
            raise ThawError(f"{file}: {classes} outputs, but {len(facts.class_names)} class names")
        return cls(network, facts)

    @property
    def side(self) -> int:
        """Side of the images that the network takes, px."""
        return int(self.network.input_shape[1])

    def square(self, item: Any) -> Image:
        """Return an image at the network's size, uint8 [side, side, 3], as in training.

        Args:
            item: the file's path or content, its content as base64, or an array [height, width, 3] of any size: uint8,
                other integers in 0–255, or floats in 0–255 (not in 0–1), which are rounded; integers also grey
                [height, width] or with alpha.

        Raises:
            UnreadableImageError: no image can be made of it; the text says why.
        """
        if isinstance(item, str):
            item = _from_text(item)
        if isinstance(item, Path | bytes):
            return read_image(item, self.side, self.facts.resize, self.facts.bit_depth)
        return to_square(PillowImage.fromarray(_array(item)), self.side, self.facts.resize)

    def probabilities(self, squares: Sequence[Image], *, calibrated: bool = False) -> Probabilities:
        """Return the class probabilities of images at the network's size, float32 [images, classes]."""
        batches = [np.zeros((0, len(self.facts.class_names)), np.float32)]
        for start in range(0, len(squares), BATCH):
            batch = np.stack([np.asarray(square, np.float32) for square in squares[start : start + BATCH]])
            batches.append(np.asarray(self.network.predict_on_batch(batch), np.float32))
        together: Probabilities = np.concatenate(batches)
        return scaled(together, self.facts.temperature) if calibrated else together

    def predict(self, data: Any, params: Mapping[str, Any] | None = None) -> pd.DataFrame:
        """Return a column of probabilities for each class, a row for each image.

        Args:
            data: one image or several, each as :meth:`square` takes it; or a table with a column of them. Numbers that
                are nested as [height][width] (grey) or [height][width][channels] are one image.
            params: `calibrated` (true by default): whether the temperature that was fitted is applied.

        Raises:
            ThawError: an item that is no image; the text says which.
        """
        squares = []
        for number, item in enumerate(_items(data)):
            try:
                squares.append(self.square(item))
            except UnreadableImageError as error:
                raise ThawError(f"image {number}: {one_line(error, 300)}") from error
        calibrated = bool((params or {}).get("calibrated", True))
        return pd.DataFrame(self.probabilities(squares, calibrated=calibrated), columns=list(self.facts.class_names))


def _load_pyfunc(path: str) -> Classifier:
    """Return the model that MLflow's pyfunc wraps: MLflow's name for what it calls."""
    place = Path(path)
    return Classifier.load(place / FILE if place.is_dir() else place)


def _load_keras(file: Path) -> keras.Model:
    try:
        return keras.saving.load_model(file, compile=False, safe_mode=True)
    except Exception as error:  # Keras, zipfile, h5py and JSON complain of strangers' files in every way
        if "unsafe" in str(error) or "safe_mode" in str(error):
            raise ThawError(f"{file}: holds code (a Lambda layer), which is not run; ask for one without") from error
        raise ThawError(f"{file}: Keras cannot load it: {one_line(error, 300)}") from error


def _check(network: keras.Model, file: Path) -> None:
    """Raise ThawError unless `network` maps square colour images to a vector for each."""
    shapes = getattr(network, "input_shape", None), getattr(network, "output_shape", None)
    match shapes:
        case ((_, int(height), int(width), 3), (_, int())) if height == width:
            return
    raise ThawError(f"{file}: no classifier of square colour images: input {shapes[0]}, output {shapes[1]}")


def _from_text(text: str) -> Path | bytes:
    """Return the file that `text` names or, where there is none, what it decodes to from base64.

    A model that `mlflow models serve` serves opens no file: whoever asks it must not learn what is on its disk.
    """
    if os.environ.get(_SERVING) != "true":
        with contextlib.suppress(OSError, ValueError):  # base64 is no path: too long, among others
            if Path(text).is_file():
                return Path(text)
    try:
        return base64.b64decode(text.partition("base64,")[2] or text, validate=True)
    except (binascii.Error, ValueError) as error:
        raise UnreadableImageError(f"{one_line(text, 60)!r} is neither a file nor base64") from error


def _array(item: Any) -> NDArray[np.uint8]:
    """Return an image's values as whole levels."""
    try:
        array = np.asarray(item)
    except ValueError as error:
        raise UnreadableImageError("rows of unequal length") from error
    kind = array.dtype.kind
    channels = array.shape[-1] if array.ndim == 3 else 1
    if kind not in "uif" or array.ndim not in (2, 3) or channels not in ((3,) if kind == "f" else (1, 3, 4)):
        raise UnreadableImageError(f"an array of shape {array.shape} and type {array.dtype} is no image")
    if not array.size or not np.isfinite(array).all() or array.min() < 0 or array.max() > 255:
        raise UnreadableImageError("an array with no values, or values outside 0–255")
    if kind == "f" and array.max() <= 1 and (array % 1).any():
        raise UnreadableImageError("floats of 0–1: values of 0–255 are expected, so multiply them by 255")
    plain: NDArray[Any] = array[:, :, 0] if array.ndim == 3 and channels == 1 else array
    return np.asarray(np.rint(plain), np.uint8)


def _items(data: Any) -> Iterator[Any]:
    """Yield the images of what :meth:`Classifier.predict` is given."""
    if isinstance(data, pd.DataFrame):
        yield from data.iloc[:, 0].tolist()
    elif _is_one(data):
        yield data
    else:
        yield from data


def _is_one(data: Any) -> bool:
    """Return whether `data` is one image: no sequence, or numbers [height, width] or [height, width, channels]."""
    if isinstance(data, str | bytes | Path):
        return True
    if isinstance(data, list | tuple) and any(isinstance(item, np.ndarray) and item.ndim > 1 for item in data):
        return False
    shape = _shape(data)
    return len(shape) == 2 or (len(shape) == 3 and shape[2] < _NARROWEST)


def _shape(data: Any) -> tuple[int, ...]:
    """Return the shape of an array, or of lists of numbers by the first item of each; () for other things."""
    lengths: list[int] = []
    while isinstance(data, list | tuple) and data:
        lengths.append(len(data))
        data = data[0]
    if isinstance(data, np.ndarray):
        return (*lengths, *data.shape) if data.dtype.kind in "uif" else ()
    return tuple(lengths) if isinstance(data, int | float | np.number) else ()
