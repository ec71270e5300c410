"""One trial, from its checked configuration to the run that remembers it.

What does not need TensorFlow comes first: a bad name, a missing folder or a silent server is told in a second.
"""

import os
import time
from pathlib import Path
from typing import Any

from src.clock import Clock
from src.composition import PROJECT
from src.config import TrialConfig
from src.data.dataset import load_dataset
from src.errors import one_line
from src.job import Inputs, Job
from src.models.catalog import find_backbone
from src.models.weights import weight_set
from src.reporting.terminal import Terminal
from src.tracking.run import started_run
from src.tracking.store import open_store


def run_trial(trial: TrialConfig, output: Path) -> dict[str, Any]:
    """Train, measure and remember one trial; return its summary, as in summary.json of `output` and of the run.

    Raises:
        ThawError: bad input, or a surrounding that fails; nothing is left that a later run would trust.
    """
    clock, began = Clock(), int(time.time() * 1000)
    with Terminal(trial.runtime.progress) as terminal:
        inputs = _inputs(trial, terminal, clock)
        with clock.part("tracking"):
            client, experiment = open_store(trial.tracking, PROJECT)
        with started_run(client, experiment, _run_name(trial), began) as run:
            with clock.part("tensorflow"):
                from src.training import runtime  # first: it starts TensorFlow quietly and deterministically

                runtime.set_threads(trial.runtime)
                from src.measurement import measure
            return measure(Job(inputs, run, output, terminal, clock))


def _inputs(trial: TrialConfig, terminal: Terminal, clock: Clock) -> Inputs:
    spec = find_backbone(trial.backbone)
    weights = weight_set(trial.weights, spec)
    side = trial.image_size or weights.image_size
    threads = trial.runtime.threads or os.cpu_count() or 1
    terminal.bar(f"reading images at {side} px")
    with clock.part("data"):
        dataset = load_dataset(trial.data, side, trial.runtime.cache_dir, threads, terminal.count)
    for warning in dataset.warnings:
        terminal.warn(warning)
    return Inputs(trial, spec, weights, side, dataset)


def _run_name(trial: TrialConfig) -> str:
    return trial.tracking.run_name or one_line(f"{trial.backbone} unfrozen={trial.unfrozen} seed={trial.seed}", 200)
