"""A Keras model as an artifact that MLflow can load and serve, in the time its bytes need.

`mlflow.keras.log_model` infers requirements by loading the model in another process, which takes half a minute; here
they are known.
"""

from importlib.metadata import version
from pathlib import Path

import keras
import numpy as np
from mlflow import pyfunc
from mlflow.models import Model, ModelSignature
from mlflow.types import Schema, TensorSpec

from src.models.network import Network

_REQUIREMENTS = ("keras", "tensorflow", "numpy", "mlflow", "pandas")


def save_model(network: Network, folder: Path, run_id: str, class_names: tuple[str, ...]) -> None:
    """Write `network` to `folder` in MLflow's layout: `mlflow.keras.load_model("runs:/ID/model")` loads it.

    The class names, in the order of the outputs, are the model's metadata.
    """
    data = folder / "data"
    data.mkdir(parents=True)
    network.save(data / "model.keras")
    (data / "keras_module.txt").write_text("keras", "utf-8")
    requirements = [f"{package}=={version(package)}" for package in _REQUIREMENTS]
    (folder / "requirements.txt").write_text("\n".join(requirements) + "\n", "utf-8")
    description = Model(artifact_path="model", run_id=run_id, signature=_signature(network.model))
    description.metadata = {"class_names": list(class_names)}
    description.add_flavor(
        "keras", data="data", keras_version=keras.__version__, keras_backend=keras.backend.backend(),
        save_exported_model=False,
    )  # fmt: skip
    pyfunc.add_to_model(description, loader_module="mlflow.keras")
    description.save(str(folder / "MLmodel"))


def _signature(model: keras.Model) -> ModelSignature:
    def spec(shape: tuple[int | None, ...], name: str) -> Schema:
        return Schema([TensorSpec(np.dtype("float32"), (-1, *shape[1:]), name)])

    return ModelSignature(spec(model.input_shape, "image"), spec(model.output_shape, "probabilities"))
