"""Thaw's plugins under the name where Hydra looks for them, `hydra_plugins.thaw`. Thin: every start imports them."""

from collections.abc import Mapping, Sequence
from typing import Any

from hydra.core.config_search_path import ConfigSearchPath
from hydra.core.config_store import ConfigStore
from hydra.core.utils import JobReturn
from hydra.plugins.launcher import Launcher
from hydra.plugins.search_path_plugin import SearchPathPlugin
from hydra.plugins.sweeper import Sweeper
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig

from src.common.project import PROJECT


class StudiesSearchPath(SearchPathPlugin):
    """Lets ``-cn NAME`` find sweeps/NAME.yaml."""

    def manipulate_search_path(self, search_path: ConfigSearchPath) -> None:
        """Look in sweeps/ after conf/."""
        search_path.append("thaw", f"file://{PROJECT / 'sweeps'}")


class StudySweeper(Sweeper):
    """A sweeper that runs a study."""

    def __init__(self, params: dict[str, str] | None, **settings: Any) -> None:
        self.params, self.settings = params or {}, settings

    def setup(self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig) -> None:
        """Remember what the study runs with."""
        from src.search.workers import instantiate_launcher

        launcher = instantiate_launcher(hydra_context, task_function, config)
        self.runs_with = (config, hydra_context, launcher)


class GridSweeper(StudySweeper):
    """Every combination of choices; see :mod:`src.search.grid`."""

    def sweep(self, arguments: list[str]) -> None:
        """Run every combination."""
        from src.search.grid import sweep_grid

        sweep_grid(self.params, self.settings["max_batch_size"], *self.runs_with, arguments)


class KerasTunerSweeper(StudySweeper):
    """KerasTuner's oracles over Hydra's override syntax; see :mod:`src.search.tuner`."""

    def sweep(self, arguments: list[str]) -> None:
        """Run the search to its end."""
        from src.search.settings import SearchSettings
        from src.search.tuner import sweep_search

        sweep_search(SearchSettings.read(self.settings), self.params, *self.runs_with, arguments)


class BudgetSweeper(StudySweeper):
    """Compares depths within a time; see :mod:`src.search.budget`."""

    def sweep(self, arguments: list[str]) -> None:
        """Spend the time."""
        from src.search.budget import sweep_budget
        from src.search.settings import BudgetSettings

        sweep_budget(BudgetSettings.read(self.settings), self.params, *self.runs_with, arguments)


class AutoLauncher(Launcher):
    """This process, and more where they pay for their start; see :mod:`src.search.processes`."""

    def setup(self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig) -> None:
        """Remember what jobs run with."""
        from src.search.processes import Processes

        self.processes = Processes(hydra_context, task_function, config)

    def launch(self, job_overrides: Sequence[Sequence[str]], initial_job_idx: int) -> Sequence[JobReturn]:
        """Run the jobs."""
        return self.processes.launch(job_overrides, initial_job_idx)


class RayLauncher(Launcher):
    """Tasks of Ray; see :mod:`src.search.ray_tasks`."""

    def __init__(self, ray: Mapping[str, Mapping[str, Any]]) -> None:
        self.init, self.remote = dict(ray["init"]), dict(ray["remote"])

    def setup(self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig) -> None:
        """Remember what jobs run with."""
        self.runs_with = (hydra_context, task_function, config)

    def launch(self, job_overrides: Sequence[Sequence[str]], initial_job_idx: int) -> Sequence[JobReturn]:
        """Run the jobs in Ray, which is started or joined the first time."""
        from src.search.ray_tasks import job_config, run_in_ray, start_ray

        start_ray(self.init)
        context, task, config = self.runs_with
        configs = [
            job_config(context, config, job, number) for number, job in enumerate(job_overrides, initial_job_idx)
        ]
        return run_in_ray(self.remote, context, task, configs)


PLUGINS = (StudiesSearchPath, GridSweeper, KerasTunerSweeper, BudgetSweeper, AutoLauncher, RayLauncher)
"""Registered by hand: Hydra's scan does not see into packages that are installed as editable."""

_SWEEPERS: dict[str, dict[str, Any]] = {
    "grid": {"_target_": f"{__name__}.GridSweeper", "max_batch_size": None, "params": None},
    "budget": {
        "_target_": f"{__name__}.BudgetSweeper", "minutes": 20,
        "params": {"unfrozen": "0,1 block,3 blocks,6 blocks,all", "fine_tune_learning_rate": "1e-4,3e-4,1e-3"},
    },
    "keras_tuner": {
        "_target_": f"{__name__}.KerasTunerSweeper", "oracle": "bayesian", "max_trials": None, "batch_size": 1,
        "seed": 0, "max_epochs": None, "factor": 3, "params": None,
    },
}  # fmt: skip
for name, node in _SWEEPERS.items():
    ConfigStore.instance().store(group="hydra/sweeper", name=name, node=node, provider="thaw")
ConfigStore.instance().store(
    group="hydra/launcher", name="auto", node={"_target_": f"{__name__}.AutoLauncher"}, provider="thaw"
)
