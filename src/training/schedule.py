"""A schedule: its phases one after the other, each from the best weights of the one before."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from src.config import TrialConfig
from src.data.dataset import Dataset
from src.errors import ThawError
from src.models.depth import Depth, resolve_depth
from src.models.layers import LayerInfo
from src.models.network import Network
from src.training.phase import Leg, Observer, PhaseResult, fit_phase


@dataclass(frozen=True)
class Outcome:
    """What a schedule left. The network has the weights of the last phase's best epoch.

    The last phase decides, not the best of all: a trial measures its own depth, and where fine-tuning made a network
    worse, keeping the weights from before it would hide just that.
    """

    phases: tuple[PhaseResult, ...]

    @property
    def last(self) -> PhaseResult:
        """The phase that the kept weights come from."""
        return self.phases[-1]

    def summary(self) -> dict[str, float]:
        """The numbers at the best epoch, the gap in its two parts among them (accuracies, 0–1)."""
        best = self.last.best
        numbers = {name: value for name, value in best.metrics.items() if "/" in name}
        numbers |= self.last.train[best.epoch]
        return numbers | {
            "best/val_accuracy": numbers["val/accuracy"],
            "best/epoch": float(best.epoch),
            "gap/mode": numbers["fit/accuracy"] - numbers["train/accuracy"],
            "gap/generalization": numbers["train/accuracy"] - numbers["val/accuracy"],
        }


def plan_depths(trial: TrialConfig, table: Sequence[LayerInfo], backbone: str) -> dict[str, Depth]:
    """Each phase's depth, by phase.

    Raises:
        ThawError: a depth that the backbone does not have; in whichever phase.
    """
    return {
        name: resolve_depth(phase.unfrozen, table, trial.batchnorm, backbone) for name, phase in trial.schedule.items()
    }


def run_schedule(
    network: Network,
    dataset: Dataset,
    trial: TrialConfig,
    depths: dict[str, Depth],
    checkpoints: Path,
    observer: Observer,
) -> Outcome:
    """Train `network` by the trial's schedule.

    Raises:
        ThawError: the loss of the first epoch is no number: nothing worth keeping came of it.
    """
    results: list[PhaseResult] = []
    first_epoch = 0
    for index, (name, config) in enumerate(trial.schedule.items()):
        leg = Leg(name, config, depths[name], index, first_epoch)
        observer.phase_begins(leg)
        result = fit_phase(network, dataset, trial, leg, checkpoints, observer)
        if not math.isfinite(result.best.metrics["val/loss"]):
            raise ThawError(
                f"phase {name}: the loss is not a number: a lower learning rate than {config.learning_rate:g}, "
                "or other weights?"
            )
        results.append(result)
        observer.phase_ends(result)
        first_epoch = result.epochs[-1].epoch + 1
    return Outcome(tuple(results))
