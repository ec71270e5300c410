"""A trial's plan: all that it is made of, known before anything trains, and without TensorFlow but for once a backbone.

A bad name, a missing folder or a depth that the backbone does not have is reported before any image is decoded.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from src.common.clock import Clock
from src.common.depth_choice import DepthChoice
from src.common.events import EventHandler, Noted, Warned
from src.config import PhaseConfig, TrialConfig
from src.data.dataset import Dataset, list_samples, load_dataset
from src.models.catalog import BackboneSpec, find_backbone
from src.models.depth import Depth, resolve_depth
from src.models.layer_table import layer_table
from src.models.layers import LayerInfo
from src.models.weights import WeightSet, weight_set


@dataclass(frozen=True)
class Plan:
    """The parts of a trial.

    Attributes:
        image_size: side of the images, px.
        table: the backbone's layers as Keras lists them.
        depths: each phase's depth, in the schedule's order.
    """

    trial: TrialConfig
    spec: BackboneSpec
    weights: WeightSet
    image_size: int
    dataset: Dataset
    table: tuple[LayerInfo, ...]
    depths: dict[str, Depth]


def make_plan(trial: TrialConfig, emit: EventHandler, clock: Clock) -> Plan:
    """Look up, list and read what `trial` names; images come last, since decoding them may take minutes.

    Raises:
        ThawError: no such backbone, weights, folder or depth; photos that are none.
    """
    spec, weights, image_size = pretrained_of(trial)
    with clock.part("data"):
        listing = list_samples(trial.data, image_size)
    with clock.part("layers"):
        table = layer_table(spec, weights, image_size, trial.runtime.cache_dir, trial.runtime)
    depths = plan_depths(trial, table, spec.name)
    with clock.part("data"):
        dataset = load_dataset(trial.data, listing, image_size, trial.runtime, emit)
    emit(Noted(f"{spec.name} at {image_size} px, weights={weights.name}; {dataset.describe()}"))
    for warning in dataset.warnings:
        emit(Warned(warning))
    return Plan(trial, spec, weights, image_size, dataset, table, depths)


def pretrained_of(trial: TrialConfig) -> tuple[BackboneSpec, WeightSet, int]:
    """Return the backbone and the weights that `trial` names, and the side of its images, px.

    Raises:
        ThawError: no such backbone or weights, or a side that the backbone does not take.
    """
    spec = find_backbone(trial.backbone)
    weights = weight_set(trial.weights, spec)
    image_size = trial.image_size or weights.image_size
    spec.check_image_size(image_size)
    return spec, weights, image_size


def plan_depths(trial: TrialConfig, table: Sequence[LayerInfo], backbone: str) -> dict[str, Depth]:
    """Return each phase's depth by its name.

    Raises:
        ThawError: a depth that the backbone does not have; in whichever phase.
    """

    def resolve(asked: DepthChoice) -> Depth:
        return resolve_depth(asked, table, trial.batchnorm, backbone)

    def cut(phase: PhaseConfig) -> Depth:
        depth = resolve(phase.unfrozen)
        limit = depth if phase.no_deeper_than is None else resolve(phase.no_deeper_than)
        return min(depth, limit, key=lambda candidate: candidate.canonical)

    return {name: cut(phase) for name, phase in trial.schedule.items()}
