"""Check a sweep's jobs before any of them runs."""

import re
import shlex
from collections.abc import Sequence

from hydra.core.config_loader import ConfigLoader
from hydra.errors import HydraException
from omegaconf import DictConfig, open_dict
from omegaconf.errors import OmegaConfBaseException

from src.cli.composition import trial_config
from src.common.errors import ThawError, one_line
from src.common.override import override_key

_PLAIN = re.compile(r"[\w.]+=[\w.+-]+")
"""Without files to compose, interpolations, containers and keys that are added or removed."""


def uncomposable(loader: ConfigLoader, config: DictConfig, jobs: Sequence[Sequence[str]]) -> dict[int, Exception]:
    """Return the errors of jobs that Hydra cannot compose, by position: at one, a launcher would end the whole sweep.

    A job is taken to be in order where each of its overrides was so in an earlier one, or a plain key with another
    value: composing takes 0.06 s, and a study may have a thousand seeds.

    Raises:
        ThawError: the first job's, if none can be composed, or a job names another launcher or sweeper; nothing begins.
    """
    broken: dict[int, Exception] = {}
    refused: list[Exception] = []
    proven: set[str] | None = None
    for number, job in enumerate(jobs):
        parts = {_what_composes(config, line) for line in job}
        if proven is not None and proven >= parts:
            continue
        try:
            composed = loader.load_sweep_config(config, list(job))
        except (HydraException, OmegaConfBaseException) as error:
            broken[number] = error
            refused.append(error)
            continue
        check_controllers(config, composed, job)
        wrong = _refused(composed) if proven is None else []
        refused += wrong
        if not wrong:
            proven = (proven or set()) | parts
    if len(refused) == len(jobs):
        raise refused[0]
    return broken


def _what_composes(config: DictConfig, line: str) -> str:
    """Return the key of an override that sets a plain value, which any other does as well, and else all of it."""
    key = override_key(line)
    is_file = key in config.hydra.runtime.choices or key.startswith("hydra.")
    return line if is_file or not _PLAIN.fullmatch(line) else key


def check_controllers(config: DictConfig, composed: DictConfig, job: Sequence[str]) -> None:
    """Raise ThawError if the files that a job chooses name a launcher or sweeper other than the sweep's."""
    for group in ("hydra/launcher", "hydra/sweeper"):
        used, wanted = (choice.hydra.runtime.choices[group] for choice in (config, composed))
        if used != wanted:
            files = [line for line in job if override_key(line) in composed.hydra.runtime.choices]
            chosen = one_line(shlex.join(files), 200)
            raise ThawError(f"{chosen}: its files name {group}={wanted}, but a sweep has one; type {group}={wanted}")


def _refused(composed: DictConfig) -> list[Exception]:
    with open_dict(composed):
        del composed["hydra"]
    try:
        trial_config(composed)
    except ThawError as error:
        return [error]
    return []
