"""Where the gap between fit and validation accuracy comes from, depth by depth: mode, or generalization.

A head alone on a frozen backbone has a gap too. What depth is to blame for is what unfreezing *adds*, so where depth 0
was trained and the gap grew, the parts are counted from there; elsewhere as they stand.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

from src.verdict.intervals import Interval, t_interval
from src.verdict.records import TrialRecord
from src.verdict.wording import layers, points

MODE, GENERALIZATION = "gap/mode", "gap/generalization"
_WORTH_NAMING = 0.02

Part = Literal["mode", "generalization", "neither"]


@dataclass(frozen=True)
class GapRow:
    """One depth's gap; 0–1, means over seeds with their intervals.

    Attributes:
        depth: canonical, layers from the end.
        whole: fit − val.
        mode: fit − train.
        generalization: train − val.
        added: mode's and generalization's parts beyond those at depth 0; None where that was not trained.
        mainly: which part the gap is to be laid to; neither where there is next to none.
    """

    depth: int
    whole: Interval
    mode: Interval
    generalization: Interval
    added: tuple[float, float] | None
    mainly: Part


def gap_rows(trials: Sequence[TrialRecord]) -> tuple[GapRow, ...]:
    """The gaps of one facet's `trials` by depth, rising; trials without both parts are left out."""
    whole = [trial for trial in trials if trial.metric(MODE) is not None and trial.metric(GENERALIZATION) is not None]
    by_depth = {depth: [trial for trial in whole if trial.depth == depth] for depth in {trial.depth for trial in whole}}
    head = _parts(by_depth[0]) if 0 in by_depth else None
    return tuple(_row(depth, by_depth[depth], head) for depth in sorted(by_depth))


def describe_gaps(rows: Sequence[GapRow]) -> str:
    """The rows in a sentence or two; empty where there is none."""
    if not rows:
        return ""
    said = [
        f"mainly {part} at {layers(depths)}" if part != "neither" else f"next to none at {layers(depths)}"
        for part in ("mode", "generalization", "neither")
        if (depths := [row.depth for row in rows if row.mainly == part])
    ]
    widest = max(rows, key=lambda row: row.whole.estimate)
    return f"The gap between fit and validation is {', '.join(said)}. It is widest, {_told(widest)}."


def _told(row: GapRow) -> str:
    mode, generalization = _bare(row.mode.estimate), _bare(row.generalization.estimate)
    text = f"{points(row.whole.estimate)}, at {layers([row.depth])}: {mode} mode, {generalization} generalization"
    if row.added is None or not row.depth:
        return text
    mode, generalization = (_bare(part, signed=True) for part in row.added)
    return f"{text} ({mode} and {generalization} beyond those at 0 layers)"


def _row(depth: int, trials: Sequence[TrialRecord], head: tuple[float, float] | None) -> GapRow:
    mode, generalization = _parts(trials)
    added = (mode - head[0], generalization - head[1]) if head else None
    return GapRow(
        depth=depth,
        whole=_interval(trials, lambda trial: trial.metrics[MODE] + trial.metrics[GENERALIZATION]),
        mode=_interval(trials, lambda trial: trial.metrics[MODE]),
        generalization=_interval(trials, lambda trial: trial.metrics[GENERALIZATION]),
        added=added,
        mainly=_mainly(added) if added and sum(added) >= _WORTH_NAMING else _mainly((mode, generalization)),
    )


def _mainly(parts: tuple[float, float]) -> Part:
    mode, generalization = parts
    if max(mode, generalization) < _WORTH_NAMING:
        return "neither"
    return "mode" if mode > generalization else "generalization"


def _parts(trials: Sequence[TrialRecord]) -> tuple[float, float]:
    mode, generalization = (
        sum(trial.metrics[name] for trial in trials) / len(trials) for name in (MODE, GENERALIZATION)
    )
    return mode, generalization


def _interval(trials: Sequence[TrialRecord], value: Callable[[TrialRecord], float]) -> Interval:
    return t_interval([value(trial) for trial in trials])


def _bare(share: float, *, signed: bool = False) -> str:
    return points(share, signed=signed).removesuffix(" points")
