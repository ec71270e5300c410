"""What every step of a trial works with while it trains."""

from dataclasses import dataclass
from pathlib import Path

from src.clock import Clock
from src.features.placement import Companions
from src.plan import Plan
from src.reporting.terminal import Terminal
from src.tracking.run import Run


@dataclass(frozen=True)
class Job:
    """A trial under way: what it is made of, who is told, and what else its study trains.

    `output` is Hydra's folder of the job; `keeps_model`: whether the trained network is logged.
    """

    plan: Plan
    key: str
    run: Run
    output: Path
    terminal: Terminal
    clock: Clock
    companions: Companions
    keeps_model: bool
