"""Write a classifier's network for other runtimes, and run what was written by those."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from src.cli.signals import hidden_interrupts_show
from src.common.errors import ThawError, one_line
from src.common.keras_setup import keras, quiet
from src.data.dataset import Dataset
from src.data.listing import Split
from src.deployment.onnx_layers import with_convertible_layers
from src.deployment.quantization import with_rounded_kernels
from src.inference.classifier import BATCH
from src.inference.temperature import Probabilities

Format = Literal["litert", "onnx", "saved_model"]
Precision = Literal["float32", "float16", "int8"]
Runtime = Callable[[NDArray[np.float32]], Probabilities]
"""Returns the probabilities of images at the network's size, float32 [images, side, side, 3] in 0–255."""

SUFFIXES: dict[Format, str] = {"litert": ".tflite", "onnx": ".onnx", "saved_model": ""}


def write_export(
    network: keras.Model, path: Path, kind: Format, precision: Precision, examples: NDArray[np.uint8]
) -> None:
    """Write `network` to `path`: a file, with saved_model a folder.

    Args:
        network: float32 images [batch, side, side, 3] in 0–255 to probabilities.
        path: its suffix is that of the format.
        kind: the format.
        precision: of the weights; with int8, LiteRT rounds activations as images come. Input and output are float32.
        examples: training images, uint8 [images, side, side, 3], by which int8 keeps the features' means.

    Raises:
        ThawError: what the format needs is not installed, or it does not take the network.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        with _installed(kind), quiet(), hidden_interrupts_show():
            _WRITERS[kind](network, path, precision, examples)
    except (ThawError, OSError):
        raise
    except Exception as error:  # converters complain of networks in every way
        reason = f"{type(error).__name__}: {one_line(error, 300)}"
        raise ThawError(f"--format {kind}: it does not take this network ({reason}); try another format") from error


@contextmanager
def _installed(kind: Format) -> Iterator[None]:
    """Report a package that is not installed in a line."""
    try:
        yield
    except ImportError as error:
        raise ThawError(f"--format {kind}: {error.name} is not installed: pip install -e '.[export]'") from error


def _write_onnx(network: keras.Model, path: Path, _precision: Precision, _examples: NDArray[np.uint8]) -> None:
    signature = [keras.InputSpec("float32", network.input_shape, name="image")]
    with_convertible_layers(network).export(str(path), format="onnx", verbose=False, input_signature=signature)


def _write_saved_model(network: keras.Model, path: Path, _precision: Precision, _examples: NDArray[np.uint8]) -> None:
    network.export(str(path), format="tf_saved_model", verbose=False)


def _write_litert(network: keras.Model, path: Path, precision: Precision, examples: NDArray[np.uint8]) -> None:
    import tensorflow as tf

    options: dict[str, Any] = {"target_spec": {"supported_ops": [tf.lite.OpsSet.TFLITE_BUILTINS]}}
    if precision != "float32":
        options["optimizations"] = [tf.lite.Optimize.DEFAULT]
    if precision == "float16":
        options["target_spec"]["supported_types"] = [tf.float16]
    if precision == "int8":
        network = with_rounded_kernels(network, examples)
    signature = [tf.TensorSpec((1, *network.input_shape[1:]), tf.float32, name="image")]
    network.export(str(path), format="litert", verbose=False, input_signature=signature, **options)


_WRITERS: dict[Format, Callable[[keras.Model, Path, Precision, NDArray[np.uint8]], None]] = {
    "litert": _write_litert, "onnx": _write_onnx, "saved_model": _write_saved_model,
}  # fmt: skip


def runtime_of(path: Path, kind: Format) -> Runtime:
    """Return what runs an export: its own runtime, on the CPU.

    Raises:
        ThawError: the runtime is not installed.
    """
    with _installed(kind):
        return {"litert": _litert, "onnx": _onnx, "saved_model": _saved_model}[kind](path)


def _litert(path: Path) -> Runtime:
    from ai_edge_litert.interpreter import Interpreter

    with quiet():
        interpreter = Interpreter(str(path))
        interpreter.allocate_tensors()
    (taken,), (given,) = interpreter.get_input_details(), interpreter.get_output_details()

    def run(image: NDArray[np.float32]) -> Probabilities:
        interpreter.set_tensor(taken["index"], image[np.newaxis])
        interpreter.invoke()
        return np.asarray(interpreter.get_tensor(given["index"])[0], np.float32)

    return lambda images: np.stack([run(image) for image in images])


def _onnx(path: Path) -> Runtime:
    import onnxruntime

    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    (taken,) = session.get_inputs()
    return lambda images: np.asarray(session.run(None, {taken.name: images})[0], np.float32)


def _saved_model(path: Path) -> Runtime:
    import tensorflow as tf

    loaded = tf.saved_model.load(str(path))
    return lambda images: np.asarray(loaded.serve(images).numpy(), np.float32)


def run_split(runtime: Runtime, dataset: Dataset, split: Split) -> Probabilities:
    """Return what a runtime gives for the images of a split, batch by batch, float32 [images, classes]."""
    indices = dataset.splits[split]
    batches = (indices[start : start + BATCH] for start in range(0, indices.size, BATCH))
    return np.concatenate([runtime(as_floats(dataset.pixels[batch])) for batch in batches])


def as_floats(images: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Return images as every runtime takes them."""
    return np.asarray(images, np.float32)
