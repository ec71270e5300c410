"""A row is a function of the image alone: not of its place in a batch, nor of its neighbours, on any processor."""

import numpy as np
import pytest

from src.common.depth_choice import DepthChoice
from src.features.frozen_segment import BATCH, FrozenSegment
from src.models.backbone import pretrained
from src.models.catalog import find_backbone
from src.models.cut import freeze_boundary
from src.models.depth import resolve_depth
from src.models.network import build_network
from src.models.weights import WeightSet

SLOW = [
    pytest.param(name, side, marks=pytest.mark.slow)
    for name in ("mobilenetv3small", "resnet50", "efficientnetb0", "ConvNeXtTiny", "densenet121", "xception")
    for side in (75, 96)
]


@pytest.mark.parametrize(("name", "side"), [("mobilenetv2", 64), ("mobilenetv2", 75), *SLOW])
def test_an_image_gives_the_same_row_wherever_it_stands_and_beside_whatever(name: str, side: int) -> None:
    spec = find_backbone(name)
    plain = pretrained(spec, WeightSet("random", None, 1.0, side, f"random/{name}"), side, 0)
    network = build_network(plain, spec, classes=2, batchnorm="inference")
    network.begin(plain.get_weights(), seed=0, dropout=0)
    depth = resolve_depth(DepthChoice.read(0), network.table, "inference", spec.name)
    frozen_segment = FrozenSegment(network.model, None, (freeze_boundary(network.graph, network.table, depth),))
    images = np.random.default_rng(0).uniform(0, 255, (2, side * side * 3)).astype(np.float32)
    (everywhere,) = frozen_segment(np.repeat(images[:1], BATCH, axis=0))
    assert np.array_equal(everywhere, np.repeat(everywhere[:1], BATCH, axis=0))
    (alone,) = frozen_segment(images[:1])
    (beside,) = frozen_segment(images[::-1])
    assert np.array_equal(alone[0], everywhere[0])
    assert np.array_equal(beside[1], everywhere[0])
    assert not np.array_equal(beside[0], everywhere[0])
