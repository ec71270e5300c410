"""The backbones by name. Add one here; nothing else lists them, and nothing here needs TensorFlow."""

from dataclasses import dataclass
from typing import Literal

from src.errors import ThawError, did_you_mean

Preprocessing = Literal["inside", "minus_one_to_one", "caffe", "torch", "zero_to_one"]


@dataclass(frozen=True)
class BackboneSpec:
    """What must be known of a backbone before it is built.

    Attributes:
        class_name: the function in `keras.applications`, or of :mod:`src.models.lenet`.
        preprocessing: what turns raw 0–255 RGB into what the weights expect; `inside`: the backbone does it.
        image_size: side that its ImageNet weights were trained at, px.
        least_size: side below which its strides leave nothing, px.
        has_width: whether it takes a width multiplier `alpha`.
        pretrained: whether ImageNet weights exist.
        weight_sizes: native sides of its ImageNet weights where there are several, px; Keras would pick by the input's.
    """

    class_name: str
    preprocessing: Preprocessing
    image_size: int = 224
    least_size: int = 32
    has_width: bool = False
    pretrained: bool = True
    weight_sizes: tuple[int, ...] = ()

    @property
    def name(self) -> str:
        """The name used in configurations: the class's, in lower case."""
        return self.class_name.lower()

    def check_side(self, side: int) -> None:
        """Raise ThawError if images of `side` px are too small for its strides."""
        if side < self.least_size:
            raise ThawError(f"image_size={side}: {self.name} needs {self.least_size} px or more")


_SPECS = (
    BackboneSpec("LeNet5", "zero_to_one", image_size=32, pretrained=False),
    BackboneSpec("MobileNet", "minus_one_to_one", has_width=True, weight_sizes=(128, 160, 192, 224)),
    BackboneSpec("MobileNetV2", "minus_one_to_one", has_width=True, weight_sizes=(96, 128, 160, 192, 224)),
    BackboneSpec("MobileNetV3Small", "inside", has_width=True),
    BackboneSpec("MobileNetV3Large", "inside", has_width=True),
    *(BackboneSpec(f"ResNet{depth}", "caffe") for depth in (50, 101, 152)),
    *(BackboneSpec(f"ResNet{depth}V2", "minus_one_to_one") for depth in (50, 101, 152)),
    *(
        BackboneSpec(f"EfficientNetB{i}", "inside", image_size=size)
        for i, size in enumerate((224, 240, 260, 300, 380, 456, 528, 600))
    ),
    *(
        BackboneSpec(f"EfficientNetV2{variant}", "inside", image_size=size)
        for variant, size in (
            ("B0", 224), ("B1", 240), ("B2", 260), ("B3", 300), ("S", 384), ("M", 480), ("L", 480),
        )
    ),
    *(BackboneSpec(f"ConvNeXt{variant}", "inside") for variant in ("Tiny", "Small", "Base", "Large", "XLarge")),
    *(BackboneSpec(f"DenseNet{depth}", "torch") for depth in (121, 169, 201)),
    *(BackboneSpec(f"VGG{depth}", "caffe") for depth in (16, 19)),
    BackboneSpec("InceptionV3", "minus_one_to_one", image_size=299, least_size=75),
    BackboneSpec("InceptionResNetV2", "minus_one_to_one", image_size=299, least_size=75),
    BackboneSpec("Xception", "minus_one_to_one", image_size=299, least_size=71),
    BackboneSpec("NASNetMobile", "minus_one_to_one"),
    BackboneSpec("NASNetLarge", "minus_one_to_one", image_size=331),
)  # fmt: skip

CATALOG = {spec.name: spec for spec in _SPECS}


def find_backbone(name: str) -> BackboneSpec:
    """The backbone called `name`, upper and lower case alike.

    Raises:
        ThawError: no such backbone.

    >>> find_backbone("DenseNet121").image_size
    224
    """
    try:
        return CATALOG[name.lower()]
    except KeyError:
        raise ThawError(f"unknown backbone {name!r}: {did_you_mean(name, CATALOG)}") from None
