"""A search: KerasTuner proposes, Hydra's launchers run, MLflow remembers.

What is searched is a pure function of seed and scores, and finished trials are reused from MLflow. So a search that
was cut off is resumed by asking from the start: `max_trials` is the total, however often it is run.
"""

from typing import Any

from hydra.plugins.launcher import Launcher
from hydra.types import HydraContext
from omegaconf import DictConfig

from src.cli.composition import is_read_by_phases
from src.cli.overrides import Axes
from src.common.errors import ThawError
from src.search.checks import uncomposable
from src.search.oracles import EPOCHS_KEY, rationed
from src.search.search_log import SearchLog
from src.search.settings import SearchSettings
from src.search.space import Space
from src.search.sweep import open_sweep


def sweep_search(
    given: SearchSettings,
    params: dict[str, Any],
    config: DictConfig,
    context: HydraContext,
    launcher: Launcher,
    arguments: list[str],
) -> None:
    """Search the space that `arguments` and `params` span; the command line's replace the latter.

    Raises:
        ThawError: a space that is none or has no trial in order, the store cannot be had, or trials failed.
    """
    axes = Axes.read(context.config_loader, params, arguments)
    name = f"{given.oracle}, seed {given.seed}: {axes.name}"
    space = Space.of(axes.overrides)
    _check(given, config)
    uncomposable(context.config_loader, config, [space.overrides(point) for point in space.ends()])
    space = rationed(space) if given.rations else space
    settings = given.completed(int(config.fine_tune_epochs))
    with open_sweep(config, launcher, axes, name, _total(settings, space), [EPOCHS_KEY] * given.rations) as sweep:
        sweep.study.judge_all()
        search_log = SearchLog(settings, space, sweep.search_folder, sweep.judged)
        while jobs := search_log.ask():
            results = sweep.launch(jobs)
            if {"killed", "skipped"} & {result.status for result in results}:
                break  # their scores are still to come, and what is asked next follows from them
            search_log.tell([result.score for result in results])
            sweep.pruned = search_log.pruned


def _total(settings: SearchSettings, space: Space) -> int | None:
    """Return the number of trials, if it is known."""
    known = [] if settings.rations else [number for number in (settings.max_trials, space.size) if number]
    return min(known, default=None)


def _check(settings: SearchSettings, config: DictConfig) -> None:
    """Raise ThawError if the schedule does not ask how many epochs hyperband gave."""
    if settings.rations and not is_read_by_phases(config, EPOCHS_KEY):
        raise ThawError(f"oracle=hyperband rations {EPOCHS_KEY}, which this schedule does not use: schedule=two_phase?")
