"""Frozen features for an audit: one pass through the backbone, each image together with its mirror image."""

import numpy as np
from numpy.typing import NDArray

from src.common.depth_choice import DepthChoice
from src.common.events import COMPUTING, Advanced, EventHandler
from src.common.files import gather
from src.config import RuntimeConfig
from src.models.catalog import BackboneSpec
from src.models.weights import WeightSet

Features = NDArray[np.float32]

_BLOCK = 256


def frozen_features(
    pixels: NDArray[np.uint8],
    indices: NDArray[np.int64],
    spec: BackboneSpec,
    weights: WeightSet,
    machine: RuntimeConfig,
    emit: EventHandler,
) -> Features:
    """Return the pooled features at depth 0, float32 [indices, features]: the mean of each image and its mirror image.

    The mean costs a second pass and finds more: see docs/audit.md.

    Args:
        pixels: uint8 [images, side, side, 3], memory-mapped, of which a block at a time is read.
        indices: int64, the images to look at.
        spec: the backbone.
        weights: its weights.
        machine: how TensorFlow is to use the machine.
        emit: receives the progress.

    Raises:
        ThawError: weights that do not fit, or that cannot be downloaded.
    """
    from src.models import runtime  # noqa: I001 - first: it starts TensorFlow quietly and deterministically

    from src.features.frozen_segment import FrozenSegment
    from src.models.backbone import pretrained
    from src.models.cut import freeze_boundary
    from src.models.depth import resolve_depth
    from src.models.network import build_network

    runtime.set_threads(machine)
    plain = pretrained(spec, weights, pixels.shape[1], 0)
    network = build_network(plain, spec, classes=2, batchnorm="inference")
    network.begin(plain.get_weights(), seed=0, dropout=0)
    depth = resolve_depth(DepthChoice(layers=0), network.table, "inference", spec.name)
    frozen_segment = FrozenSegment(network.model, None, (freeze_boundary(network.graph, network.table, depth),))
    blocks = []
    emit(Advanced(COMPUTING, 0, indices.size))
    for first in range(0, indices.size, _BLOCK):
        images = gather(pixels, indices[first : first + _BLOCK]).astype(np.float32)
        both = (frozen_segment(view.reshape(len(view), -1))[0] for view in (images, images[:, :, ::-1]))
        blocks.append(sum(both) / 2)
        emit(Advanced(COMPUTING, first + len(images), indices.size))
    return np.concatenate(blocks).astype(np.float32)
