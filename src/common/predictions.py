"""Predictions for the images of a split, as arrays and as the bytes of an `.npz` file."""

import io
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

Arrays = Mapping[str, NDArray[Any]]

_LENGTHS, _NAMES = "lengths", "names"


@dataclass(frozen=True)
class ImagePredictions:
    """A trial's predictions for the images of a split, in the split's order.

    Attributes:
        images: uint64 [images], a hash of each image's pixels: trials with equal arrays saw the same images.
        groups: uint64 [images], a hash of each image's group; the image's own where it has none.
        labels: uint16 [images], the true classes.
        predicted: uint16 [images], the most probable classes.
        probability: float32 [images], of the predicted class, 0–1.
    """

    images: NDArray[np.uint64]
    groups: NDArray[np.uint64]
    labels: NDArray[np.uint16]
    predicted: NDArray[np.uint16]
    probability: NDArray[np.float32]

    def arrays(self) -> Arrays:
        """Return the arrays by their names."""
        return {name: getattr(self, name) for name in _COLUMNS}

    @classmethod
    def of(cls, arrays: Arrays) -> "ImagePredictions":
        """Return the predictions of arrays by their names.

        Raises:
            KeyError: one is missing.
        """
        return cls(*(arrays[name] for name in _COLUMNS))


_COLUMNS = tuple(field.name for field in fields(ImagePredictions))


def pack(arrays: Arrays) -> bytes:
    """Return `arrays` as the bytes of a compressed `.npz` file."""
    buffer = io.BytesIO()
    np.savez_compressed(buffer, allow_pickle=False, **arrays)
    return buffer.getvalue()


def unpack(content: bytes) -> Arrays | None:
    """Return the arrays that were packed; None if the bytes are not whole."""
    try:
        with np.load(io.BytesIO(content), allow_pickle=False) as file:
            return {name: file[name] for name in file.files}
    except (OSError, ValueError, EOFError, zipfile.BadZipFile):
        return None


def join_trials(predictions: Mapping[str, ImagePredictions]) -> Arrays:
    """Return the predictions of several trials, by name, one after the other; :func:`split_trials` takes them apart."""
    columns = {name: np.concatenate([trial.arrays()[name] for trial in predictions.values()]) for name in _COLUMNS}
    lengths = np.array([trial.images.size for trial in predictions.values()], np.int64)
    return {**columns, _NAMES: np.array(list(predictions), np.str_), _LENGTHS: lengths}


def split_trials(arrays: Arrays) -> dict[str, ImagePredictions]:
    """Return the trials' own predictions by name; none where an array is missing."""
    if not {*_COLUMNS, _NAMES, _LENGTHS} <= arrays.keys():
        return {}
    ends = np.cumsum(arrays[_LENGTHS])[:-1]
    columns = {name: np.split(arrays[name], ends) for name in _COLUMNS}
    return {
        str(name): ImagePredictions.of({column: parts[k] for column, parts in columns.items()})
        for k, name in enumerate(arrays[_NAMES])
    }
