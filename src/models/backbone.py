"""A backbone on raw images, with its weights: keras.applications, or LeNet-5."""

import math
import warnings
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from src.common.errors import DownloadError, ThawError, one_line
from src.common.keras_setup import download_folder, keras, layers
from src.models.catalog import BackboneSpec, Preprocessing
from src.models.embedded_weights import load_embedded_weights
from src.models.layers import LayerInfo
from src.models.lenet import LeNet5
from src.models.weights import WeightSet

_IMAGENET_MEAN = (0.485, 0.456, 0.406)
_IMAGENET_DEVIATION = (0.229, 0.224, 0.225)
_CAFFE_MEAN_BGR = (103.939, 116.779, 123.68)
_PREPROCESSING_PREFIX = "preprocessing"


def build_backbone(spec: BackboneSpec, weights: WeightSet, image_size: int) -> keras.Model:
    """Build `spec` with `weights`, from raw RGB float32 [batch, side, side, 3] in 0–255 to its last feature map.

    Raises:
        ThawError: weights that do not fit, or that cannot be downloaded.
    """
    images = keras.Input((image_size, image_size, 3), name="image")
    source = "imagenet" if weights.name == "imagenet" and not spec.weight_sizes else None
    model = _construct(spec, weights, source, input_tensor=preprocess(images, spec.preprocessing))
    if weights.name == "imagenet" and source is None:
        native = (weights.image_size, weights.image_size, 3)
        model.set_weights(_construct(spec, weights, "imagenet", input_shape=native).get_weights())
    elif weights.name == "file":
        _load_file(model, weights)
        if spec.rescaled_for_imagenet and _is_of_imagenet(model, weights.path):
            model = _with_second_rescaling(model)
    elif weights.name == "formula":
        _load_formula(model)
    return model


@lru_cache(maxsize=1)
def pretrained(spec: BackboneSpec, weights: WeightSet, image_size: int, seed: int, /) -> keras.Model:
    """Return :func:`build_backbone`'s model, cached for the next call; random weights follow from `seed`. Read-only."""
    keras.utils.clear_session()  # else the names of unnamed layers depend on what was built before in this process
    keras.utils.set_random_seed(seed)
    return build_backbone(spec, weights, image_size)


def preprocess(images: Any, preprocessing: Preprocessing) -> Any:
    """Convert raw 0–255 RGB to the weights' input, as `keras.applications.*.preprocess_input`, within the model."""
    name = _PREPROCESSING_PREFIX
    match preprocessing:
        case "inside":
            return images
        case "minus_one_to_one":
            return layers.Rescaling(1 / 127.5, offset=-1, name=name)(images)
        case "zero_to_one":
            return layers.Rescaling(1 / 255, name=name)(images)
        case "torch":
            scale = [1 / (255 * deviation) for deviation in _IMAGENET_DEVIATION]
            offset = [-mean / deviation for mean, deviation in zip(_IMAGENET_MEAN, _IMAGENET_DEVIATION, strict=True)]
            return layers.Rescaling(scale, offset=offset, name=name)(images)
        case "caffe":
            blue_first = keras.ops.flip(images, axis=-1)
            return layers.Rescaling(1.0, offset=[-mean for mean in _CAFFE_MEAN_BGR], name=name)(blue_first)


def backbone_layers(model: keras.Model) -> list[layers.Layer]:
    """Return the backbone's layers as Keras lists them: without the preprocessing and the head that Thaw adds."""
    added = (_PREPROCESSING_PREFIX, "head_")
    return [layer for layer in model.layers if not layer.name.startswith(added)]


def describe_layers(plain: keras.Model, spec: BackboneSpec) -> tuple[LayerInfo, ...]:
    """Return the table that depths are planned on, of a model by :func:`pretrained` (every layer trainable)."""
    table = [
        LayerInfo(
            name=layer.name,
            variables=tuple((str(variable.path), math.prod(variable.shape)) for variable in layer.trainable_weights),
            is_batchnorm=isinstance(layer, layers.BatchNormalization),
        )
        for layer in backbone_layers(plain)
    ]
    return spec.blocks.given_to(table)


def _construct(spec: BackboneSpec, weights: WeightSet, source: str | None, **where: Any) -> keras.Model:
    function = LeNet5 if spec.class_name == "LeNet5" else getattr(keras.applications, spec.class_name)
    width = {"alpha": weights.alpha} if spec.has_width else {}
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Keras warns of input sizes that the caller chose on purpose.
            return function(include_top=False, weights=source, **width, **where)
    except Exception as error:
        if "URL fetch failure" in str(error):
            raise DownloadError(_no_download(spec, error)) from error
        if isinstance(error, ValueError):
            raise ThawError(f"{spec.name} with weights={weights.name}: {one_line(error, 300)}") from error
        raise


def _no_download(spec: BackboneSpec, error: Exception) -> str:
    return (
        f"ImageNet weights of {spec.name} cannot be downloaded ({one_line(error, 160)}): copy them to "
        f"{download_folder()} from a machine that can"
    )


def _load_formula(model: keras.Model) -> None:
    try:
        load_embedded_weights(model)
    except ValueError as error:
        raise ThawError(f"weights=formula: {one_line(error, 300)}") from error


def _load_file(model: keras.Model, weights: WeightSet) -> None:
    assert weights.path is not None
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Keras warns once for each layer, then raises for all.
            if weights.path.name.endswith(".keras"):
                model.set_weights(keras.saving.load_model(weights.path, compile=False).get_weights())
            else:
                model.load_weights(str(weights.path))
    except Exception as error:  # h5py and Keras complain of damaged files in every way
        reason = one_line(str(error).split("\n\nList of")[0], 300)
        raise ThawError(
            f"weights.path={weights.path} does not fit {model.name} of width {weights.alpha:g} "
            f"(weights.alpha, saved with include_top=False?): {reason}"
        ) from error


def _is_of_imagenet(model: keras.Model, path: Path | None) -> bool:
    """Return whether the weights of an EfficientNet are Keras' download, or come of it.

    Its Normalization then holds ImageNet's means, and deviations in place of variances: Keras makes up for the latter
    by a Rescaling, which it adds with weights="imagenet" and which no file of weights holds.
    """
    (given,) = [layer for layer in model.layers if type(layer) is layers.Normalization]
    mean, variance = (np.ravel(variable) for variable in (given.adapt_mean, given.adapt_variance))
    is_download = path is not None and path.name == f"{model.name}_notop.h5"
    return is_download or np.allclose([mean, variance], [_IMAGENET_MEAN, _IMAGENET_DEVIATION], atol=1e-3)


def _with_second_rescaling(model: keras.Model) -> keras.Model:
    """Return the layers of `model` with the Rescaling that Keras adds for ImageNet's weights."""

    def call(layer: layers.Layer, *arguments: Any, **settings: Any) -> Any:
        output = layer(*arguments, **settings)
        if type(layer) is layers.Normalization:
            scale = [1 / math.sqrt(deviation) for deviation in _IMAGENET_DEVIATION]
            output = layers.Rescaling(scale, name="rescaling_1")(output)
        return output

    return keras.models.clone_model(model, clone_function=lambda layer: layer, call_function=call)
