"""The cost of a score in parameters and time, and which configurations nothing beats at both (the Pareto front)."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from src.tracking.schema import PHASE_TIME_PREFIX, TRAINABLE
from src.verdict.trials import TrialRecord, configuration, facets, measured, tuned, validated_on


@dataclass(frozen=True)
class CostPoint:
    """One configuration: means over its seeds, but the median of seconds.

    Seconds are those of the phases: the first trial of a process reads images, starts TensorFlow and computes frozen
    layers for the others. It also compiles the steps, within its phases, which the median leaves out.

    Attributes:
        facet: as it would be typed; empty where there is one.
        depth: canonical, layers from the end.
        settings: the other hyperparameters that vary, as they would be typed.
        score: the mean on validation, 0–1.
        parameters: how many train, with the head's; None where unknown.
        seconds: how long a trial's phases took; None where unknown.
        data: the settings of the images that the score is of, as they would be typed.
    """

    facet: str
    depth: int
    settings: str
    score: float
    parameters: float | None
    seconds: float | None
    data: str = ""


def cost_points(records: Sequence[TrialRecord]) -> list[CostPoint]:
    """Return every configuration that was measured."""
    points = []
    for facet, members in facets(records).items():
        trials = measured(members)
        names, cells = tuned(trials), dict[tuple[int, str], list[TrialRecord]]()
        for trial in trials:
            cells.setdefault((trial.depth, configuration(trial, names)), []).append(trial)
        points += [_point(facet, *cell, group) for cell, group in cells.items()]
    return points


def fronts(points: Sequence[tuple[float | None, CostPoint]]) -> list[list[tuple[float, CostPoint]]]:
    """Return each data set's Pareto front by rising cost, of (cost, point) where the cost is known and above 0.

    No other point of the data set scores as much at no more cost.
    """
    known = [(cost, point) for cost, point in points if cost is not None and cost > 0]
    sets: dict[str, list[tuple[float, CostPoint]]] = {point.data: [] for _, point in known}
    for cost, point in sorted(known, key=lambda pair: (pair[0], -pair[1].score)):
        front = sets[point.data]
        if not front or point.score > front[-1][1].score:
            front.append((cost, point))
    return list(sets.values())


def _point(facet: str, depth: int, settings: str, trials: Sequence[TrialRecord]) -> CostPoint:
    score = float(np.mean([trial.score for trial in trials]))
    counts = [count for trial in trials if (count := trial.metric(TRAINABLE)) is not None]
    parameters = float(np.mean(counts)) if counts else None
    return CostPoint(facet, depth, settings, score, parameters, median_seconds(trials), validated_on(trials[0]))


def median_seconds(trials: Sequence[TrialRecord]) -> float | None:
    """Return the median duration of the phases of a trial, seconds; None where unknown."""
    seconds = [known for trial in trials if (known := _seconds(trial)) is not None]
    return float(np.median(seconds)) if seconds else None


def _seconds(trial: TrialRecord) -> float | None:
    """Return the duration of all phases together, seconds; None where one is unknown."""
    parts = [value for name, value in trial.metrics.items() if name.startswith(PHASE_TIME_PREFIX)]
    return float(sum(parts)) if parts and np.isfinite(parts).all() else None
