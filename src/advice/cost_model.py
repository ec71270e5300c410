"""Predict what a trial will cost, by what earlier trials took."""

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

_CAUTION = 1.15
"""Trials vary in length, and another process may want a core."""


@dataclass(frozen=True)
class MeasuredTime:
    """The time that a trial took, s.

    Attributes:
        seconds: in all.
        epoch: an epoch of fine-tuning, without the first, which compiles; 0 where none was measured.
        epochs: of fine-tuning that it trained itself.
        once: of the seconds, those that its process or all trials spend once: TensorFlow, the network, data, features.
    """

    seconds: float
    epoch: float
    epochs: int
    once: float = 0.0

    @property
    def beside(self) -> float:
        """Return the seconds beside the epochs of fine-tuning."""
        return max(self.seconds - self.epoch * self.epochs, 0.0)


@dataclass(frozen=True)
class Cost:
    """The expected time of a candidate's trials, s: beside the epochs of fine-tuning, and of one epoch."""

    beside: float
    epoch: float

    def of(self, epochs: int) -> float:
        """Return the seconds that a trial with so many new epochs is expected to take, with some caution."""
        return _CAUTION * (self.beside + epochs * self.epoch)


def costs(times: Mapping[int, Sequence[MeasuredTime]]) -> dict[int, Cost]:
    """Return the cost of each measured candidate, by its number.

    A candidate's first trial compiles, and the first of all computes features: until it has a second one, its time
    beside the epochs is taken to be the least of all candidates'. What is spent once counts in no trial: after a kill,
    or with more minutes, another process spends it again.
    """
    known = [trial for trials in times.values() for trial in trials]
    recurring = min(trial.once for trial in known) if len(known) > 1 else 0.0  # such as a folder that each lists
    least = min((max(trial.beside - trial.once, 0.0) for trial in known), default=0.0) + recurring
    return {number: _cost(trials, least, recurring) for number, trials in times.items() if trials}


def _cost(trials: Sequence[MeasuredTime], least: float, recurring: float) -> Cost:
    epochs = [trial.epoch for trial in trials if trial.epoch > 0]
    later = [max(trial.beside - trial.once, 0.0) + recurring for trial in trials[1:]]
    return Cost(statistics.median(later) if later else least, statistics.median(epochs) if epochs else 0.0)
