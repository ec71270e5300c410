"""The backbones by name. Add one here; nothing else lists them, and nothing here needs TensorFlow."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from src.common.errors import ThawError, did_you_mean
from src.models.layers import Blocks

Preprocessing = Literal["inside", "minus_one_to_one", "caffe", "torch", "zero_to_one"]


@dataclass(frozen=True)
class BackboneSpec:
    """The facts about a backbone that are needed before it is built.

    Attributes:
        class_name: the function in `keras.applications`, or of :mod:`src.models.lenet`.
        preprocessing: what turns raw 0–255 RGB into what the weights expect; `inside`: the backbone does it.
        blocks: how its layers form blocks.
        image_size: side that its ImageNet weights were trained at, px.
        least_size: side below which its strides leave nothing, px.
        has_width: whether it takes a width multiplier `alpha`.
        pretrained: whether ImageNet weights exist.
        weight_sizes: native sides of its ImageNet weights where there are several, px; Keras would pick by the input's.
        rescaled_for_imagenet: whether Keras adds a Rescaling after the Normalization only for its ImageNet weights.
    """

    class_name: str
    preprocessing: Preprocessing
    blocks: Blocks
    image_size: int = 224
    least_size: int = 32
    has_width: bool = False
    pretrained: bool = True
    weight_sizes: tuple[int, ...] = ()
    rescaled_for_imagenet: bool = False

    @property
    def name(self) -> str:
        """Return the name used in configurations: the class's, in lower case."""
        return self.class_name.lower()

    def check_image_size(self, image_size: int) -> None:
        """Raise ThawError if images of `image_size` px are too small for its strides."""
        if image_size < self.least_size:
            raise ThawError(f"image_size={image_size}: {self.name} needs {self.least_size} px or more")


def _block_name(pattern: str, template: str = r"\1") -> Callable[[str], str]:
    """Return a function from a layer's name to its block's: `template` filled from `pattern`'s match, or ""."""
    compiled = re.compile(pattern)

    def name(layer: str) -> str:
        match = compiled.search(layer)
        return match.expand(template) if match else ""

    return name


def _convnext_block(layer: str) -> str:
    """Return a layer's block; layers between two stages belong to the first block of the later one."""
    within, between = re.search(r"stage_\d+_block_\d+", layer), re.search(r"downsampling_block_(\d+)$", layer)
    return within[0] if within else f"stage_{int(between[1]) + 1}_block_0" if between else ""


_NUMBERED = Blocks(_block_name(r"^(block\d+[a-z]?)_"))
_MOBILENET = Blocks(_block_name(r"^conv_(?:dw|pw|pad)_(\d+)", r"block_\1"))
_MOBILENET_V2 = Blocks(_block_name(r"^(expanded_conv|block_\d+)_"))
_MOBILENET_V3 = Blocks(_block_name(r"^(expanded_conv(?:_\d+)?)_"))
_RESNET = Blocks(_block_name(r"^(conv\d+_block\d+)_"))
_CONVNEXT = Blocks(_convnext_block)
_INCEPTION_V3 = Blocks(_block_name(r"^(mixed\d+)$"), "last", stem="max_pooling2d_1")
_INCEPTION_RESNET = Blocks(
    _block_name(r"^(mixed_\d[ab]|block\d+_\d+)(?:_mixed|_conv|_ac)?$"), "last", stem="max_pooling2d_1", top="conv_7b"
)
_NASNET = Blocks(_block_name(r"^(?:normal|reduction)_concat_(.+)$", r"cell_\1"), "last", stem="stem_bn1")

_SPECS = (
    BackboneSpec("LeNet5", "zero_to_one", _NUMBERED, image_size=32, pretrained=False),
    BackboneSpec("MobileNet", "minus_one_to_one", _MOBILENET, has_width=True, weight_sizes=(128, 160, 192, 224)),
    BackboneSpec(
        "MobileNetV2", "minus_one_to_one", _MOBILENET_V2, has_width=True, weight_sizes=(96, 128, 160, 192, 224)
    ),
    *(BackboneSpec(f"MobileNetV3{size}", "inside", _MOBILENET_V3, has_width=True) for size in ("Small", "Large")),
    *(BackboneSpec(f"ResNet{depth}", "caffe", _RESNET) for depth in (50, 101, 152)),
    *(BackboneSpec(f"ResNet{depth}V2", "minus_one_to_one", _RESNET) for depth in (50, 101, 152)),
    *(
        BackboneSpec(f"EfficientNetB{i}", "inside", _NUMBERED, image_size=size, rescaled_for_imagenet=True)
        for i, size in enumerate((224, 240, 260, 300, 380, 456, 528, 600))
    ),
    *(
        BackboneSpec(f"EfficientNetV2{variant}", "inside", _NUMBERED, image_size=size)
        for variant, size in (
            ("B0", 224), ("B1", 240), ("B2", 260), ("B3", 300), ("S", 384), ("M", 480), ("L", 480),
        )
    ),
    *(
        BackboneSpec(f"ConvNeXt{variant}", "inside", _CONVNEXT)
        for variant in ("Tiny", "Small", "Base", "Large", "XLarge")
    ),
    *(BackboneSpec(f"DenseNet{depth}", "torch", _RESNET) for depth in (121, 169, 201)),
    *(BackboneSpec(f"VGG{depth}", "caffe", _NUMBERED) for depth in (16, 19)),
    BackboneSpec("InceptionV3", "minus_one_to_one", _INCEPTION_V3, image_size=299, least_size=75),
    BackboneSpec("InceptionResNetV2", "minus_one_to_one", _INCEPTION_RESNET, image_size=299, least_size=75),
    BackboneSpec("Xception", "minus_one_to_one", _NUMBERED, image_size=299, least_size=71),
    BackboneSpec("NASNetMobile", "minus_one_to_one", _NASNET),
    BackboneSpec("NASNetLarge", "minus_one_to_one", _NASNET, image_size=331),
)  # fmt: skip

CATALOG = {spec.name: spec for spec in _SPECS}


def find_backbone(name: str) -> BackboneSpec:
    """Return the backbone called `name`, in upper or lower case.

    Raises:
        ThawError: no such backbone.

    >>> find_backbone("DenseNet121").image_size
    224
    """
    try:
        return CATALOG[name.lower()]
    except KeyError:
        raise ThawError(f"unknown backbone {name!r}: {did_you_mean(name, CATALOG)}") from None
