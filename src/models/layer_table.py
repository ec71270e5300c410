"""A backbone's layer table, kept as a small file: planning a trial then needs no TensorFlow."""

import hashlib
import json
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path

from src.common.files import atomic_write
from src.config import RuntimeConfig
from src.models.catalog import BackboneSpec
from src.models.layers import LayerInfo
from src.models.weights import WeightSet

LAYOUT_VERSION = 1
"""Raise it when the same backbone would be described otherwise."""


def layer_table(
    spec: BackboneSpec, weights: WeightSet, image_size: int, cache_dir: Path, machine: RuntimeConfig | None = None
) -> tuple[LayerInfo, ...]:
    """Return the backbone's layers as Keras lists them, from `cache_dir` or by building the backbone once.

    `machine`: how TensorFlow is to use it where that starts it, since threads are bound before its first operation.

    Raises:
        ThawError: see :func:`src.models.backbone.build_backbone`.
    """
    # EfficientNets of ImageNet weights have a layer more than others, and Keras' versions may list layers differently.
    of = f"file-{hashlib.sha256(weights.digest.encode()).hexdigest()[:16]}" if weights.name == "file" else weights.name
    name = f"{LAYOUT_VERSION}-{spec.name}-{of}-{weights.alpha:g}-keras-{version('keras')}.json"
    path = cache_dir / "layers" / name
    try:
        table = _read(path.read_text("utf-8"))
    except (OSError, ValueError, TypeError, KeyError):
        table = _build(spec, weights, image_size, machine)
        atomic_write(path, json.dumps([[layer.name, layer.variables, layer.is_batchnorm] for layer in table]))
    return spec.blocks.given_to(table)


def _read(text: str) -> tuple[LayerInfo, ...]:
    entries: Sequence[tuple[str, list[tuple[str, int]], bool]] = json.loads(text)
    if not entries:
        raise ValueError("no layers")
    return tuple(
        LayerInfo(name, tuple((path, int(size)) for path, size in variables), bool(is_batchnorm))
        for name, variables, is_batchnorm in entries
    )


def _build(spec: BackboneSpec, weights: WeightSet, size: int, machine: RuntimeConfig | None) -> tuple[LayerInfo, ...]:
    from src.models import runtime  # noqa: I001 - first: it starts TensorFlow quietly and deterministically

    from src.models.backbone import describe_layers, pretrained

    if machine is not None:
        runtime.set_threads(machine)
    return describe_layers(pretrained(spec, weights, size, 0), spec)
