"""The context that every step of a trial uses."""

from dataclasses import dataclass
from pathlib import Path

import mlflow

from src.common.clock import Clock
from src.features.cache_plan import SharedFeatures
from src.reporting.terminal import Terminal
from src.tracking.locks import LockFolder
from src.tracking.study import StudyContext
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

    @property
    def shared_features(self) -> SharedFeatures:
        """Return the rest of its study on the same frozen layers."""
        return self.study.shared_features if self.study else SharedFeatures()

    @property
    def keeps_model(self) -> bool:
        """Return whether the trained network is logged: if the configuration says so, else if it is no sweep's."""
        asked = self.plan.trial.tracking.save_model
        return self.study is None if asked is None else asked
