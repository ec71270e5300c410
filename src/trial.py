"""One trial, from its checked configuration to the run that remembers it.

What does not need TensorFlow comes first: a bad name, a missing folder or a silent server is told in a second.
"""

import os
import shutil
import time
from pathlib import Path
from typing import Any

from src.clock import Clock
from src.config import TrialConfig
from src.data.dataset import load_dataset
from src.errors import ThawError, one_line
from src.job import Inputs, Job
from src.models.catalog import find_backbone
from src.models.weights import weight_set
from src.project import PROJECT
from src.reporting.terminal import Terminal
from src.tracking.run import Run, as_yaml, started_run
from src.tracking.store import how_to_compare, open_store, tracking_uri
from src.tracking.surroundings import git_tags, package_versions


def run_trial(trial: TrialConfig, output: Path) -> dict[str, Any]:
    """Train, measure and remember one trial; return its summary, as in summary.json of `output` and of the run.

    Raises:
        ThawError: bad input, or a surrounding that fails; nothing is left that a later run would trust.
    """
    clock, began = Clock(), int(time.time() * 1000)
    with Terminal(trial.runtime.progress) as terminal:
        inputs = _inputs(trial, terminal, clock)
        _claim(output)
        with clock.part("tracking"):
            client, experiment = open_store(trial.tracking, PROJECT)
        with started_run(client, experiment, _run_name(trial), began) as run:
            with clock.part("tracking"):
                _describe(inputs, run)
            with clock.part("tensorflow"):
                from src.training import runtime  # first: it starts TensorFlow quietly and deterministically

                runtime.set_threads(trial.runtime)
                from src.measurement import measure
            measured = measure(Job(inputs, run, output, terminal, clock))
    _write(output / "summary.json", measured.text())
    for note in measured.notes:
        terminal.note(note)
    terminal.result(measured.summary, _places(trial, run.run_id, output))
    return measured.summary


_MARKER = ".thaw-trial"
_LEFT_BY_TRIALS = ("figures", "model", "checkpoints")


def _claim(output: Path) -> None:
    """Make `output` a trial's own folder, without what an earlier trial left in it.

    Raises:
        ThawError: it holds folders of those names that no trial made.
    """
    output.mkdir(parents=True, exist_ok=True)
    found = [name for name in _LEFT_BY_TRIALS if (output / name).exists()]
    if found and not (output / _MARKER).exists():
        raise ThawError(f"hydra.run.dir={output}: holds {found[0]}/ that no trial made; choose another folder")
    (output / _MARKER).touch()
    (output / "summary.json").unlink(missing_ok=True)
    for name in found:
        shutil.rmtree(output / name)


def _describe(inputs: Inputs, run: Run) -> None:
    """Log all that is known of the trial before TensorFlow starts."""
    dataset = inputs.dataset
    tags = {
        "data_fingerprint": dataset.fingerprint,
        "weights_digest": inputs.weights.digest,
        "image_side": str(inputs.side),
    }
    run.describe(inputs.trial, dataset, tags | git_tags(PROJECT))
    run.text(as_yaml(inputs.trial), "config.yaml")
    run.text(package_versions(), "packages.txt")
    if dataset.warnings:
        run.text("\n".join((*dataset.warnings, *dataset.skipped)) + "\n", "warnings.txt")


def _write(path: Path, text: str) -> None:
    """Write all of `text` or nothing."""
    unfinished = path.with_name(path.name + ".unfinished")
    unfinished.write_text(text, "utf-8")
    unfinished.replace(path)


def _places(trial: TrialConfig, run_id: str, output: Path) -> dict[str, str]:
    return {
        "run": f"{run_id} in experiment {trial.tracking.experiment}",
        "files": str(output),
        "compare": how_to_compare(tracking_uri(trial.tracking, PROJECT), PROJECT),
    }


def _inputs(trial: TrialConfig, terminal: Terminal, clock: Clock) -> Inputs:
    spec = find_backbone(trial.backbone)
    weights = weight_set(trial.weights, spec)
    side = trial.image_size or weights.image_size
    spec.check_side(side)
    threads = trial.runtime.threads or os.cpu_count() or 1
    terminal.bar(f"reading images at {side} px")
    with clock.part("data"):
        dataset = load_dataset(trial.data, side, trial.runtime.cache_dir, threads, terminal.count)
    terminal.note(f"{spec.name} at {side} px, weights={weights.name}; {dataset.describe()}")
    for warning in dataset.warnings:
        terminal.warn(warning)
    return Inputs(trial, spec, weights, side, dataset)


def _run_name(trial: TrialConfig) -> str:
    return trial.tracking.run_name or one_line(f"{trial.backbone} unfrozen={trial.unfrozen} seed={trial.seed}", 200)
