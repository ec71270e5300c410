"""Records of training: a phase's result, and its place in its trial."""

from dataclasses import dataclass

from src.common.events import EpochRecord
from src.config import PhaseConfig
from src.models.depth import Depth


@dataclass(frozen=True)
class PhaseResult:
    """The result of one phase.

    Attributes:
        best_epoch: the epoch, counted over all phases, whose weights the network now has.
        train: train/loss and train/accuracy in inference mode by epoch: the last one's, and the best one's.
        resumed: epochs that were not trained now but known from before.
    """

    name: str
    depth: Depth
    epochs: tuple[EpochRecord, ...]
    best_epoch: int
    train: dict[int, dict[str, float]]
    resumed: int = 0

    @property
    def best(self) -> EpochRecord:
        """Return the best epoch's record."""
        return next(record for record in self.epochs if record.epoch == self.best_epoch)


@dataclass(frozen=True)
class PhaseSpec:
    """A phase's place in its trial. `key` names what it trains, however many epochs it may go on."""

    name: str
    config: PhaseConfig
    depth: Depth
    index: int
    first_epoch: int
    key: str
