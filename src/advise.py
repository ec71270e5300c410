"""Spend minutes, get a tested answer and a model: ``python -m src.advise data=folder data.root=photos minutes=20``."""

from src.cli.signals import leave_at_once

if __name__ == "__main__":
    leave_at_once()  # the imports below take a second, and Ctrl-C may come within it

import sys
from collections.abc import Sequence

from src.cli.composition import prepare
from src.cli.entry import run_entry
from src.train import train

_OF_THE_BUDGET = "minutes="


def as_sweep(arguments: Sequence[str]) -> list[str]:
    """Return the words of a sweep by the budget sweeper.

    >>> as_sweep(["data=folder", "minutes=5"])
    ['-m', 'hydra/sweeper=budget', 'data=folder', 'hydra.sweeper.minutes=5']
    """
    words = [f"hydra.sweeper.{word}" if word.startswith(_OF_THE_BUDGET) else word for word in arguments]
    return ["-m", "hydra/sweeper=budget", *words]


if __name__ == "__main__":
    prepare()
    sys.argv[1:] = as_sweep(sys.argv[1:])
    run_entry(train)
