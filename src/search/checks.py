"""What can be told of a sweep's jobs before any of them runs."""

from collections.abc import Sequence

from hydra.core.config_loader import ConfigLoader
from hydra.errors import HydraException
from omegaconf import DictConfig, open_dict
from omegaconf.errors import OmegaConfBaseException

from src.composition import trial_config
from src.errors import ThawError


def uncomposable(loader: ConfigLoader, config: DictConfig, jobs: Sequence[Sequence[str]]) -> dict[int, Exception]:
    """The jobs that Hydra cannot compose, by position: a launcher would end the whole sweep at the first of them.

    Raises:
        ThawError: the first job's, where none is in order; failures stay alone, but where all fail nothing may begin.
    """
    broken: dict[int, Exception] = {}
    refused: list[Exception] = []
    for number, job in enumerate(jobs):
        try:
            composed = loader.load_sweep_config(config, list(job))
        except (HydraException, OmegaConfBaseException) as error:
            broken[number] = error
            refused.append(error)
            continue
        if len(refused) == number:  # until one is in order
            refused += _refused(composed)
    if len(refused) == len(jobs):
        raise refused[0]
    return broken


def _refused(composed: DictConfig) -> list[Exception]:
    with open_dict(composed):
        del composed["hydra"]
    try:
        trial_config(composed)
    except ThawError as error:
        return [error]
    return []
