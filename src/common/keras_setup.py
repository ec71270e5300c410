"""Keras as Thaw needs it, independent of the user's keras.json and environment.

Every module of `src` takes `keras` and `layers` from here: the backend is fixed when Keras is imported, the rest by
functions afterwards. Where Keras keeps downloads (KERAS_HOME) stays the user's choice.
"""

import contextlib
import json
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from src.common.errors import ThawError, one_line

_BACKEND = "tensorflow"
_NEEDED = {"backend": _BACKEND, "image_data_format": "channels_last", "floatx": "float32", "epsilon": 1e-7}
_VARIABLES = ("KERAS_BACKEND", "KERAS_MAX_EPOCHS", "KERAS_MAX_STEPS_PER_EPOCH", "KERAS_NNX_ENABLED")


def keras_home() -> Path:
    """Return Keras' folder: of keras.json, and of the weights that it downloads."""
    folder = os.environ.get("KERAS_HOME")
    return Path(folder).expanduser() if folder else Path("~/.keras").expanduser()


def download_folder() -> Path:
    """Return the folder where Keras looks for weights before it downloads them."""
    home = keras_home()
    return (home if os.access(home, os.W_OK) else Path("/tmp/.keras")) / "models"  # noqa: S108 - Keras' own


def _asked() -> dict[str, Any]:
    """Return what keras.json asks for of what Thaw needs."""
    try:
        settings = json.loads((keras_home() / "keras.json").read_text("utf-8"))
    except (OSError, ValueError):
        return {}
    return {name: settings[name] for name in _NEEDED if name in settings} if isinstance(settings, dict) else {}


def _overridden() -> list[str]:
    """Return what the user asks of Keras and does not get, as ``key=value in FILE``."""
    file = [f"{name}={value}" for name, value in _asked().items() if value != _NEEDED[name]]
    variables = [f"{name}={os.environ[name]}" for name in _VARIABLES if os.environ.get(name)]
    environment = [line for line in variables if line != f"KERAS_BACKEND={_BACKEND}"]
    where = [f"{', '.join(file)} in {keras_home() / 'keras.json'}"] if file else []
    return where + ([f"{', '.join(environment)} in the environment"] if environment else [])


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Keep TensorFlow's native start-up messages (absent GPUs, instruction sets) off the terminal."""
    sys.stderr.flush()
    terminal = os.dup(2)
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 2)
    try:
        yield
    finally:
        os.dup2(terminal, 2)
        os.close(terminal)
        os.close(nowhere)


def _import_keras() -> Any:
    """Import Keras with TensorFlow as its backend; TensorFlow reads keras.json when it is imported, so it comes here.

    Raises:
        ThawError: Keras cannot read its keras.json, or runs on another backend already.
    """
    for name in _VARIABLES:
        os.environ.pop(name, None)
    os.environ["KERAS_BACKEND"] = _BACKEND
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    try:
        with quiet():
            import keras
            import tensorflow  # noqa: F401
    except (ImportError, MemoryError):
        raise  # not of keras.json: the backend is set above
    except Exception as error:
        path = keras_home() / "keras.json"
        if not path.exists():
            raise
        raise ThawError(f"{path}: Keras does not start with it ({one_line(error, 200)}): mend or remove it") from error
    if keras.config.backend() != _BACKEND:
        raise ThawError(f"Keras runs on {keras.config.backend()} already: import src before keras")
    return keras


_notes = _overridden()
keras = _import_keras()
if _notes:
    needed = ", ".join(str(value) for value in _NEEDED.values())
    print(f"thaw: not used: {one_line('; '.join(_notes))}. Thaw needs {needed}.", file=sys.stderr)
keras.config.set_image_data_format(_NEEDED["image_data_format"])
keras.config.set_floatx(_NEEDED["floatx"])
keras.config.set_epsilon(_NEEDED["epsilon"])
keras.config.set_dtype_policy(_NEEDED["floatx"])
layers = keras.layers
