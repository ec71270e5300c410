"""Plan the cuts of a schedule's phases: the constant part before each, and the cut whose features are kept.

What trains is behind a phase's freeze boundary, all before it is constant. Features are cached there, or at a
narrower place before it, from which the rest is repeated; one such place may serve several phases, and several depths
of a study. None of this changes a number.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Self

from src.common.depth_choice import DepthChoice
from src.common.errors import ThawError
from src.config import TrialConfig
from src.models.cut import Cut, Graph, Kind, cuts
from src.models.cut_planner import Use, plan_cuts
from src.models.depth import Depth, resolve_depth
from src.models.layers import LayerInfo


@dataclass(frozen=True)
class SharedFeatures:
    """The rest of a study on the same frozen layers: its depths as the user spells them, and its trials."""

    depths: tuple[DepthChoice, ...] = ()
    trials: int = 1


@dataclass(frozen=True)
class PhaseCachePlan:
    """The cuts of one phase.

    Attributes:
        freeze_boundary: what is before it is constant, what is behind it trains.
        kept: where features are cached; None: nowhere, frozen layers are computed at each epoch.
        constant: names of all cuts before which nothing has trained by the phase's end.
    """

    freeze_boundary: Cut
    kept: Cut | None
    constant: frozenset[str]


@dataclass(frozen=True)
class CachePlan:
    """The cuts of a trial's phases, in the schedule's order, and all cuts at which its study keeps features."""

    phases: tuple[PhaseCachePlan, ...]
    kept: tuple[Cut, ...]

    def without(self, cut: Cut) -> Self:
        """Return the plan with nothing cached at `cut`: phases that read there compute at each epoch instead."""
        phases = tuple(replace(phase, kept=None) if phase.kept == cut else phase for phase in self.phases)
        return replace(self, phases=phases, kept=tuple(other for other in self.kept if other != cut))


def plan_cache(
    trial: TrialConfig,
    graph: Graph,
    table: Sequence[LayerInfo],
    depths: Mapping[str, Depth],
    shared_features: SharedFeatures,
) -> CachePlan:
    """Find the freeze boundaries of `trial`, and plan what is kept together with `shared_features`."""
    changed = _deepest_so_far(list(depths.values()))
    cuts_by_phase = [cuts(graph, table, depth) for depth in changed]
    if not trial.features.store or _every_view_is_new(trial):
        return CachePlan(tuple(_placement(phase_cuts, None) for phase_cuts in cuts_by_phase), ())
    trials_per_depth = max(1, shared_features.trials // max(1, len(shared_features.depths)))
    epochs = [phase.epochs for phase in trial.schedule.values()]
    passes = Counter[str]()
    for phase_cuts, count in zip(cuts_by_phase, epochs, strict=True):
        passes[phase_cuts[-1].name] += _passes(trial, count, trials_per_depth)
    cuts_by_boundary = {phase_cuts[-1].name: phase_cuts for phase_cuts in cuts_by_phase}
    for depth in _study_depths(shared_features, trial, table):
        study_cuts = cuts(graph, table, depth)
        if cuts_by_boundary.setdefault(study_cuts[-1].name, study_cuts) is study_cuts:
            passes[study_cuts[-1].name] = _passes(trial, epochs[-1], trials_per_depth)
    planned = dict(zip(cuts_by_boundary, _plan(cuts_by_boundary, passes, trial.features.dtype), strict=True))
    kept = {cut.name: cut for cut in planned.values() if cut}
    phases = tuple(_placement(phase_cuts, planned[phase_cuts[-1].name]) for phase_cuts in cuts_by_phase)
    return CachePlan(phases, tuple(kept.values()))


def _placement(phase_cuts: Sequence[Cut], kept: Cut | None) -> PhaseCachePlan:
    return PhaseCachePlan(phase_cuts[-1], kept, frozenset(cut.name for cut in phase_cuts))


def reasons_not_to_cache(trial: TrialConfig, depths: Mapping[str, Depth]) -> list[str]:
    """Return a line for each reason why frozen layers run at each epoch, or fewer of them are constant."""
    lines = []
    if _every_view_is_new(trial):
        lines.append("augment.views=null shows a new view each epoch: frozen layers are computed at each epoch")
    for (name, depth), changed in zip(depths.items(), _deepest_so_far(list(depths.values())), strict=True):
        if changed.canonical > depth.canonical:
            lines.append(f"phase {name}: what earlier phases trained is no constant: cut at their depth")
    return lines


def _deepest_so_far(depths: Sequence[Depth]) -> list[Depth]:
    """Return the deepest depth up to each phase: layers that an earlier phase trained are not constant later."""
    reached: list[Depth] = []
    for depth in depths:
        reached.append(max([depth, *reached[-1:]], key=lambda candidate: candidate.canonical))
    return reached


def _every_view_is_new(trial: TrialConfig) -> bool:
    return trial.augment.views is None and not trial.augment.is_identity


def _passes(trial: TrialConfig, epochs: int, trials: int) -> int:
    """Return how often each view of an image is used."""
    views = 1 if trial.augment.is_identity else trial.augment.views or epochs
    return max(1, epochs * trials // views)


def _study_depths(shared_features: SharedFeatures, trial: TrialConfig, table: Sequence[LayerInfo]) -> list[Depth]:
    """Return the study's depths that the backbone has: another trial's bad depth is that trial's failure."""
    resolved = []
    for asked in shared_features.depths:
        try:
            resolved.append(resolve_depth(asked, table, trial.batchnorm, trial.backbone))
        except ThawError:
            continue
    return resolved


def _plan(cuts_by_boundary: Mapping[str, Sequence[Cut]], passes: Mapping[str, int], dtype: Kind) -> list[Cut | None]:
    """Return the cut to cache features at, by freeze boundary. Features are rounded there and nowhere else."""
    uses = [Use(phase_cuts, passes[name]) for name, phase_cuts in cuts_by_boundary.items()]
    if dtype == "float32":
        return plan_cuts(uses)
    at_the_depth = [Use([use.cuts[0], use.freeze_boundary], use.passes) for use in uses]
    return [cut for use in at_the_depth for cut in plan_cuts([use], kind=dtype)]
