"""The launcher that a sweep has where none is named: this process alone, and several where they pay for their start."""

import functools
import itertools
import math
import resource
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import fmean
from typing import Any, Self

import joblib
import psutil
from hydra.core.config_store import ConfigStore
from hydra.core.plugins import Plugins
from hydra.core.utils import JobReturn
from hydra.plugins.launcher import Launcher
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig, OmegaConf, open_dict

from src.cli.job_results import JobResult
from src.cli.overrides import frozen_work
from src.common.clock import process_age
from src.reporting.terminal import Notices
from src.tracking import schema

_PREPARATION = (schema.seconds("tensorflow"), schema.seconds("network"))
_KEPT = (schema.seconds("data"), schema.seconds("features"))
"""Parts of a trial's time: what each process does once, and what one process does for all."""
_GPUS = Path("/proc/driver/nvidia/gpus")


@dataclass(frozen=True)
class Took:
    """The time that a trained trial took in this process.

    Attributes:
        seconds: without `preparation`.
        preparation: s that a further trial in this process does not need: to start TensorFlow, to build the network.
        busy: processor cores that it kept busy in the mean.
    """

    seconds: float
    preparation: float
    busy: float

    @classmethod
    def read(cls, result: JobResult, busy: float) -> Self:
        """Return what the result of a job says of its time."""
        preparation, kept = (sum(result.parts.get(name, 0.0) for name in names) for names in (_PREPARATION, _KEPT))
        return cls(max(result.seconds - preparation - kept, 0.0), preparation, busy)


@dataclass(frozen=True)
class ExpectedTime:
    """The time that further trials are expected to take.

    Attributes:
        seconds: of a trial, in a process that has trained one.
        busy: processor cores that one process keeps busy.
        start: s until another process has come as far.
    """

    seconds: float
    busy: float
    start: float

    @classmethod
    def read(cls, trained: Sequence[Took], imports: float) -> Self:
        """Return the time by the trials `trained` so far, one at least; `imports`: s that they took this process.

        The first trial compiles: what it took more than the others is part of a process' start. Where it is the only
        one, its compiling is taken to last as long as its preparation.
        """
        first, later = trained[0], [took.seconds for took in trained[1:]]
        compiling = max(first.seconds - fmean(later), 0.0) if later else min(first.preparation, first.seconds)
        seconds = fmean(later) if later else first.seconds - compiling
        return cls(seconds, fmean(took.busy for took in trained), imports + first.preparation + compiling)

    def saved(self, trials: int, processes: int, cores: int) -> float:
        """Return the seconds that `processes` are expected to save on `trials`, each with its part of the `cores`."""
        if processes == 1:
            return 0.0
        slower = max(self.busy * processes / cores, 1.0)
        return self.seconds * (trials - math.ceil(trials / processes) * slower) - self.start


def most_processes(cores: int) -> int:
    """Return how many processes as large as this one the machine has room for; with GPUs, which one fills, 1."""
    if _GPUS.is_dir():
        return 1
    this_process = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)
    return max(min(cores, int(psutil.virtual_memory().available) // this_process), 1)


class Processes:
    """Launches the jobs of a sweep: in this process, and side by side where that is expected to end sooner."""

    def __init__(self, context: HydraContext, task: TaskFunction, config: DictConfig) -> None:
        self._launcher = functools.partial(_launcher, context, task, config)
        self._alone = self._launcher("basic")
        self._folder = Path(str(config.hydra.sweep.dir)).absolute()
        self._threads = config.runtime.threads
        self._cores = int(joblib.cpu_count())
        self._notices = Notices(bool(config.runtime.progress))
        self._imports, self._have_started = process_age(), False
        self._trained: list[Took] = []
        self._seen: set[tuple[str, ...]] = set()

    def launch(self, jobs: Sequence[Sequence[str]], first: int) -> list[JobReturn]:
        """Run `jobs`, numbered from `first`; return how they ended."""
        returns: list[JobReturn] = []
        for part, processes in self._parts(jobs):
            number = first + len(returns)
            returns += self._one(part[0], number) if processes == 1 else self._side_by_side(part, number, processes)
        return returns

    def _parts(self, jobs: Sequence[Sequence[str]]) -> Iterator[tuple[list[Sequence[str]], int]]:
        """Yield jobs and in how many processes they run, decided when it is their turn.

        The first of those that share frozen work runs alone: with all cores it computes the features of all.
        """
        for shared, sharing in itertools.groupby(jobs, frozen_work):
            left = list(sharing)
            while left:
                processes = self._processes(len(left)) if shared in self._seen else 1
                part = left if processes > 1 else left[:1]
                yield part, processes
                self._seen.add(shared)
                left = left[len(part) :]

    def _processes(self, trials: int) -> int:
        """Return in how many processes `trials` are expected to end soonest."""
        if not self._trained:
            return 1
        expected = ExpectedTime.read(self._trained, self._imports)
        expected = replace(expected, start=0.0) if self._have_started else expected
        most = most_processes(self._cores // (self._threads or 1))
        best = max(range(1, most + 1), key=lambda count: expected.saved(trials, count, self._cores))
        if best > 1 and not self._have_started:
            from src.reporting.wording import duration  # and SciPy, which takes a second to import

            self._have_started = True
            left = f"{trials} trials of about {duration(expected.seconds)} are left"
            self._notices.note(
                f"{best} processes from here on: {left}, and processes start in {duration(expected.start)}"
            )
        return best

    def _one(self, job: Sequence[str], number: int) -> Sequence[JobReturn]:
        wall, cpu = time.perf_counter(), time.process_time()
        returns = self._alone.launch([job], number)
        busy = (time.process_time() - cpu) / (time.perf_counter() - wall)
        result = JobResult.load(self._folder, number)
        if result and result.status == "finished":
            self._trained.append(Took.read(result, busy))
        return returns

    def _side_by_side(self, jobs: Sequence[Sequence[str]], number: int, processes: int) -> Sequence[JobReturn]:
        threads = f"runtime.threads={self._threads or max(self._cores // processes, 1)}"
        return self._launcher("joblib", n_jobs=processes).launch([[*job, threads] for job in jobs], number)


def _launcher(context: HydraContext, task: TaskFunction, config: DictConfig, name: str, **settings: Any) -> Launcher:
    """Return Hydra's launcher `name` with its default settings, and `settings`."""
    node = ConfigStore.instance().load(f"hydra/launcher/{name}.yaml").node
    adapted = config.copy()
    with open_dict(adapted):
        adapted.hydra.launcher = OmegaConf.merge(node, settings)
    return Plugins.instance().instantiate_launcher(context, task, adapted)
