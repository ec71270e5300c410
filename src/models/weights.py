"""Weight sets: each says its own width, native size and digest, so that `weights=` decides those together."""

import hashlib
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from src.common.errors import ThawError
from src.config import WeightsConfig
from src.data.missing_paths import no_such_file
from src.models.catalog import BackboneSpec
from src.models.embedded_weights import EMBEDDED_WEIGHTS, digest_file

WEIGHT_FILE_SUFFIXES = (".weights.h5", ".h5", ".keras")


@dataclass(frozen=True)
class WeightSet:
    """Pre-trained (or random) weights of one backbone.

    Attributes:
        alpha: width multiplier that they were trained with; 1.0 where the backbone has none.
        image_size: native side, px.
        digest: names the values: equal digests, equal weights. Random weights follow from the trial's seed.
    """

    name: Literal["formula", "imagenet", "random", "file"]
    path: Path | None
    alpha: float
    image_size: int
    digest: str


def weight_set(config: WeightsConfig, backbone: BackboneSpec) -> WeightSet:
    """Return the weight set that `config` asks for, without loading it.

    Raises:
        ThawError: the backbone has no such weights or no width, or the file is not there.
    """
    if config.name == "imagenet" and not backbone.pretrained:
        raise ThawError(f"{backbone.name} has no ImageNet weights: use weights=random or weights=file")
    if config.name == "formula":
        return _formula(backbone)
    if config.alpha not in (None, 1.0) and not backbone.has_width:
        raise ThawError(f"weights.alpha={config.alpha}: {backbone.name} has no width multiplier; leave it null")
    alpha = config.alpha or 1.0
    size = config.image_size or backbone.image_size
    if config.name == "imagenet" and backbone.weight_sizes and size not in backbone.weight_sizes:
        known = ", ".join(map(str, backbone.weight_sizes))
        raise ThawError(f"weights.image_size={size}: {backbone.name}'s ImageNet weights were made for {known} px")
    return WeightSet(config.name, config.path, alpha, size, _digest(config, backbone, alpha, size))


def _formula(backbone: BackboneSpec) -> WeightSet:
    if backbone.class_name != "MobileNetV2":
        raise ThawError(f"weights=formula are for mobilenetv2 only: {backbone.name} takes imagenet, random or file")
    try:
        digest = digest_file(EMBEDDED_WEIGHTS).read_text("utf-8").strip()
    except OSError as error:
        raise ThawError(f"weights=formula: {error.filename}: {error.strerror}; check out the project again") from error
    return WeightSet("formula", None, 0.35, 96, f"sha256:{digest}")


def _digest(config: WeightsConfig, backbone: BackboneSpec, alpha: float, image_size: int) -> str:
    if config.path is None:
        native = f"/{image_size}" if config.name == "imagenet" and backbone.weight_sizes else ""
        return f"{config.name}/{backbone.class_name}/{alpha:g}{native}"
    reading = "+rescaled as its Normalization says" if backbone.rescaled_for_imagenet else ""
    return f"sha256:{_file_digest(config.path)}{reading}"


def _file_digest(path: Path) -> str:
    if not path.name.endswith(WEIGHT_FILE_SUFFIXES):
        raise ThawError(f"weights.path={path}: expected a file that ends in {', '.join(WEIGHT_FILE_SUFFIXES)}")
    try:
        if not path.is_file():  # a pipe would be waited for
            raise ThawError(f"weights.path={path}: {no_such_file(path)}")
        with path.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise ThawError(f"weights.path={path}: {error.strerror}") from error
    _check_container(path)
    return digest


def _check_container(path: Path) -> None:
    """Refuse a file that is not what its name says: a `.keras` file is a zip archive, the others are HDF5.

    Raises:
        ThawError: it is damaged, or another kind of file.
    """
    import h5py

    try:
        if path.name.endswith(".keras"):
            with zipfile.ZipFile(path) as archive:
                damaged = archive.testzip() or not {"config.json", "model.weights.h5"} <= set(archive.namelist())
        else:
            with h5py.File(path, "r") as file:
                damaged = not len(file)
    except (OSError, zipfile.BadZipFile):
        damaged = True
    if damaged:
        kind = "zip archive" if path.name.endswith(".keras") else "HDF5 file"
        raise ThawError(f"weights.path={path}: damaged or not a Keras file (its name promises Keras' {kind})")
