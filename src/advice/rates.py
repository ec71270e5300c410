"""The best rate of each candidate, by noisy scores.

Taken alone, a candidate's best score is often another rate's luck, and its depth then looks worse than it is. So the
candidates inform one another: a score is what its rate does to all of them, and what it does to this one beyond, shrunk
by how much of that is noise (Efron and Morris 1975, J. Am. Stat. Assoc. 70:311).
"""

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


def best_rates(scores: Floats, noise: float) -> NDArray[np.int64]:
    """Return the place of each candidate's best rate; the first of equal ones.

    Args:
        scores: [candidates, rates], 0–1; minus infinity where a trial has none.
        noise: the variance of a score's error.
    """
    known = np.isfinite(scores)
    complete = known.all(axis=1)
    expected = scores.copy()
    if complete.sum() > 1:
        expected[complete] = _shrunk(scores[complete], noise)
    return np.asarray(expected.argmax(axis=1))


def _shrunk(scores: Floats, noise: float) -> Floats:
    """Return the expected effects of rates on candidates, [candidates, rates], from a score of each."""
    centred = scores - scores.mean(axis=1, keepdims=True)
    common = centred.mean(axis=0)
    particular = centred - common
    freedom = (scores.shape[0] - 1) * (scores.shape[1] - 1)
    variance = np.square(particular).sum() / max(freedom, 1)
    share = max(1 - noise / variance, 0.0) if variance > 0 else 0.0
    return np.asarray(common + share * particular)
