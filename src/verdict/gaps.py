"""Where the gap between fit and validation accuracy comes from, depth by depth: mode, or generalization.

A head alone on a frozen backbone has a gap too. What depth is to blame for is what unfreezing *adds*, so where depth 0
was trained and the gap grew, the parts are counted from there; elsewhere as they stand. Where trials differ in more
than depth and seed, as in a search, what is added may be of the other settings, and nothing is counted from depth 0.
"""

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from src.statistics.intervals import Interval, t_interval
from src.tracking.schema import GAP_GENERALIZATION, GAP_MODE
from src.verdict.trials import TrialRecord
from src.reporting.wording import layers, listed, points

MODE, GENERALIZATION = GAP_MODE, GAP_GENERALIZATION
WORTH_NAMING = 0.02
"""From which size on a part of a gap counts, and from which growth on what was added decides; 0–1."""
_MOST_NUMBERS = 3

Part = Literal["mode", "generalization", "neither"]
Doubt = Literal["", "not told apart", "one seed"]
_SAID: Mapping[Doubt, str] = {
    "": "mainly {part} at {depths}",
    "not told apart": "more {part} than {other} at {depths}, though the {unit}s do not tell them apart",
    "one seed": "more {part} than {other} at {depths}, though one {unit} cannot tell how surely",
}
_PARTS = (("mode", "generalization"), ("generalization", "mode"))
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


def describe_gaps(rows: Sequence[GapRow], *, pooled: bool = False) -> str:
    """The rows, of `pooled` trials or not, in a few sentences; empty where there is none."""
    stands, added = ([row for row in rows if row.counted == what] for what in ("gap", "added"))
    unit = "trial" if pooled else "seed"
    said = (
        f"The gap between fit and validation is {_claims(stands, unit)}." if stands else "",
        f"What unfreezing adds to it is {_claims(added, unit)}." if added else "",
        "What unfreezing adds to it is not told: other settings differ between the depths." if pooled and rows else "",
    )
    return " ".join(text for text in said if text)


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


def _claims(rows: Sequence[GapRow], unit: str) -> str:
    """Which part it is at which depths, as surely as the seeds (the `unit`) say, with the numbers."""
    told = []
    for (doubt, said), (part, other) in itertools.product(_SAID.items(), _PARTS):
        some = [row for row in rows if (row.mainly, row.doubt) == (part, doubt)]
        if some:
            claim = said.format(part=part, other=other, unit=unit, depths=layers([row.depth for row in some]))
            told.append(f"{claim} ({_numbers(some)})")
    small = [row for row in rows if row.mainly == "neither"]
    if small:
        told.append(f"not worth naming at {layers([row.depth for row in small])} ({_numbers(small)})")
    return ", ".join(told)


def _numbers(rows: Sequence[GapRow]) -> str:
    whole = [(row.mode.estimate, row.generalization.estimate) for row in rows]
    added = [row.added for row in rows if row.added and row.counted == "added"]
    return f"{_both(added)} points; in all {_both(whole)}" if added else f"{_both(whole)} points"


def _both(parts: Sequence[tuple[float, float]]) -> str:
    mode, generalization = zip(*parts, strict=True)
    return f"mode {_listed(mode)}, generalization {_listed(generalization)}"


def _listed(shares: Sequence[float]) -> str:
    """One by one where they are few, else from the least to the most."""
    few = len(shares) <= _MOST_NUMBERS
    shown = [points(share, signed=True).removesuffix(" points") for share in (shares if few else sorted(shares))]
    if not few:
        return f"{shown[0]} to {shown[-1]}"
    return listed(shown)
