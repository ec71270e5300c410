"""Hydra's launchers, with what trials need of them: in this process, or in others (joblib, Ray, submitit).

In others, trials have one thread each unless `runtime.threads` says otherwise: processes do not compete for cores, and
the numbers are those of every launcher with as many threads. They have a GPU each where there are several, know their
study and MLflow's environment wherever they run, and end with the sweep's process.
"""

import contextlib
import shutil
import signal
import subprocess
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import joblib
import psutil
from hydra.core.plugins import Plugins
from hydra.core.utils import JobReturn
from hydra.plugins.launcher import Launcher
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig, open_dict

from src.cli.worker import WorkerTask, handed_on, visible_gpus
from src.common.errors import ThawError
from src.common.override import override_key
from src.search.ray_tasks import start_ray

_SUBMITIT = ("submitit", "hydra_plugins.hydra_submitit_launcher")
_EXTRAS = {"RayLauncher": ("ray",), "LocalLauncher": _SUBMITIT, "SlurmLauncher": _SUBMITIT}
_CONTROLLER = "submitit.local._local"
_SOON = 5.0


def instantiate_launcher(context: HydraContext, task: TaskFunction, config: DictConfig) -> Launcher:
    """Return the launcher that `config` names; one that starts processes is adapted to trials.

    Raises:
        ThawError: it is not installed.
    """
    name = str(config.hydra.launcher["_target_"]).rpartition(".")[2]
    packages = _EXTRAS.get(name, ())
    if not all(map(find_spec, packages)):
        choice = config.hydra.runtime.choices["hydra/launcher"]
        raise ThawError(f"hydra/launcher={choice} is not installed: pip install -e '.[{packages[0]}]'")
    adapter = _ADAPTERS.get(name)
    return adapter(context, task, config) if adapter else Plugins.instance().instantiate_launcher(context, task, config)


class Adapter(Launcher):
    """A launcher around one of Hydra's, `launcher`, which is set up when this is made."""

    launcher: Any

    def setup(self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig) -> None:
        """Do nothing."""


class ThisProcess(Adapter):
    """Hydra's basic launcher, as a sweep uses it: what it returns of a job that succeeded holds no configuration.

    A configuration is a thousand objects, and each collection of Python's looks at all that are kept.
    """

    def __init__(self, context: HydraContext, task: TaskFunction, config: DictConfig) -> None:
        self.launcher = Plugins.instance().instantiate_launcher(context, task, config)

    def launch(self, job_overrides: Sequence[Sequence[str]], initial_job_idx: int) -> Sequence[JobReturn]:
        """Run the jobs one by one."""
        return [self._launch(job, number) for number, job in enumerate(job_overrides, initial_job_idx)]

    def _launch(self, job: Sequence[str], number: int) -> JobReturn:
        returned: JobReturn = self.launcher.launch([job], number)[0]
        returned.cfg = returned.hydra_cfg = None
        return returned


class Workers(Adapter):
    """A launcher that starts processes, as a sweep uses it."""

    environment: Mapping[str, str] = {}
    """Variables that the launcher does not hand on."""

    def __init__(self, context: HydraContext, task: TaskFunction, config: DictConfig) -> None:
        self.threads = int(config.runtime.threads or 1)
        self.task = WorkerTask(task, self.environment)
        self.folder = Path(str(config.hydra.sweep.dir)).absolute()
        adapted = config.copy()
        with open_dict(adapted):
            self.adapt(adapted.hydra.launcher)
            adapted.hydra.overrides.hydra = _without_launcher(adapted.hydra.overrides.hydra)
        self.launcher = Plugins.instance().instantiate_launcher(context, self.task, adapted)

    def adapt(self, settings: DictConfig) -> None:
        """Complete the launcher's `settings`."""

    def launch(self, job_overrides: Sequence[Sequence[str]], initial_job_idx: int) -> Sequence[JobReturn]:
        """Run the jobs."""
        self.task.begin(self.folder)
        return self.run([[f"runtime.threads={self.threads}", *job] for job in job_overrides], initial_job_idx)

    def run(self, jobs: Sequence[Sequence[str]], first: int) -> Sequence[JobReturn]:
        """Run `jobs`, numbered from `first`."""
        returns: Sequence[JobReturn] = self.launcher.launch(jobs, first)
        return returns

    def processes(self) -> int:
        """Return how many trials run at a time on this host: one a GPU, or as many as there are cores for."""
        return len(visible_gpus()) or max(int(joblib.cpu_count()) // self.threads, 1)


class JoblibWorkers(Workers):
    """Processes of this host, which stay from trial to trial."""

    def adapt(self, settings: DictConfig) -> None:
        """Bound their number."""
        settings.n_jobs = settings.n_jobs or self.processes()


class RayWorkers(Workers):
    """Tasks of Ray, on this host or on a cluster."""

    def __init__(self, context: HydraContext, task: TaskFunction, config: DictConfig) -> None:
        self.environment = handed_on()  # Ray's processes have that of `ray start`
        super().__init__(context, task, config)

    def adapt(self, settings: DictConfig) -> None:
        """Give a trial as many cores as threads."""
        settings.ray.remote.num_cpus = settings.ray.remote.num_cpus or self.threads

    def run(self, jobs: Sequence[Sequence[str]], first: int) -> Sequence[JobReturn]:
        """Run `jobs` in Ray, which is started or joined the first time."""
        gpus = start_ray(self.launcher.init)
        if self.launcher.remote["num_gpus"] is None:
            self.launcher.remote["num_gpus"] = int(gpus > 0)
        return super().run(jobs, first)


class LocalWorkers(Workers):
    """Processes of this host by submitit, one for each trial."""

    def adapt(self, settings: DictConfig) -> None:
        """Bound their number, which submitit does not, and let it hide no GPU."""
        self.n_jobs = int(settings.pop("n_jobs") or self.processes())
        settings.gpus_per_node = len(visible_gpus()) if settings.gpus_per_node is None else settings.gpus_per_node

    def run(self, jobs: Sequence[Sequence[str]], first: int) -> Sequence[JobReturn]:
        """Run `jobs` one by one in as many threads as there may be processes."""
        pool = ThreadPoolExecutor(self.n_jobs)
        try:
            launched = [pool.submit(self.launcher.launch, [job], first + index) for index, job in enumerate(jobs)]
            wait(launched)
            return [done.result()[0] for done in launched]
        finally:
            pool.shutdown(wait=False, cancel_futures=True)
            _interrupt_trials()


class SlurmWorkers(Workers):
    """Jobs of Slurm by submitit."""

    def adapt(self, settings: DictConfig) -> None:
        """Ask for as many cores as threads, and for a GPU where the partition has some."""
        settings.cpus_per_task = settings.cpus_per_task or self.threads
        if settings.gpus_per_node is None and settings.gres is None and settings.gpus_per_task is None:
            settings.gpus_per_node = 1 if _has_gpus(settings.partition) else None


_ADAPTERS: Mapping[str, Callable[[HydraContext, TaskFunction, DictConfig], Launcher]] = {
    "BasicLauncher": ThisProcess, "JoblibLauncher": JoblibWorkers, "RayLauncher": RayWorkers,
    "LocalLauncher": LocalWorkers, "SlurmLauncher": SlurmWorkers,
}  # fmt: skip


def _without_launcher(overrides: Iterable[str]) -> list[str]:
    """Return Hydra's `overrides` as a job composes them: it has no launcher, and its host may lack the plugin.

    >>> _without_launcher(["hydra/launcher=ray", "hydra.launcher.ray.init.address=auto", "hydra.job.chdir=true"])
    ['hydra.job.chdir=true', 'hydra/launcher=basic']
    """
    kept = (line for line in overrides if not override_key(line).startswith(("hydra/launcher", "hydra.launcher")))
    return [*kept, "hydra/launcher=basic"]


def _has_gpus(partition: str | None) -> bool:
    """Return whether Slurm lists GPUs in a partition, the default ones if None."""
    chosen = ["--partition", partition] if partition else []
    try:
        listed = subprocess.run(
            [shutil.which("sinfo") or "sinfo", "--noheader", "--format=%G", *chosen], capture_output=True, text=True,
            timeout=60, check=False,
        )  # fmt: skip
    except (OSError, subprocess.TimeoutExpired):  # submitit says what is missing
        return False
    return "gpu" in listed.stdout


def _interrupt_trials() -> None:
    """End the trials of submitit's processes below this one as Ctrl-C does; those processes end with them."""
    controllers = [child for child in psutil.Process().children() if _is_controller(child)]
    with contextlib.suppress(psutil.Error):
        for trial in [trial for controller in controllers for trial in controller.children()]:
            trial.send_signal(signal.SIGINT)
    _, left = psutil.wait_procs(controllers, _SOON)
    for controller in left:
        controller.kill()


def _is_controller(process: psutil.Process) -> bool:
    try:
        return _CONTROLLER in process.cmdline()
    except psutil.Error:
        return False
