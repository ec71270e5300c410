"""A two-way additive model of a study: depths with seeds as blocks, by least squares.

The model is ``value = depth + seed + noise``. Seeds are blocks, because trials that share a seed share the head's
start, the order of batches and mostly the first phase.
"""

import functools
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Design:
    """The depth and the seed of each trial, with the least-squares matrices that follow from them.

    Attributes:
        levels: the depths, rising.
        counts: trials of each depth.
        paired: whether seeds are blocks. They are where seeds shared by depths tie all depths together and leave at
            least half of the degrees of freedom that trials without pairing would have; this follows from the design
            alone, never from the values.
        freedom: the residual's degrees of freedom.
        members: which depth each trial is of, 0 or 1, [trials, depths].
        solve: values to the depths' means at an average seed, [depths, trials].
        project: values to residuals, [trials, trials].
    """

    levels: tuple[int, ...]
    counts: tuple[int, ...]
    paired: bool
    freedom: int
    members: Floats
    solve: Floats
    project: Floats


@functools.lru_cache(maxsize=512)
def make_design(depths: tuple[int, ...], seeds: tuple[int, ...]) -> Design:
    """Return the design of trials with these `depths` and `seeds`, in the order of the values.

    Seeds are blocks under the conditions of :attr:`Design.paired`; the design of equal arguments is made once.
    """
    depth_columns, seed_columns = _indicators(depths), _indicators(seeds)
    blocks = np.hstack([depth_columns, seed_columns[:, :-1] - seed_columns[:, -1:]])
    trials, levels = depth_columns.shape
    free_alone, free_paired = trials - levels, trials - blocks.shape[1]
    paired = (
        seed_columns.shape[1] > 1
        and free_paired >= max(1, free_alone / 2)
        and int(np.linalg.matrix_rank(blocks)) == blocks.shape[1]
    )
    columns = blocks if paired else depth_columns
    inverse: Floats = np.asarray(np.linalg.pinv(columns), np.float64)
    return Design(
        levels=tuple(sorted(set(depths))),
        counts=tuple(int(count) for count in depth_columns.sum(axis=0)),
        paired=paired,
        freedom=free_paired if paired else free_alone,
        members=depth_columns,
        solve=inverse[:levels],
        project=np.eye(trials) - columns @ inverse,
    )


def _indicators(labels: Sequence[int]) -> Floats:
    return np.asarray(np.asarray(labels)[:, None] == np.unique(labels), np.float64)
