"""The context that every step of a trial uses while it trains."""

from dataclasses import dataclass
from pathlib import Path

from src.common.clock import Clock
from src.features.cache_plan import SharedFeatures
from src.reporting.terminal import Terminal
from src.tracking.mlflow_run import Run
from src.trial.plan import Plan


@dataclass(frozen=True)
class TrialContext:
    """A trial under way: what it is made of, who is told, and what else its study trains.

    `output` is Hydra's folder of the job; `keeps_model`: whether the trained network is logged.
    """

    plan: Plan
    key: str
    run: Run
    output: Path
    terminal: Terminal
    clock: Clock
    shared_features: SharedFeatures
    keeps_model: bool
