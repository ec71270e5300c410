"""Train trials: ``python -m src.train backbone=mobilenetv2 unfrozen=2``, or a sweep with ``-m``."""

from src.cli.signals import leave_at_once

if __name__ == "__main__":
    leave_at_once()  # the imports below take a second, and Ctrl-C may come within it

from typing import TYPE_CHECKING

from hydra import main as hydra_main
from omegaconf import DictConfig

from src.cli.composition import idle, prepare, trial_config
from src.cli.entry import job, origin, output_dir, overrides, run_entry, study_context
from src.common.project import CONF

if TYPE_CHECKING:
    from src.trial.result import TrialResult


@hydra_main(version_base="1.3", config_path=str(CONF), config_name="config")
@job
def train(composed: DictConfig) -> "TrialResult":
    """Answer or train the composed trial; what a sweeper optimises is its objective on validation (0–1)."""
    trial = trial_config(composed)
    from src.trial.run import run_trial

    return run_trial(trial, output_dir(), study_context(), origin(), idle(composed, overrides()))


if __name__ == "__main__":
    prepare()
    run_entry(train)
