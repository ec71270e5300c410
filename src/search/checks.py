"""What can be told of a sweep's jobs before any of them runs."""

from collections.abc import Sequence

from hydra.core.config_loader import ConfigLoader
from omegaconf import DictConfig, open_dict

from src.composition import trial_config
from src.errors import ThawError


def check_jobs(loader: ConfigLoader, config: DictConfig, jobs: Sequence[Sequence[str]]) -> None:
    """Compose and check every job; one that is in order is enough, since failures stay alone.

    Raises:
        ThawError: the first job's, where none is in order.
        HydraException: a job that cannot be composed.
    """
    errors = []
    for job in jobs:
        composed = loader.load_sweep_config(config, list(job))
        with open_dict(composed):
            del composed["hydra"]
        try:
            trial_config(composed)
            return
        except ThawError as error:
            errors.append(error)
    raise errors[0]
