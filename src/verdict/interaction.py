"""Whether another hyperparameter wants another value at another depth: validation means over both."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from src.verdict.trials import Factor, TrialRecord, facets, measured, tuned

_FIRST = ("dropout", "fine_tune_learning_rate", "learning_rate")
_MOST_COLUMNS = 6
_MOST_IN_FULL = 1_000_000


@dataclass(frozen=True)
class Interaction:
    """Depth against one hyperparameter.

    Attributes:
        facet: the trials' facet, as it would be typed; empty where there is one.
        factor: the hyperparameter.
        depths: rising.
        values: its values as text, numbers rising; stretches of them where there are many.
        means: of the score over all trials of a cell, 0–1, [depths, values]; NaN where there was none.
        counts: trials of each cell, [depths, values].
    """

    facet: str
    factor: str
    depths: tuple[int, ...]
    values: tuple[str, ...]
    means: NDArray[np.float64]
    counts: NDArray[np.int64]


def interactions(records: Sequence[TrialRecord]) -> list[Interaction]:
    """Every hyperparameter that varies where depth does, facet by facet; dropout and the rates first."""
    found = []
    for facet, members in facets(records).items():
        trials = measured(members)
        if len({trial.depth for trial in trials}) > 1:
            found += [_interaction(facet, name, trials) for name in sorted(tuned(trials), key=_rank)]
    return found


def _rank(name: str) -> tuple[int, str]:
    return (_FIRST.index(name) if name in _FIRST else len(_FIRST)), name


def _interaction(facet: str, name: str, trials: Sequence[TrialRecord]) -> Interaction:
    depths = sorted({trial.depth for trial in trials})
    columns, values = _columns([trial.factor(name) for trial in trials])
    sums, counts = np.zeros((2, len(depths), len(values)))
    for trial, column in zip(trials, columns, strict=True):
        sums[depths.index(trial.depth), column] += trial.score
        counts[depths.index(trial.depth), column] += 1
    means = np.divide(sums, counts, out=np.full_like(sums, np.nan), where=counts > 0)
    return Interaction(facet, name, tuple(depths), values, means, counts.astype(np.int64))


def _columns(values: Sequence[Factor]) -> tuple[list[int], tuple[str, ...]]:
    """Each value's column, and the columns' names."""
    numbers = [value for value in values if not isinstance(value, str)]
    if len(numbers) < len(values):
        names = sorted({str(value) for value in values})
        return [names.index(str(value)) for value in values], tuple(name or "null" for name in names)
    distinct = np.unique(np.asarray(numbers, np.float64))
    stretches = np.array_split(distinct, min(_MOST_COLUMNS, distinct.size))
    starts = [stretch[0] for stretch in stretches]
    columns = np.searchsorted(starts, numbers, side="right") - 1
    return columns.tolist(), tuple(_stretch(stretch) for stretch in stretches)


def _stretch(values: NDArray[np.float64]) -> str:
    return _shown(values[0], 4) if values.size == 1 else f"{_shown(values[0], 2)} – {_shown(values[-1], 2)}"


def _shown(value: float, digits: int) -> str:
    """Whole numbers in full; others in so many digits."""
    return f"{value:.0f}" if float(value).is_integer() and abs(value) < _MOST_IN_FULL else f"{value:.{digits}g}"
