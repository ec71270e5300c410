"""A search: KerasTuner proposes, Hydra's launchers run, MLflow remembers.

What is searched is a pure function of seed and scores, and finished trials are answered from MLflow. So a search that
was cut off is taken up by asking from the start: `max_trials` is what it comes to in all, however often it is run.
"""

from dataclasses import dataclass, fields
from typing import Any, Self

from hydra.plugins.launcher import Launcher
from hydra.types import HydraContext
from omegaconf import DictConfig, OmegaConf

from src.errors import ThawError, did_you_mean
from src.search.axes import Axes
from src.search.oracles import EPOCHS_KEY, Kind, Search
from src.search.space import Space
from src.search.sweep import open_sweep

_KINDS: tuple[Kind, ...] = ("random", "bayesian", "hyperband")
_DEFAULT_TRIALS = 20


@dataclass(frozen=True)
class SearchSettings:
    """`hydra.sweeper.*` of a search.

    Attributes:
        oracle: random, bayesian or hyperband.
        max_trials: in all; None: 20, or hyperband's own end.
        batch_size: trials that are launched together: with a launcher of several processes, their number.
        seed: of the search; each trial has its own.
        max_epochs: hyperband's most epochs of fine-tuning; None: the trial's `fine_tune_epochs`.
        factor: hyperband keeps one of so many.
    """

    oracle: Kind
    max_trials: int | None
    batch_size: int
    seed: int
    max_epochs: int | None
    factor: int

    @classmethod
    def read(cls, given: dict[str, Any]) -> Self:
        """Check what `hydra.sweeper` holds.

        Raises:
            ThawError: an unknown oracle, or a number that is none.
        """
        if given["oracle"] not in _KINDS:
            raise ThawError(f"hydra.sweeper.oracle={given['oracle']}: {did_you_mean(str(given['oracle']), _KINDS)}")
        for name in ("max_trials", "batch_size", "seed", "max_epochs", "factor"):
            may_lack = given[name] is None and name in {"max_trials", "max_epochs"}
            if not may_lack and (not isinstance(given[name], int) or given[name] < (name != "seed")):
                raise ThawError(f"hydra.sweeper.{name}={given[name]}: a whole number is meant there")
        return cls(**{field.name: given[field.name] for field in fields(cls)})


def sweep_search(
    settings: SearchSettings,
    params: dict[str, Any],
    config: DictConfig,
    context: HydraContext,
    launcher: Launcher,
    arguments: list[str],
) -> None:
    """Search the space that `arguments` and `params` span; the command line's replace the latter.

    Raises:
        ThawError: a space that is none, the store cannot be had, or trials failed.
    """
    axes = Axes.read(context.config_loader, params, arguments)
    name = f"{settings.oracle}, seed {settings.seed}: {axes.name}"
    space = Space.of(axes.overrides)
    _check(settings, config)
    with open_sweep(config, launcher, axes, name, _total(settings, space)) as sweep:
        most_epochs = settings.max_epochs or int(config.fine_tune_epochs)
        search = Search(
            settings.oracle,
            space,
            seed=settings.seed,
            max_trials=_most(settings),
            max_epochs=most_epochs,
            factor=settings.factor,
            folder=sweep.search_folder,
        )
        proposals = search.ask(settings.batch_size)
        while proposals:
            outcomes = sweep.launch([each.overrides for each in proposals])
            for proposal, outcome in zip(proposals, outcomes, strict=True):
                search.tell(proposal, outcome.score)
            sweep.pruned = search.pruned
            proposals = [] if sweep.stopped else search.ask(settings.batch_size)


def _most(settings: SearchSettings) -> int | None:
    return settings.max_trials or (None if settings.oracle == "hyperband" else _DEFAULT_TRIALS)


def _total(settings: SearchSettings, space: Space) -> int | None:
    """How many trials it will come to, where that is known."""
    known = [] if settings.oracle == "hyperband" else [number for number in (_most(settings), space.size) if number]
    return min(known, default=None)


def _check(settings: SearchSettings, config: DictConfig) -> None:
    """Raise ThawError if the schedule does not ask how many epochs hyperband gave."""
    if settings.oracle != "hyperband":
        return
    schedule = str(OmegaConf.to_container(config.schedule, resolve=False))
    if f"${{{EPOCHS_KEY}}}" not in schedule:
        raise ThawError(f"oracle=hyperband rations {EPOCHS_KEY}, which this schedule does not use: schedule=two_phase?")
