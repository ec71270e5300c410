"""The weights that come with the project: where they lie, how they are written, checked and loaded."""

import hashlib
import io
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from src.files import write_whole

if TYPE_CHECKING:
    import keras

WEIGHTS = Path(__file__).parents[1] / "models" / "formula" / "mobilenetv2_035_96.npz"


def digest_file(file: Path) -> Path:
    """Where the SHA-256 of a weights file is kept: beside it."""
    return file.with_name(file.name + ".sha256")


def save_formula_weights(backbone: "keras.Model", file: Path) -> None:
    """Write the backbone's variables, in their order, as float16 arrays of an .npz, and its digest beside it."""
    buffer = io.BytesIO()
    np.savez(buffer, *[variable.numpy().astype(np.float16) for variable in backbone.weights])
    write_whole(file, buffer.getvalue())
    write_whole(digest_file(file), hashlib.sha256(buffer.getvalue()).hexdigest().encode() + b"\n")


def load_formula_weights(backbone: "keras.Model", file: Path = WEIGHTS) -> None:
    """Set the variables of a MobileNetV2 (width 0.35, no top) from `file`, as float32.

    ValueError where the file is missing, damaged or not made for this model; the model is then left as it was.
    """
    arrays = _arrays(_checked(file))
    expected = [tuple(variable.shape) for variable in backbone.weights]
    if [array.shape for array in arrays] != expected:
        raise ValueError(f"{file.name} does not fit {backbone.name}: it is for MobileNetV2, width 0.35, without top")
    backbone.set_weights([array.astype(np.float32) for array in arrays])


def _checked(file: Path) -> bytes:
    if not (file.is_file() and digest_file(file).is_file()):
        raise ValueError(f"{file} or its .sha256 is missing: install the project again")
    content = file.read_bytes()
    if hashlib.sha256(content).hexdigest() != digest_file(file).read_text().strip():
        raise ValueError(f"{file} is damaged (its SHA-256 is not the recorded one): install the project again")
    return content


def _arrays(content: bytes) -> list[npt.NDArray[np.float16]]:
    try:
        with np.load(io.BytesIO(content), allow_pickle=False) as stored:
            return [stored[f"arr_{number}"] for number in range(len(stored.files))]
    except (zipfile.BadZipFile, KeyError, OSError) as error:
        raise ValueError(f"the weights file is no archive of numbered arrays: {error}") from error
