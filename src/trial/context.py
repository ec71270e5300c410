"""The context that every step of a trial uses."""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import mlflow

from src.common.clock import Clock
from src.config import TrackingConfig
from src.features.cache_plan import SharedFeatures
from src.reporting.terminal import Terminal
from src.tracking.leases import Leases
from src.tracking.locks import LockFolder
from src.tracking.study import StudyContext
from src.tracking.trial_runs import Artifact
from src.trial.origin import Origin
from src.trial.plan import Plan


@dataclass(frozen=True)
class TrialContext:
    """A trial under way: what it is made of, where it is tracked, and its display.

    Attributes:
        output: Hydra's folder of the job.
        study: the study that it belongs to; None for a single trial.
        began_ms: when it began, milliseconds since 1970.
    """

    plan: Plan
    key: str
    client: mlflow.MlflowClient
    experiment: str
    lock_folder: LockFolder
    study: StudyContext | None
    origin: Origin
    output: Path
    terminal: Terminal
    clock: Clock
    began_ms: int

    @cached_property
    def leases(self) -> Leases:
        """Return what keeps other hosts from training it at the same time."""
        return Leases(self.client, self.lock_folder, self.plan.trial.tracking.lease_seconds)

    @property
    def shared_features(self) -> SharedFeatures:
        """Return the rest of its study on the same frozen layers."""
        return self.study.shared_features if self.study else SharedFeatures()

    @property
    def artifacts(self) -> Artifact:
        """Return the files on demand that the trial gets at once."""
        return artifacts_of(self.plan.trial.tracking, is_chosen=self.study is None)


def artifacts_of(config: TrackingConfig, *, is_chosen: bool) -> Artifact:
    """Return the files on demand that `config` asks for; `is_chosen`: of a single trial or a recommended one."""
    is_drawn = config.artifacts == "all" or (config.artifacts == "best" and is_chosen)
    saves_model = is_drawn if config.save_model is None else config.save_model
    return (Artifact.FIGURES if is_drawn else Artifact(0)) | (Artifact.MODEL if saves_model else Artifact(0))
