"""Weight sets say their own width, size and digest."""

from pathlib import Path

import h5py
import pytest

from src.common.errors import ThawError
from src.config import WeightsConfig
from src.models.catalog import find_backbone
from src.models.weights import weight_set


def _config(**changes: object) -> WeightsConfig:
    return WeightsConfig.model_validate({"name": "imagenet", "path": None, "alpha": None, "image_size": None} | changes)


@pytest.mark.parametrize(
    ("backbone", "changes", "alpha", "size"),
    [
        ("mobilenetv2", {}, 1.0, 224),
        ("mobilenetv2", {"alpha": 0.35, "image_size": 96}, 0.35, 96),
        ("EfficientNetB3", {}, 1.0, 300),
        ("lenet5", {"name": "random"}, 1.0, 32),
    ],
)
def test_width_and_native_size(backbone: str, changes: dict[str, object], alpha: float, size: int) -> None:
    weights = weight_set(_config(**changes), find_backbone(backbone))
    assert (weights.alpha, weights.image_size) == (alpha, size)


def test_the_digest_is_of_the_files_content(tmp_path: Path) -> None:
    spec = find_backbone("resnet50")
    for name, content in (("a.h5", 1), ("b.h5", 1), ("c.h5", 2)):
        with h5py.File(tmp_path / name, "w") as file:
            file["layer"] = content
    a, b, c = (weight_set(_config(name="file", path=tmp_path / f"{n}.h5"), spec).digest for n in "abc")
    assert a == b != c


@pytest.mark.parametrize(
    ("backbone", "changes", "says"),
    [
        ("lenet5", {}, "lenet5 has no ImageNet weights"),
        ("resnet50", {"alpha": 0.5}, "resnet50 has no width multiplier"),
        ("resnet50", {"name": "file", "path": "none.h5"}, "none.h5: No such file"),
        ("mobilenetv2", {"image_size": 100}, "were made for 96, 128, 160, 192, 224 px"),
        ("resnet50", {"name": "formula"}, "formula are for mobilenetv2 only"),
        ("resnet50", {"name": "file", "path": "weights.txt"}, "expected a file that ends in"),
    ],
)
def test_what_a_backbone_cannot_have(backbone: str, changes: dict[str, object], says: str) -> None:
    with pytest.raises(ThawError, match=says):
        weight_set(_config(**changes), find_backbone(backbone))


def test_the_embedded_weights_say_their_own_width_and_size() -> None:
    weights = weight_set(_config(name="formula"), find_backbone("mobilenetv2"))
    assert (weights.alpha, weights.image_size) == (0.35, 96)
    assert len(weights.digest) == len("sha256:") + 64


def test_too_small_images_are_told() -> None:
    find_backbone("xception").check_image_size(71)
    with pytest.raises(ThawError, match="xception needs 71 px or more"):
        find_backbone("xception").check_image_size(70)


def test_an_unknown_backbone_is_told_with_a_hint() -> None:
    with pytest.raises(ThawError, match="did you mean 'mobilenetv2'"):
        find_backbone("mobilnetv2")
