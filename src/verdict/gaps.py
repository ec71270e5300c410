"""The gap between fit and validation accuracy at each depth, in its two parts: mode and generalization.

A head on a frozen backbone has a gap too. Unfreezing causes what it *adds*, so where depth 0 was trained and the gap
grew, the parts are counted from there; elsewhere as they stand. Where trials differ in more than depth and seed, as in
a search, the other settings may cause what is added, and nothing is counted from depth 0.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from src.statistics.intervals import Interval, t_interval
from src.tracking.schema import GAP_GENERALIZATION, GAP_MODE
from src.verdict.trials import TrialRecord

WORTH_NAMING = 0.02
"""The least part of a gap that counts, and the least growth from which the added parts count; 0–1."""

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
        counted: whether `mainly` counts what unfreezing added, or the gap as it stands.
        mainly: the larger part; neither where both are below :data:`WORTH_NAMING`.
        apart: mode − generalization of what is counted, seed by seed, with Student's interval.
        doubt: why `mainly` may be luck: the interval of `apart` contains 0, or there is none; empty otherwise.
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
    """Return the gaps of one facet's `trials` by depth, rising; trials without both parts are left out.

    Args:
        trials: of one facet.
        pooled: whether they differ in more than depth and seed.
    """
    by_depth: dict[int, dict[int, NDArray[np.float64]]] = {}
    for number, trial in enumerate(trials):
        mode, generalization = trial.metric(GAP_MODE), trial.metric(GAP_GENERALIZATION)
        if mode is not None and generalization is not None:
            place = number if pooled else trial.seed
            by_depth.setdefault(trial.depth, {})[place] = np.array([mode, generalization])
    head = None if pooled else by_depth.get(0)
    return tuple(_row(depth, by_depth[depth], head if depth else None) for depth in sorted(by_depth))


def _row(depth: int, by_seed: _BySeed, head: _BySeed | None) -> GapRow:
    values = np.array(list(by_seed.values()))
    parts = values.mean(axis=0)
    added = parts - np.mean(list(head.values()), axis=0) if head else None
    grew = added is not None and added.sum() >= WORTH_NAMING and added.max() >= WORTH_NAMING
    counted = added if added is not None and grew else parts
    apart = _apart(counted, by_seed, head if grew else None)
    is_clear = apart.low is not None and apart.high is not None and (apart.low > 0 or apart.high < 0)
    return GapRow(
        depth=depth,
        whole=t_interval(values.sum(axis=1).tolist()),
        mode=t_interval(values[:, 0].tolist()),
        generalization=t_interval(values[:, 1].tolist()),
        added=(float(added[0]), float(added[1])) if added is not None else None,
        counted="added" if grew else "gap",
        mainly="neither" if counted.max() < WORTH_NAMING else "mode" if counted[0] > counted[1] else "generalization",
        apart=apart,
        doubt="one seed" if len(by_seed) == 1 else "" if is_clear else "not told apart",
    )


def _apart(counted: NDArray[np.float64], by_seed: _BySeed, head: _BySeed | None) -> Interval:
    """Return mode − generalization over the seeds, each minus its head's; no interval where fewer than two have one."""
    paired = [by_seed[seed] - head[seed] for seed in by_seed if seed in head] if head else list(by_seed.values())
    if len(paired) < 2:
        return Interval(float(counted[0] - counted[1]), None, None, len(paired))
    return t_interval([float(mode - generalization) for mode, generalization in paired])
