"""The facts about a saved classifier: an entry of its `.keras` file, which Keras leaves alone."""

import json
import math
import struct
import zipfile
import zlib
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, get_args

from src.common.errors import ThawError, one_line
from src.data.decode import Resize

_ENTRY = "classifier.json"
_MOST_BYTES = 10_000_000
_DAMAGES = (zipfile.BadZipFile, EOFError, ValueError, TypeError, OverflowError, RuntimeError, zlib.error, struct.error)
"""Errors that reading a stranger's archive raises; RuntimeError where it is encrypted."""


@dataclass(frozen=True)
class ModelFacts:
    """The facts that turn a network into a classifier of image files.

    Attributes:
        class_names: in the order of the outputs.
        resize: how an image became square in training.
        bit_depth: of deep images whose file does not say, as in training; see :mod:`src.data.deep_images`.
        temperature: what logits are divided by, fitted on validation images; None where nothing was fitted.
    """

    class_names: tuple[str, ...]
    resize: Resize = "stretch"
    bit_depth: int | None = None
    temperature: float | None = None

    def write(self, file: Path) -> None:
        """Add the facts to the `.keras` file `file`, which has none yet."""
        with zipfile.ZipFile(file, "a") as archive:
            archive.writestr(_ENTRY, json.dumps(asdict(self), ensure_ascii=False))

    @classmethod
    def read(cls, file: Path) -> "ModelFacts | None":
        """Return the facts of a `.keras` file; None where it has none, as files of earlier versions.

        Raises:
            ThawError: it is no `.keras` file, or its facts are damaged.
        """
        try:
            with zipfile.ZipFile(file) as archive:
                if _ENTRY not in archive.namelist():
                    return None
                if archive.getinfo(_ENTRY).file_size > _MOST_BYTES:
                    raise ValueError(f"{_ENTRY} has more than {_MOST_BYTES:,} bytes")
                return _checked(json.loads(archive.read(_ENTRY)))
        except _DAMAGES as error:
            raise ThawError(f"{file}: no .keras file, or a damaged one ({one_line(error, 200)})") from error


def _checked(entry: Any) -> ModelFacts:
    """Return the facts of an entry that anybody may have written.

    Raises:
        TypeError: it has other names, or is no mapping.
        ValueError: a value that no facts have.
    """
    facts: Any = ModelFacts(**entry)
    names, depth, temperature = facts.class_names, facts.bit_depth, facts.temperature
    if not isinstance(names, list) or not names or not all(isinstance(name, str) for name in names):
        raise ValueError(f"class_names={names!r}: no list of names")
    if facts.resize not in get_args(Resize):
        raise ValueError(f"resize={facts.resize!r}: none of {', '.join(get_args(Resize))}")
    if depth is not None and (type(depth) is not int or not 1 <= depth <= 32):
        raise ValueError(f"bit_depth={depth!r}: no number of bits")
    is_number = type(temperature) in {int, float} and math.isfinite(temperature or 0)
    if temperature is not None and not (is_number and temperature > 0):
        raise ValueError(f"temperature={temperature!r}: no number above 0")
    return ModelFacts(tuple(names), facts.resize, depth, temperature)
