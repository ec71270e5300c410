"""KerasTuner's oracles behind ask() and tell(). A search keeps no state but seed and scores, so it can be replayed.

KerasTuner starts TensorFlow, so it is imported by the first :class:`Search` rather than with this module.
"""

import importlib
import math
import shutil
import warnings
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from src.common.errors import ThawError
from src.common.metrics import Metric
from src.common.override import override_key
from src.search.keras_tuner_internals import Exhaustive, Fresh, Halving, keep_files_in
from src.search.settings import SearchSettings
from src.search.space import Choices, Integers, Reals, Space

EPOCHS_KEY = "fine_tune_epochs"


@dataclass(frozen=True)
class Proposal:
    """A trial that a search asks for.

    Attributes:
        number: of the trial within the search, from 0.
        overrides: Hydra's, the fixed ones first.
        epochs: of fine-tuning, as hyperband rations them; None where the search leaves them alone.
    """

    number: int
    overrides: list[str]
    epochs: int | None


class Search:
    """A search under way. With the same settings and scores, it asks for the same trials in the same order.

    Report every trial before asking for the next ones. A search that was cut off is resumed by asking
    from the start, in batches of the same sizes, and reporting the known scores.
    """

    def __init__(self, settings: SearchSettings, space: Space, folder: Path, judged: Metric) -> None:
        """Make it ready to be asked.

        Args:
            settings: how it proposes, and how often. Searches with different seeds have nothing in common.
            space: where; see :func:`rationed` for hyperband.
            folder: where KerasTuner keeps its files, saved after every trial; those of an earlier search are removed.
            judged: whose value on validation the scores are; it names them in KerasTuner's files.
        """
        self._rations, self._space = settings.rations, space
        self._objective = f"val_{judged.objective}"
        self._oracle = _make_oracle(settings, space, self._objective)
        self._oracle.max_trials = settings.max_trials
        self._oracle.max_consecutive_failed_trials = None
        self._oracle.verbose = 0
        self._trials: list[Any] = []
        _clear(folder)
        keep_files_in(self._oracle, folder)

    def ask(self, count: int) -> list[Proposal]:
        """Return up to `count` trials that may run side by side; none once the search is over."""
        proposals: list[Proposal] = []
        while len(proposals) < count:
            number = len(self._oracle.trials)
            with warnings.catch_warnings(action="ignore"):  # it fits a model to a handful of points
                trial = self._oracle.create_trial(f"worker {number}")  # a busy worker would get its trial again
            if trial.status != "RUNNING":
                break
            self._trials.append(trial)
            proposals.append(self._proposal(number, trial))
        return proposals

    def tell(self, proposal: Proposal, score: float | None) -> None:
        """Report that a trial has ended with `score` (higher is better); None or not finite: it failed."""
        trial, failed = self._trials[proposal.number], score is None or not math.isfinite(score)
        with warnings.catch_warnings(action="ignore"):
            if not failed:
                self._oracle.update_trial(trial.trial_id, {self._objective: score})
            trial.status = "FAILED" if failed else "COMPLETED"
            self._oracle.end_trial(trial)

    @property
    def pruned(self) -> int:
        """Return the number of configurations that Hyperband has stopped early so far."""
        trials = {name: trial.hyperparameters.values for name, trial in self._oracle.trials.items()}
        promoted = {values.get("tuner/trial_id") for values in trials.values()}
        last = [name for name in trials.keys() - promoted if self._oracle.trials[name].status == "COMPLETED"]
        return sum(self._rations and trials[name]["tuner/epochs"] < self._oracle.max_epochs for name in last)

    def _proposal(self, number: int, trial: Any) -> Proposal:
        values = trial.hyperparameters.values
        overrides = self._space.overrides(values)
        if not self._rations:
            return Proposal(number, overrides, None)
        epochs = int(values["tuner/epochs"])
        return Proposal(number, [*overrides, f"{EPOCHS_KEY}={epochs}"], epochs)


def rationed(space: Space) -> Space:
    """Return `space` with the epochs of fine-tuning left to hyperband.

    Raises:
        ThawError: it varies them itself.
    """
    if any(dimension.key == EPOCHS_KEY for dimension in space.dimensions):
        raise ThawError(f"{EPOCHS_KEY}: hyperband rations it; give one value, the most, or take another search")
    return replace(space, fixed=tuple(line for line in space.fixed if override_key(line) != EPOCHS_KEY))


def _make_oracle(settings: SearchSettings, space: Space, objective: str) -> Any:
    importlib.import_module("src.models.runtime")  # KerasTuner would start TensorFlow loudly
    from keras_tuner import Objective, oracles

    bases = {
        "random": (Exhaustive, oracles.RandomSearchOracle),
        "bayesian": (Fresh, oracles.BayesianOptimizationOracle),
        "hyperband": (Halving, oracles.HyperbandOracle),
    }[settings.oracle]
    rations = {"max_epochs": settings.max_epochs, "factor": settings.factor} if settings.rations else {}
    return type(settings.oracle, bases, {"space": space})(
        objective=Objective(objective, "max"),
        hyperparameters=_hyperparameters(space),
        seed=_spread(settings.seed),
        **rations,
    )


def _hyperparameters(space: Space) -> Any:
    from keras_tuner import HyperParameters

    parameters = HyperParameters()
    for dimension in space.dimensions:
        match dimension:
            case Reals():
                parameters.Float(dimension.key, dimension.start, dimension.end, sampling=_sampling(dimension))
            case Integers():
                parameters.Int(dimension.key, dimension.start, dimension.end, sampling=_sampling(dimension))
            case Choices():
                parameters.Choice(dimension.key, list(dimension.values))
    return parameters


def _sampling(dimension: Reals | Integers) -> str:
    return "log" if dimension.log else "linear"


def _spread(seed: int) -> int:
    """Return a seed far from its neighbours': KerasTuner counts up from its seed, and takes 0 for none."""
    return int(np.random.SeedSequence(seed).generate_state(1)[0]) or 1


def _clear(folder: Path) -> None:
    """Remove KerasTuner's files, and nothing else, from `folder`."""
    for trial in folder.glob("trial_*/"):
        shutil.rmtree(trial)
    (folder / "oracle.json").unlink(missing_ok=True)
