"""A schedule: its phases one after the other, each from the best weights of the one before."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from src.config import PhaseConfig, TrialConfig
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
        """What the run's metrics are worth at the end, by their names in MLflow.

        fit/*, val/* and train/* are the last epoch's, as MLflow shows them; best/* and gap/* are of the weights kept.
        Accuracies and gaps in 0–1.
        """
        best, last = self.last.best, self.last.epochs[-1]
        kept = best.metrics | self.last.train[best.epoch]
        fit, train, val = (kept[f"{split}/accuracy"] for split in ("fit", "train", "val"))
        return {
            **last.metrics,
            **self.last.train[last.epoch],
            **{f"best/{name.replace('/', '_')}": value for name, value in kept.items() if "/" in name},
            "best/epoch": float(best.epoch),
            "gap/mode": fit - train,
            "gap/generalization": train - val,
            "depth/layers": float(self.last.depth.unfrozen),
            "depth/canonical": float(self.last.depth.canonical),
            "depth/parameters": float(self.last.depth.parameters),
        }


def plan_depths(trial: TrialConfig, table: Sequence[LayerInfo], backbone: str) -> dict[str, Depth]:
    """Each phase's depth, by phase.

    Raises:
        ThawError: a depth that the backbone does not have; in whichever phase.
    """

    def resolve(asked: int | str) -> Depth:
        return resolve_depth(asked, table, trial.batchnorm, backbone)

    def cut(phase: PhaseConfig) -> Depth:
        depth = resolve(phase.unfrozen)
        limit = depth if phase.no_deeper_than is None else resolve(phase.no_deeper_than)
        return min(depth, limit, key=lambda each: each.canonical)

    return {name: cut(phase) for name, phase in trial.schedule.items()}


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
