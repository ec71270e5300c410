"""Audit a data set before training: ``python -m src.audit data=folder data.root=photos``."""

from src.cli.signals import leave_at_once

if __name__ == "__main__":
    leave_at_once()  # the imports below take a second, and Ctrl-C may come within it

import sys

from hydra import main as hydra_main
from omegaconf import DictConfig

from src.cli.composition import prepare, trial_config
from src.cli.entry import errors_as_messages, output_dir, run_entry
from src.common.errors import ThawError
from src.common.project import CONF


@hydra_main(version_base="1.3", config_path=str(CONF), config_name="config")
def audit(composed: DictConfig) -> None:
    """Audit the composed data, and print what there is to know."""
    with errors_as_messages():
        trial = trial_config(composed)
        from src.auditing.run_audit import run_audit

        for line in run_audit(trial, output_dir()):
            print(line)


def main() -> None:
    """Run one audit, also of a study's data (`-cn NAME`): a sweep varies how a network trains, which audits do not."""
    if {"-m", "--multirun"} & set(sys.argv):
        raise ThawError("-m sweeps over trials, and an audit is of the data: leave -m out")
    sys.argv.append("hydra.mode=RUN")
    audit()


if __name__ == "__main__":
    prepare()
    run_entry(main)
