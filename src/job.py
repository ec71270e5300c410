"""What every step of a trial works with."""

from dataclasses import dataclass
from pathlib import Path

from src.clock import Clock
from src.config import TrialConfig
from src.data.dataset import Dataset
from src.models.catalog import BackboneSpec
from src.models.weights import WeightSet
from src.reporting.terminal import Terminal
from src.tracking.run import Run


@dataclass(frozen=True)
class Inputs:
    """What a trial is made of, known before TensorFlow starts. `side` is the images', px."""

    trial: TrialConfig
    spec: BackboneSpec
    weights: WeightSet
    side: int
    dataset: Dataset


@dataclass(frozen=True)
class Job:
    """A trial under way: what it is made of, and who is told. `output` is Hydra's folder of the job."""

    inputs: Inputs
    run: Run
    output: Path
    terminal: Terminal
    clock: Clock
