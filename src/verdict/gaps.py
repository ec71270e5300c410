"""Where the gap between fit and validation accuracy comes from, depth by depth: mode, or generalization.

A head alone on a frozen backbone has a gap too. What depth is to blame for is what unfreezing *adds*, so where depth 0
was trained and the gap grew, the parts are counted from there; elsewhere as they stand. Where trials differ in more
than depth and seed, as in a search, what is added may be of the other settings, and nothing is counted from depth 0.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from src.statistics.intervals import Interval, t_interval
from src.tracking.schema import GAP_GENERALIZATION, GAP_MODE
from src.verdict.trials import TrialRecord

MODE, GENERALIZATION = GAP_MODE, GAP_GENERALIZATION
WORTH_NAMING = 0.02
"""From which size on a part of a gap counts, and from which growth on what was added decides; 0–1."""

Part = Literal["mode", "generalization", "neither"]
Doubt = Literal["", "not told apart", "one seed"]
_BySeed = Mapping[int, NDArray[np.float64]]
"""Mode and generalization, [2], of a depth's trials by their seed, or by their number where they are pooled."""


@dataclass(frozen=True)
class GapRow:
    """One depth's gap; 0–1, means over seeds with their intervals.

    Attributes:
        depth: canonical, layers from the end.
        whole: fit − val.
        mode: fit − train.
        generalization: train − val.
        added: mode's and generalization's parts beyond those at depth 0; None there, and where that was not trained.
        counted: what `mainly` counts: what unfreezing added, or the gap as it stands.
        mainly: which part is the larger one; neither where there is next to none.
        apart: mode − generalization of what is counted, seed by seed, with Student's interval.
        doubt: why `mainly` may be luck: its interval holds 0, or there is none; empty where it is clear of 0.
    """

    depth: int
    whole: Interval
    mode: Interval
    generalization: Interval
    added: tuple[float, float] | None
    counted: Literal["added", "gap"]
    mainly: Part
    apart: Interval
    doubt: Doubt


def gap_rows(trials: Sequence[TrialRecord], *, pooled: bool = False) -> tuple[GapRow, ...]:
    """The gaps of one facet's `trials` by depth, rising; trials without both parts are left out.

    Args:
        trials: of one facet.
        pooled: whether they differ in more than depth and seed.
    """
    by_depth: dict[int, dict[int, NDArray[np.float64]]] = {}
    for number, trial in enumerate(trials):
        mode, generalization = trial.metric(MODE), trial.metric(GENERALIZATION)
        if mode is not None and generalization is not None:
            place = number if pooled else trial.seed
            by_depth.setdefault(trial.depth, {})[place] = np.array([mode, generalization])
    head = None if pooled else by_depth.get(0)
    return tuple(_row(depth, by_depth[depth], head if depth else None) for depth in sorted(by_depth))


def _row(depth: int, own: _BySeed, head: _BySeed | None) -> GapRow:
    values = np.array(list(own.values()))
    parts = values.mean(axis=0)
    added = parts - np.mean(list(head.values()), axis=0) if head else None
    grew = added is not None and added.sum() >= WORTH_NAMING and added.max() >= WORTH_NAMING
    counted = added if added is not None and grew else parts
    mainly, apart = _mainly(counted), _apart(counted, own, head if grew else None)
    return GapRow(
        depth=depth,
        whole=t_interval(values.sum(axis=1).tolist()),
        mode=t_interval(values[:, 0].tolist()),
        generalization=t_interval(values[:, 1].tolist()),
        added=(float(added[0]), float(added[1])) if added is not None else None,
        counted="added" if grew else "gap",
        mainly=mainly,
        apart=apart,
        doubt="one seed" if len(own) == 1 else "" if _is_clear(apart) else "not told apart",
    )


def _mainly(parts: NDArray[np.float64]) -> Part:
    if parts.max() < WORTH_NAMING:
        return "neither"
    return "mode" if parts[0] > parts[1] else "generalization"


def _apart(counted: NDArray[np.float64], own: _BySeed, head: _BySeed | None) -> Interval:
    """Mode − generalization over the seeds, each less its own head's; no interval where no two seeds have one."""
    paired = [own[seed] - head[seed] for seed in own if seed in head] if head else list(own.values())
    if len(paired) < 2:
        return Interval(float(counted[0] - counted[1]), None, None, len(paired))
    return t_interval([float(mode - generalization) for mode, generalization in paired])


def _is_clear(interval: Interval) -> bool:
    return interval.low is not None and interval.high is not None and (interval.low > 0 or interval.high < 0)
