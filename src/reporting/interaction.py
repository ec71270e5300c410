"""Validation means over depth and another hyperparameter: does its best value depend on depth?"""

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
        values: its values as text, numbers rising; ranges of them where there are many.
        means: of the score over all trials of a cell, 0–1, [depths, values]; NaN where there is none.
        counts: trials of each cell, [depths, values].
    """

    facet: str
    factor: str
    depths: tuple[int, ...]
    values: tuple[str, ...]
    means: NDArray[np.float64]
    counts: NDArray[np.int64]


def interactions(records: Sequence[TrialRecord]) -> list[Interaction]:
    """Return every hyperparameter that varies where depth does, facet by facet; dropout and the rates first."""
    pairs = []
    for facet, members in facets(records).items():
        trials = measured(members)
        if len({trial.depth for trial in trials}) > 1:
            pairs += [_interaction(facet, name, trials) for name in sorted(tuned(trials), key=_rank)]
    return pairs


def _rank(name: str) -> tuple[int, str]:
    return (_FIRST.index(name) if name in _FIRST else len(_FIRST)), name


def _interaction(facet: str, name: str, trials: Sequence[TrialRecord]) -> Interaction:
    depths, rows = np.unique([trial.depth for trial in trials], return_inverse=True)
    columns, values = _columns([trial.factor(name) for trial in trials])
    sums, counts = np.zeros((depths.size, len(values))), np.zeros((depths.size, len(values)), np.int64)
    np.add.at(sums, (rows, columns), [trial.score for trial in trials])
    np.add.at(counts, (rows, columns), 1)
    means = np.divide(sums, counts, out=np.full_like(sums, np.nan), where=counts > 0)
    return Interaction(facet, name, tuple(depths.tolist()), values, means, counts)


def _columns(values: Sequence[Factor]) -> tuple[NDArray[np.int64], tuple[str, ...]]:
    """Return the column of each value, and the columns' names."""
    numbers = [value for value in values if not isinstance(value, str)]
    if len(numbers) < len(values):
        names, columns = np.unique([str(value) for value in values], return_inverse=True)
        return columns, tuple(str(name) or "null" for name in names)
    distinct = np.unique(np.asarray(numbers, np.float64))
    ranges = np.array_split(distinct, min(_MOST_COLUMNS, distinct.size))
    columns = np.searchsorted([part[0] for part in ranges], numbers, side="right") - 1
    return columns, tuple(_range(part) for part in ranges)


def _range(values: NDArray[np.float64]) -> str:
    return _shown(values[0], 4) if values.size == 1 else f"{_shown(values[0], 2)} – {_shown(values[-1], 2)}"


def _shown(value: float, digits: int) -> str:
    """Return a whole number in full, and another in so many digits."""
    return f"{value:.0f}" if float(value).is_integer() and abs(value) < _MOST_IN_FULL else f"{value:.{digits}g}"
