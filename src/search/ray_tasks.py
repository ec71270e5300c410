"""Hydra's jobs as tasks of Ray.

Hydra's own plugin for Ray holds cloudpickle below 3 and installs Ray's dashboard and Amazon's client, which trials do
not need. Nor can it join a cluster that is running: it sets the size of Ray's memory, which Ray then refuses.
"""

import os
import signal
from collections.abc import Mapping, Sequence
from typing import Any

from hydra.core.hydra_config import HydraConfig
from hydra.core.singleton import Singleton
from hydra.core.utils import JobReturn, run_job, setup_globals
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig, open_dict

from src.cli.signals import ENDING
from src.common.errors import ThawError, one_line

_SOON = 5.0
_LOOK = 5.0
"""Seconds between two questions to the head of the cluster."""
_ALONE = {"include_dashboard": False, "_node_ip_address": "127.0.0.1"}
"""Settings of Ray on this host, for this process alone."""


def start_ray(settings: Mapping[str, Any]) -> float:
    """Start Ray on this host alone, or join the cluster that `settings` name; return its number of GPUs.

    Raises:
        ThawError: it does not start, or the cluster does not answer.
    """
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    import ray

    if not ray.is_initialized():
        address = settings.get("address") or os.environ.get("RAY_ADDRESS") or "local"
        alone = _ALONE if address == "local" else {}
        handlers = {number: signal.getsignal(number) for number in ENDING}
        try:
            ray.init(**{"logging_level": "error", **alone, **settings, "address": address})
        except (ConnectionError, RuntimeError, ValueError, OSError) as error:
            raise ThawError(f"hydra/launcher=ray: {one_line(error, 300)}; see hydra.launcher.ray.init") from error
        finally:
            for number, handler in handlers.items():  # Ray's own would hide how the command ended
                signal.signal(number, handler)
    return float(ray.cluster_resources().get("GPU", 0))


def run_in_ray(
    options: Mapping[str, Any], context: HydraContext, task: TaskFunction, configs: Sequence[DictConfig]
) -> list[JobReturn]:
    """Run the jobs of `configs` as tasks with Ray's `options`; return how they ended.

    Raises:
        ThawError: the cluster's head was started anew, and knows none of them.
    """
    import ray

    remote = ray.remote(**options)(_run)
    state = Singleton.get_state()
    tasks = [remote.remote(context, task, config, state) for config in configs]
    try:
        while ray.wait(tasks, num_returns=len(tasks), timeout=_LOOK)[1]:
            _ask_head()
    except ThawError:
        raise
    except BaseException:
        for reference in tasks:
            ray.cancel(reference)  # as by Ctrl-C
        ray.wait(tasks, num_returns=len(tasks), timeout=_SOON)
        raise
    return [ray.get(reference) for reference in tasks]


def _ask_head() -> None:
    """Ask the head of the cluster anything: where another one answers, Ray waits for tasks that nobody runs.

    Raises:
        ThawError: it is another one.
    """
    import ray.util

    try:
        ray.util.list_named_actors()
    except ray.exceptions.AuthenticationError as error:
        ray.shutdown()  # the next jobs join the new one
        raise ThawError("Ray's head was started anew; run the same command again to go on") from error
    except ray.exceptions.RayError:
        return  # a head that is busy is asked again; where it is gone, Ray ends the process


def job_config(context: HydraContext, config: DictConfig, job: Sequence[str], number: int) -> DictConfig:
    """Return the configuration of job `number`, composed here: the project's files may lie elsewhere on other hosts."""
    composed = context.config_loader.load_sweep_config(config, list(job))
    with open_dict(composed):
        composed.hydra.job.id = f"{composed.hydra.job.name}_{number}"
        composed.hydra.job.num = number
    return composed


def _run(context: HydraContext, task: TaskFunction, config: DictConfig, state: dict[Any, Any]) -> JobReturn:
    setup_globals()
    Singleton.set_state(state)
    HydraConfig.instance().set_config(config)
    return run_job(
        hydra_context=context, task_function=task, config=config, job_dir_key="hydra.sweep.dir",
        job_subdir_key="hydra.sweep.subdir",
    )  # fmt: skip
