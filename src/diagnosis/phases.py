"""A trial's epochs by phase."""

import math
from collections.abc import Mapping, Sequence
from typing import TypeAlias

from src.tracking.schema import PHASE
from src.verdict.trials import TrialRecord

Phase: TypeAlias = Sequence[Mapping[str, float]]
"""One phase's epochs, each with what `TrialRecord.history` holds."""


def phases(trial: TrialRecord) -> dict[int, Phase]:
    """The epochs of each phase, by the phase's number, in order."""
    found: dict[int, list[Mapping[str, float]]] = {}
    for epoch in trial.history:
        found.setdefault(phase_number(epoch), []).append(epoch)
    return dict(found)


def phase_number(epoch: Mapping[str, float]) -> int:
    """Of the phase that an epoch is of; 0 where it does not say."""
    number = epoch.get(PHASE, 0.0)
    return int(number) if math.isfinite(number) else 0
