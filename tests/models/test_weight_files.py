"""Files as Keras downloads them: weights=file gives the network that weights=imagenet gives, in every family."""

from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from src.common.errors import ThawError
from src.common.keras_setup import keras
from src.models.backbone import build_backbone
from src.models.catalog import find_backbone
from src.models.weights import WeightSet

ONE_OF_EACH_FAMILY = (
    "mobilenet", "mobilenetv2", "mobilenetv3small", "resnet50", "resnet50v2", "efficientnetb0", "efficientnetv2b0",
    "convnexttiny", "densenet121", "vgg16", "inceptionv3", "inceptionresnetv2", "xception", "nasnetmobile",
)  # fmt: skip
IMAGENET = [0.485, 0.456, 0.406], [0.229, 0.224, 0.225]  # what the download's Normalization holds


def keras_own(name: str, **settings: Any) -> keras.Model:
    spec = find_backbone(name)
    settings.setdefault("weights", None)
    settings.setdefault("include_top", False)
    return getattr(keras.applications, spec.class_name)(input_shape=(224, 224, 3), **settings)


def with_random_values(model: keras.Model, mean_and_variance: tuple[list[float], list[float]] | None) -> keras.Model:
    generator = np.random.default_rng(3)
    for variable in model.weights:
        if "float" in variable.dtype:
            variable.assign(generator.uniform(0.01, 0.1, variable.shape))
    for layer in model.layers:
        if isinstance(layer, keras.layers.Normalization) and layer.input_mean is None:
            mean, variance = mean_and_variance or ([0.0] * 3, [1.0] * 3)
            layer.adapt_mean.assign(mean)
            layer.adapt_variance.assign(variance)
            layer.finalize_state()
    return model


def save_as_keras_does_for_download(model: keras.Model, path: Path) -> None:
    with h5py.File(path, "w") as file:
        keras.src.legacy.saving.legacy_h5_format.save_weights_to_hdf5_group(file, model)


def from_file(name: str, path: Path) -> keras.Model:
    return build_backbone(find_backbone(name), WeightSet("file", path, 1.0, 224, "x"), 224)


@pytest.mark.parametrize(
    "name",
    [pytest.param(name, marks=() if name == "efficientnetb0" else pytest.mark.slow) for name in ONE_OF_EACH_FAMILY],
)
def test_the_downloaded_file_gives_the_network_of_weights_imagenet(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "any_name.h5"
    save_as_keras_does_for_download(with_random_values(keras_own(name), IMAGENET), path)
    monkeypatch.setattr(keras.src.utils.file_utils, "get_file", lambda *_, **__: str(path))  # no network
    keras.utils.clear_session()  # names of unnamed layers are counted in each process
    downloaded = build_backbone(find_backbone(name), WeightSet("imagenet", None, 1.0, 224, "x"), 224)
    keras.utils.clear_session()
    ours = from_file(name, path)
    assert [layer.name for layer in ours.layers if layer.weights] == [
        layer.name for layer in downloaded.layers if layer.weights
    ]
    assert [type(layer) for layer in ours.layers] == [type(layer) for layer in downloaded.layers]
    image = np.random.default_rng(0).uniform(0, 255, (1, 224, 224, 3)).astype(np.float32)
    np.testing.assert_array_equal(ours(image), downloaded(image))


def test_an_efficientnet_trained_without_imagenets_statistics_stays_as_it_was(tmp_path: Path) -> None:
    source = with_random_values(keras_own("efficientnetb0"), None)
    source.save_weights(tmp_path / "own.weights.h5")
    image = np.random.default_rng(0).uniform(0, 255, (1, 224, 224, 3)).astype(np.float32)
    np.testing.assert_array_equal(from_file("efficientnetb0", tmp_path / "own.weights.h5")(image), source(image))


@pytest.mark.parametrize("name", ["efficientnetb0", "mobilenetv3small"])
def test_keras_own_name_of_the_download_is_enough(name: str, tmp_path: Path) -> None:
    model = keras_own(name)
    save_as_keras_does_for_download(model, tmp_path / f"{model.name}_notop.h5")
    scales = [layer for layer in from_file(name, tmp_path / f"{model.name}_notop.h5").layers if "rescal" in layer.name]
    assert len(scales) == (2 if name == "efficientnetb0" else 1)


@pytest.mark.parametrize("name", ["mobilenetv3small", "vgg16"])
def test_a_file_with_the_classifier_is_refused_and_says_how_to_save_one_without(name: str, tmp_path: Path) -> None:
    save_as_keras_does_for_download(keras_own(name, include_top=True, classes=10), tmp_path / "top.h5")
    with pytest.raises(ThawError, match=r"does not fit .*include_top=False"):
        from_file(name, tmp_path / "top.h5")


def test_a_newer_file_with_the_classifier_gives_its_backbone(tmp_path: Path) -> None:
    whole = with_random_values(keras_own("mobilenetv3small", include_top=True, classes=10), None)
    whole.save_weights(tmp_path / "top.weights.h5")
    ours = from_file("mobilenetv3small", tmp_path / "top.weights.h5").get_weights()
    assert all(np.array_equal(own, given) for own, given in zip(ours, whole.get_weights(), strict=False))
