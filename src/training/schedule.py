"""A schedule: its phases one after the other, each from the best weights of the one before.

New schedules are files in conf/schedule/.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from src.common.errors import ThawError
from src.common.events import EventHandler, PhaseBegan, PhaseEnded
from src.models.depth import Depth
from src.tracking import schema
from src.training.batch_loader import BatchLoader
from src.training.checkpoints import CheckpointStore
from src.training.history import PhaseResult, PhaseSpec
from src.training.model_cache import ModelCache
from src.training.phase import fit_phase


@dataclass(frozen=True)
class ScheduleResult:
    """The result of a schedule. The network has the weights of the last phase's best epoch.

    The last phase decides, not the best of all: a trial measures its own depth, and where fine-tuning made a network
    worse, keeping the weights from before it would hide just that.
    """

    phases: tuple[PhaseResult, ...]

    @property
    def last(self) -> PhaseResult:
        """Return the phase that the kept weights come from."""
        return self.phases[-1]

    def summary(self) -> dict[str, float]:
        """Return the run's final metrics by their names in MLflow.

        fit/*, val/* and train/* are the last epoch's, as MLflow shows them; best/* and gap/* are of the weights kept.
        Accuracies and gaps in 0–1.
        """
        best, last = self.last.best, self.last.epochs[-1]
        best_metrics = best.metrics | self.last.train[best.epoch]
        fit, train, val = (best_metrics[schema.of_split(split)] for split in (schema.FIT, schema.TRAIN, schema.VAL))
        return {
            **last.metrics,
            **self.last.train[last.epoch],
            **{schema.best(*name.split("/", 1)): value for name, value in best_metrics.items() if "/" in name},
            schema.BEST_EPOCH: float(best.epoch),
            schema.GAP_MODE: fit - train,
            schema.GAP_GENERALIZATION: train - val,
            schema.DEPTH_LAYERS: float(self.last.depth.unfrozen),
            schema.DEPTH_CANONICAL: float(self.last.depth.canonical),
            schema.DEPTH_PARAMETERS: float(self.last.depth.parameters),
        }


def run_schedule(
    model_cache: ModelCache,
    loader: BatchLoader,
    depths: dict[str, Depth],
    keys: Sequence[str],
    checkpoints: CheckpointStore,
    emit: EventHandler,
) -> ScheduleResult:
    """Train the network of `model_cache` by the trial's schedule; `keys` are the phases' keys.

    Raises:
        ThawError: the loss of the first epoch is no number: there are no weights to keep.
    """
    results: list[PhaseResult] = []
    first_epoch = 0
    for index, ((name, config), key) in enumerate(zip(loader.trial.schedule.items(), keys, strict=True)):
        phase_spec = PhaseSpec(name, config, depths[name], index, first_epoch, key)
        emit(PhaseBegan(name, first_epoch, config.epochs))
        result = fit_phase(model_cache, loader, phase_spec, checkpoints, emit)
        if not math.isfinite(result.best.metrics[schema.of_split(schema.VAL, "loss")]):
            raise ThawError(
                f"phase {name}: the loss is not a number: a lower learning rate than {config.learning_rate:g}, "
                "or other weights?"
            )
        results.append(result)
        emit(PhaseEnded(name, result.best_epoch, result.train))
        first_epoch = result.epochs[-1].epoch + 1
    return ScheduleResult(tuple(results))
