"""The trained network as an artifact that MLflow loads and serves, in Keras' own file format."""

from importlib.metadata import version
from pathlib import Path

import mlflow
import numpy as np
from mlflow.models import Model, ModelSignature
from mlflow.types import Schema, TensorSpec

from src.common.keras_setup import keras
from src.models.network import Network

_REQUIREMENTS = ("keras", "tensorflow", "numpy", "mlflow", "pandas")


def save_model(network: Network, folder: Path, run_id: str, class_names: tuple[str, ...]) -> None:
    """Write `network` to `folder` in MLflow's layout: `mlflow.keras.load_model("runs:/ID/model")` loads it.

    The class names, in the order of the outputs, are the model's metadata. Requirements and signature are given:
    MLflow would infer them by loading the model in another process, which takes half a minute.
    """
    model = network.in_keras_layers()
    mlflow.keras.save_model(
        model,
        str(folder),
        mlflow_model=Model(artifact_path="model", run_id=run_id),
        signature=_signature(model),
        pip_requirements=[f"{package}=={version(package)}" for package in _REQUIREMENTS],
        metadata={"class_names": list(class_names)},
    )


def _signature(model: keras.Model) -> ModelSignature:
    def spec(shape: tuple[int | None, ...], name: str) -> Schema:
        return Schema([TensorSpec(np.dtype("float32"), (-1, *shape[1:]), name)])

    return ModelSignature(spec(model.input_shape, "image"), spec(model.output_shape, "probabilities"))
