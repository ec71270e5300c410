"""A grid: the product of all choices, ordered so that frozen work is shared, run as a study."""

import itertools
from collections.abc import Iterable
from typing import Any

from hydra.core.override_parser.types import Override
from hydra.plugins.launcher import Launcher
from hydra.types import HydraContext
from omegaconf import DictConfig

from src.cli.overrides import Axes
from src.common.errors import ThawError
from src.search.checks import uncomposable
from src.search.sweep import open_sweep


def sweep_grid(
    params: dict[str, Any],
    max_batch_size: int | None,
    config: DictConfig,
    context: HydraContext,
    launcher: Launcher,
    arguments: list[str],
) -> None:
    """Run every combination of `arguments` and `params`, `max_batch_size` at a time; the command line's replace params.

    Raises:
        ThawError: nothing can be composed, the store cannot be had, or trials failed.
    """
    if max_batch_size is not None and max_batch_size < 1:
        raise ThawError(f"hydra.sweeper.max_batch_size={max_batch_size}: give 1 or more, or null")
    loader = context.config_loader
    axes = Axes.read(loader, params, arguments)
    jobs = combinations(axes.overrides)
    broken = uncomposable(loader, config, jobs)
    size = max_batch_size or len(jobs)
    with open_sweep(config, launcher, axes, axes.name, len(jobs)) as sweep:
        sweep.study.judge_all()
        for first in range(0, len(jobs), size):
            sweep.launch(jobs[first : first + size], broken)
            if sweep.stopped:
                break


def combinations(overrides: Iterable[Override]) -> list[list[str]]:
    """Return every combination of the choices; of two overrides for one key the later counts."""
    by_key = {override.get_key_element(): choices(override) for override in overrides}
    return [list(job) for job in itertools.product(*by_key.values())]


def choices(override: Override) -> list[str]:
    """Return the overrides that stand for the values of one.

    Raises:
        ThawError: it is an interval.
    """
    key = override.get_key_element()
    if not override.is_sweep_override():
        return [f"{key}={override.get_value_element_as_str()}"]
    if not override.is_discrete_sweep():
        raise ThawError(f"{override.input_line}: a grid takes values; hydra/sweeper=keras_tuner searches an interval")
    return [f"{key}={value}" for value in override.sweep_string_iterator()]
