"""The cost of a score in parameters and time, and which configurations nothing beats at both (the Pareto front)."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from src.tracking.schema import PHASE_TIME_PREFIX, TRAINABLE
from src.verdict.trials import TrialRecord, configuration, facets, measured, tuned, validated_on

PARAMETERS = TRAINABLE


@dataclass(frozen=True)
class CostPoint:
    """One configuration: means over its seeds, but of seconds the median.

    Seconds are those of the phases alone: photos are read, TensorFlow started and frozen layers computed by whichever
    trial comes first. It compiles the steps too, within its phases, and the median leaves that out.

    Attributes:
        facet: as it would be typed; empty where there is one.
        depth: canonical, layers from the end.
        settings: the other hyperparameters that vary, as they would be typed.
        score: the mean on validation, 0–1.
        parameters: that train, the head's among them; None where unknown.
        seconds: that a trial's phases took; None where unknown.
        data: the photos that the score is of, as they would be typed.
    """

    facet: str
    depth: int
    settings: str
    score: float
    parameters: float | None
    seconds: float | None
    data: str = ""


def cost_points(records: Sequence[TrialRecord]) -> list[CostPoint]:
    """Every configuration that was measured."""
    found = []
    for facet, members in facets(records).items():
        trials = measured(members)
        names, cells = tuned(trials), dict[tuple[int, str], list[TrialRecord]]()
        for trial in trials:
            cells.setdefault((trial.depth, configuration(trial, names)), []).append(trial)
        found += [_point(facet, *cell, group) for cell, group in cells.items()]
    return found


def pareto_front(costs: Sequence[float], scores: Sequence[float]) -> list[int]:
    """Positions, by rising cost, of what no other one is at least as good as at no more cost.

    >>> pareto_front([3, 1, 2, 4], [0.7, 0.5, 0.5, 0.7])
    [1, 0]
    """
    front: list[int] = []
    for place in sorted(range(len(costs)), key=lambda k: (costs[k], -scores[k])):
        if not front or scores[place] > scores[front[-1]]:
            front.append(place)
    return front


def fronts(points: Sequence[tuple[float | None, CostPoint]]) -> list[list[tuple[float, CostPoint]]]:
    """The Pareto front of each data set by rising cost, of (cost, point) where the cost is known and above 0."""
    sets: dict[str, list[tuple[float, CostPoint]]] = {}
    for cost, point in points:
        if cost is not None and cost > 0:
            sets.setdefault(point.data, []).append((cost, point))
    return [
        [known[k] for k in pareto_front([cost for cost, _ in known], [point.score for _, point in known])]
        for known in sets.values()
    ]


def _point(facet: str, depth: int, settings: str, trials: Sequence[TrialRecord]) -> CostPoint:
    score = float(np.mean([trial.score for trial in trials]))
    costs = _mean(trials, PARAMETERS), median_seconds(trials)
    return CostPoint(facet, depth, settings, score, *costs, validated_on(trials[0]))


def median_seconds(trials: Sequence[TrialRecord]) -> float | None:
    """Return what the phases of a trial took, seconds, the median of `trials`; None where unknown."""
    seconds = [known for trial in trials if (known := _seconds(trial)) is not None]
    return float(np.median(seconds)) if seconds else None


def _seconds(trial: TrialRecord) -> float | None:
    """Return what the phases took together, seconds; None where one is not known."""
    parts = [trial.metric(name) for name in trial.metrics if name.startswith(PHASE_TIME_PREFIX)]
    known = [part for part in parts if part is not None]
    return sum(known) if parts and len(known) == len(parts) else None


def _mean(trials: Sequence[TrialRecord], name: str) -> float | None:
    values = [value for trial in trials if (value := trial.metric(name)) is not None]
    return float(np.mean(values)) if values else None
