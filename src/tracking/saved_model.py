"""The trained network as a model that stands alone: Keras' own file format, in MLflow's layout, with its code."""

import hashlib
from importlib.metadata import version
from pathlib import Path

import mlflow
import numpy as np
from mlflow.entities import LoggedModel
from mlflow.models import Model, ModelSignature
from mlflow.types import ColSpec, ParamSchema, ParamSpec, Schema
from mlflow.types.schema import AnyType
from numpy.typing import NDArray
from PIL import Image

from src.common.jpeg import jpeg_base64
from src.common.keras_setup import keras
from src.common.project import PROJECT
from src.inference.classifier import FILE, SHIPPED
from src.inference.facts import ModelFacts
from src.inference.resizing import resizing
from src.tracking.mlflow_internals import without_enforcement

_REQUIREMENTS = ("keras", "tensorflow", "numpy", "mlflow", "pandas", "pillow", "pillow-heif")
_CODE = "code"


def save_model(
    network: keras.Model, folder: Path, logged: LoggedModel, facts: ModelFacts, example: NDArray[np.uint8]
) -> None:
    """Write `network` to `folder` in MLflow's layout, from which Keras, MLflow's `keras` and its `pyfunc` load it.

    Requirements and signature are given: MLflow would infer them by loading the model in another process, which takes
    half a minute.

    Args:
        network: of Keras' own layers, float32 images [batch, side, side, 3] in 0–255 to probabilities.
        folder: which is made.
        logged: MLflow's entity, which the files belong to.
        facts: kept within the `.keras` file, and as the model's metadata.
        example: an image, uint8 [height, width, 3]: the input example.
    """
    description = Model(
        artifact_path=logged.artifact_location,
        run_id=logged.source_run_id,
        model_uuid=logged.model_id,
        model_id=logged.model_id,
    )
    folder.mkdir(parents=True)
    mlflow.keras.save_model(
        any_size(network, facts),
        str(folder),
        mlflow_model=description,
        input_example=[jpeg_base64(Image.fromarray(example), quality=90)],
        pip_requirements=[f"{package}=={version(package)}" for package in _REQUIREMENTS],
        metadata={"class_names": list(facts.class_names), "temperature": facts.temperature},
    )
    facts.write(folder / "data" / FILE)
    package = ship_code(folder / _CODE)
    environment = {"conda_env": "conda.yaml", "python_env": "python_env.yaml"}
    loader = f"{package}.inference.classifier"
    description.signature = _signature(facts.class_names)  # MLflow would have one of tensors for Keras alone
    mlflow.pyfunc.add_to_model(description, loader, data=f"data/{FILE}", code=_CODE, **environment)
    description.save(str(folder / "MLmodel"))


def any_size(network: keras.Model, facts: ModelFacts) -> keras.Model:
    """Return `network` behind the resizing of training: it takes images of any size, uint8 or float."""
    images = keras.Input((None, None, 3), name="image")
    squares = resizing(network.input_shape[1], facts.resize)(images)
    return keras.Model(images, network(squares), name="classifier")


def _signature(class_names: tuple[str, ...]) -> ModelSignature:
    """Return images of any kind → a probability for each class; `calibrated`: whether the temperature is applied."""
    images = Schema([ColSpec(AnyType(), "image")])
    probabilities = Schema([ColSpec("float", name) for name in class_names])
    return without_enforcement(
        ModelSignature(images, probabilities, ParamSchema([ParamSpec("calibrated", "boolean", default=True)]))
    )


def ship_code(folder: Path) -> str:
    """Copy what loads the model to `folder`, and return the name of its package.

    A process may have a package `src` of its own, and models whose code is of another version: the name has a digest.
    """
    texts = {name: (PROJECT / "src" / name).read_text("utf-8") for name in SHIPPED}
    digest = hashlib.blake2b("".join(texts.values()).encode(), digest_size=6).hexdigest()
    package = f"thaw_model_{digest}"
    for name, text in texts.items():
        place = folder / package / name
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(text.replace("from src.", f"from {package}."), "utf-8")
    return package
