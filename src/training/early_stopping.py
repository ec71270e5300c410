"""Early stopping and reduction of the learning rate, as plain numbers that can be saved and resumed.

The rules are those of Keras' EarlyStopping and ReduceLROnPlateau.
"""

import math
from dataclasses import dataclass, replace
from typing import Self

from src.config import PhaseConfig

_LEAST_GAIN_ON_PLATEAU = 1e-4


@dataclass(frozen=True)
class EarlyStopping:
    """The state of a phase after some epochs.

    Attributes:
        rate: learning rate of the next epoch.
        best: the best value so far, the higher the better; None before the first epoch.
        best_epoch: its epoch, counted from 0 within the phase.
        wait: epochs since.
        plateau_best: the value that the plateau is measured from.
        plateau_wait: epochs since it or since the rate fell.
    """

    rate: float
    best: float | None = None
    best_epoch: int = 0
    wait: int = 0
    plateau_best: float = -math.inf
    plateau_wait: int = 0

    def after(self, epoch: int, value: float, phase: PhaseConfig) -> Self:
        """Return the state after `epoch`, which reached `value`.

        >>> phase = PhaseConfig(unfrozen=0, epochs=9, learning_rate=1, patience=2, plateau_patience=1,
        ...                     plateau_factor=0.5)
        >>> stopping = EarlyStopping(rate=1.0).after(0, 0.5, phase).after(1, 0.4, phase)
        >>> stopping.best_epoch, stopping.wait, stopping.rate, stopping.is_over(phase)
        (0, 1, 0.5, False)
        >>> stopping.after(2, 0.5, phase).is_over(phase)
        True
        """
        paced = self._on_plateau(value, phase)
        if self.best is None or value > self.best:
            return replace(paced, best=value, best_epoch=epoch, wait=0)
        return replace(paced, wait=self.wait + 1)

    def is_over(self, phase: PhaseConfig) -> bool:
        """Return whether patience has run out."""
        return phase.patience is not None and self.wait >= phase.patience

    def _on_plateau(self, value: float, phase: PhaseConfig) -> Self:
        if phase.plateau_patience is None:
            return self
        if value > self.plateau_best + _LEAST_GAIN_ON_PLATEAU:
            return replace(self, plateau_best=value, plateau_wait=0)
        if self.plateau_wait + 1 < phase.plateau_patience:
            return replace(self, plateau_wait=self.plateau_wait + 1)
        return replace(self, rate=self.rate * phase.plateau_factor, plateau_wait=0)
