"""Hyperparameters as columns of a linear model."""

from collections.abc import Sequence

import numpy as np
from scipy import stats

from src.statistics.design import Floats
from src.verdict.trials import Factor


def encode(values: Sequence[Factor]) -> Floats:
    """Return the values as columns of a linear model, float64 [trials, columns].

    There is a column for each value but the first. Numbers that hardly repeat enter as their rank and its square.
    Factors that divide the trials alike, or rank them alike or in reverse, get the same columns.
    """
    numbers = [value for value in values if not isinstance(value, str)]
    parts = part(values)
    if len(numbers) < len(values) or not is_scattered(max(parts) + 1, len(values)):
        return np.asarray(np.asarray(parts)[:, None] == np.arange(1, max(parts) + 1), np.float64)
    rank = stats.rankdata(np.asarray(numbers, np.float64), method="dense")
    centred = (2 * rank - rank.max() - 1) / np.ptp(rank)
    upwards = centred * np.sign(centred[np.flatnonzero(centred)[0]])
    return np.stack([upwards, upwards**2], axis=1)


def part(values: Sequence[Factor]) -> tuple[int, ...]:
    """Return the values as numbers from 0, in the order of first appearance."""
    numbers: dict[str, int] = {}
    return tuple(numbers.setdefault(str(value), len(numbers)) for value in values)


def is_scattered(levels: int, trials: int) -> bool:
    """Return whether so many distinct values of so many trials hardly repeat."""
    return 2 * levels > trials
