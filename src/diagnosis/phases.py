"""A trial's epochs by phase."""

import math
from collections.abc import Mapping, Sequence
from typing import TypeAlias

from src.tracking.schema import PHASE
from src.verdict.trials import TrialRecord

Phase: TypeAlias = Sequence[Mapping[str, float]]
"""One phase's epochs, each with the numbers of `TrialRecord.history`."""


def phases(trial: TrialRecord) -> dict[int, Phase]:
    """Return the epochs of each phase, by the phase's number, in order."""
    epochs: dict[int, list[Mapping[str, float]]] = {}
    for epoch in trial.history:
        epochs.setdefault(phase_number(epoch), []).append(epoch)
    return dict(epochs)


def last_phase(trial: TrialRecord) -> Phase:
    """Return the last phase's epochs; empty where the trial has none."""
    return next(reversed(phases(trial).values()), ())


def phase_number(epoch: Mapping[str, float]) -> int:
    """Return the number of an epoch's phase, from 0; 0 where it is unknown."""
    number = epoch.get(PHASE, 0.0)
    return int(number) if math.isfinite(number) else 0
