"""Temperature scaling of probabilities (Guo et al. 2017, arXiv:1706.04599)."""

import numpy as np
from numpy.typing import NDArray

Probabilities = NDArray[np.float32]
"""Class probabilities of images, float32 [images, classes]; each row sums to 1."""

_LEAST = 1e-37


def scaled(probabilities: Probabilities, temperature: float | None) -> Probabilities:
    """Return the probabilities whose logits are divided by `temperature`; as they are where it is None.

    Above 1 they become less confident, below 1 more. The order of a row's classes stays.

    >>> scaled(np.array([[0.9, 0.1]], np.float32), 2.0).round(2).tolist()
    [[0.75, 0.25]]
    """
    if temperature is None:
        return probabilities
    return np.asarray(np.exp(scaled_logarithms(probabilities, temperature)), np.float32)


def scaled_logarithms(probabilities: Probabilities, temperature: float) -> NDArray[np.float64]:
    """Return the natural logarithms of what :func:`scaled` returns, in double precision."""
    logits = np.log(np.maximum(probabilities.astype(np.float64), _LEAST)) / temperature
    above = logits - logits.max(axis=1, keepdims=True)
    return np.asarray(above - np.log(np.exp(above).sum(axis=1, keepdims=True)))
