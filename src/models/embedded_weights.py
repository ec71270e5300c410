"""The weights that come with the project (`weights=formula`): where they are, and how they are checked and loaded."""

import hashlib
import io
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from src.common.keras_setup import keras

EMBEDDED_WEIGHTS = Path(__file__).parent / "formula" / "mobilenetv2_035_96.npz"


def digest_file(file: Path) -> Path:
    """Return the path of the file that holds the SHA-256 of a weights file."""
    return file.with_name(file.name + ".sha256")


def load_embedded_weights(backbone: "keras.Model", file: Path = EMBEDDED_WEIGHTS) -> None:
    """Set the variables of a MobileNetV2 (width 0.35, no top) from `file`, as float32.

    Raises:
        ValueError: the file is missing, damaged or not made for this model. The model keeps its variables.
    """
    arrays = _arrays(_verified_content(file))
    expected = [tuple(variable.shape) for variable in backbone.weights]
    if [array.shape for array in arrays] != expected:
        raise ValueError(f"{file.name} does not fit {backbone.name}: it is for MobileNetV2, width 0.35, without top")
    backbone.set_weights([array.astype(np.float32) for array in arrays])


def _verified_content(file: Path) -> bytes:
    if not (file.is_file() and digest_file(file).is_file()):
        raise ValueError(f"{file} or its .sha256 is missing: install the project again")
    content = file.read_bytes()
    if hashlib.sha256(content).hexdigest() != digest_file(file).read_text().strip():
        raise ValueError(f"{file} is damaged (its SHA-256 is not the recorded one): install the project again")
    return content


def _arrays(content: bytes) -> list[NDArray[np.float16]]:
    try:
        with np.load(io.BytesIO(content), allow_pickle=False) as stored:
            return [stored[f"arr_{number}"] for number in range(len(stored.files))]
    except (zipfile.BadZipFile, KeyError, OSError) as error:
        raise ValueError(f"the weights file is no archive of numbered arrays: {error}") from error
