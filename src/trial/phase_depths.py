"""Resolve a schedule's depths on a backbone, before anything is built."""

from collections.abc import Sequence

from src.common.depth_choice import DepthChoice
from src.config import PhaseConfig, TrialConfig
from src.models.depth import Depth, resolve_depth
from src.models.layers import LayerInfo


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
