"""Events of a command's work, as values: the code that works emits them, and a handler shows or logs them."""

from dataclasses import dataclass
from typing import Protocol

TRAINING, COMPUTING, FITTING = "training", "computing frozen layers", "fitting heads"
"""Activities of :class:`Advanced`."""


@dataclass(frozen=True)
class Warned:
    """Something that the user should know in any case."""

    text: str


@dataclass(frozen=True)
class Noted:
    """Information on what happens, for users who watch."""

    text: str


@dataclass(frozen=True)
class Waiting:
    """Another process has what this one needs; it goes on when that is free."""

    text: str


@dataclass(frozen=True)
class Advanced:
    """`done` of `total` steps of an activity are done; the first such event of an activity starts it."""

    activity: str
    done: int
    total: int


@dataclass(frozen=True)
class PhaseBegan:
    """A phase of the schedule is about to train, for `epochs` epochs at the most."""

    name: str
    first_epoch: int
    epochs: int


@dataclass(frozen=True)
class EpochRecord:
    """One epoch is done.

    Attributes:
        epoch: counted from 0 over all phases of the trial.
        phase: position of its phase in the schedule, from 0.
        metrics: by the names in MLflow: fit/* is the running value in training mode, val/* in inference mode.
        seconds: wall time, validation included.
    """

    epoch: int
    phase: int
    metrics: dict[str, float]
    seconds: float


@dataclass(frozen=True)
class EpochsReused:
    """These epochs of the phase were trained before."""

    records: tuple[EpochRecord, ...]


@dataclass(frozen=True)
class PhaseEnded:
    """The network has the weights of the phase's best epoch. `train`: metrics of the training images, by epoch."""

    name: str
    best_epoch: int
    train: dict[int, dict[str, float]]


Event = Warned | Noted | Waiting | Advanced | PhaseBegan | EpochRecord | EpochsReused | PhaseEnded


class EventHandler(Protocol):
    """Receives every event."""

    def __call__(self, event: Event, /) -> None:
        """Show or log `event`, or leave it."""


def ignore(event: Event, /) -> None:
    """Handle events by leaving them."""
