"""`hydra/launcher=auto`: trials of one thread each, in one process or in several where that is expected to end sooner.

All have as many threads, since TensorFlow splits sums by threads and so rounds them otherwise.
"""

import contextlib
import functools
import itertools
import math
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean
from typing import Any, Self

import joblib
import psutil
from hydra.core.config_store import ConfigStore
from hydra.core.utils import JobReturn
from hydra.plugins.launcher import Launcher
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig, OmegaConf, open_dict

from src.cli.job_results import JobResult
from src.cli.overrides import frozen_work
from src.common.clock import process_age
from src.common.project import CONF
from src.reporting.terminal import Notices
from src.search.workers import instantiate_launcher
from src.tracking import schema

Job = Sequence[str]
Shared = tuple[str, ...]

_CGROUPS = Path("/sys/fs/cgroup")


@dataclass(frozen=True)
class TrialTime:
    """The time that a trained trial took in this process.

    Attributes:
        seconds: without the preparation and the data's part.
        preparation: seconds to start TensorFlow and to build the network.
        busy: number of processor cores that it kept busy, in the mean.
    """

    seconds: float
    preparation: float
    busy: float

    @classmethod
    def read(cls, result: JobResult, busy: float) -> Self:
        """Return what the result of a job says of its time."""
        preparation, data = (
            sum(result.parts.get(name, 0.0) for name in names) for names in (schema.ONCE_A_PROCESS, schema.ONCE_FOR_ALL)
        )
        return cls(max(result.seconds - preparation - data, 0.0), preparation, busy)


@dataclass(frozen=True)
class ExpectedTime:
    """The time that further trials are expected to take.

    Attributes:
        seconds: of a trial, in a process that has trained one.
        busy: number of processor cores that one process keeps busy.
        preparation: seconds that a process needs before its first trial trains, without its imports.
    """

    seconds: float
    busy: float
    preparation: float

    @classmethod
    def read(cls, trained: Sequence[TrialTime]) -> Self:
        """Return the time by the trials `trained` so far, one at least.

        The first trial compiles: what it took more than the others is preparation. Where it is the only one, its
        compiling is taken to last as long as what else it prepared.
        """
        first, later = trained[0], [trial.seconds for trial in trained[1:]]
        compiling = max(first.seconds - fmean(later), 0.0) if later else min(first.preparation, first.seconds)
        seconds = fmean(later) if later else first.seconds - compiling
        return cls(seconds, fmean(trial.busy for trial in trained), first.preparation + compiling)

    def saved(self, trials: float, processes: int, cores: int) -> float:
        """Return the seconds that `processes` save on `trials`, each with its part of the `cores`."""
        slower = max(self.busy * processes / cores, 1.0)
        return self.seconds * (trials - math.ceil(trials / processes) * slower)


def most_processes(cores: int) -> int:
    """Return how many further processes as large as this one the machine has room for; 1 where one fills a GPU."""
    from src.models.runtime import GPUS  # a trial has started TensorFlow

    return 1 if GPUS else max(min(cores, _free_bytes() // psutil.Process().memory_info().rss), 1)


def _free_bytes() -> int:
    """Return the memory that is free, in the machine and in every control group of this process (cgroups(7))."""
    free = [int(psutil.virtual_memory().available)]
    with contextlib.suppress(OSError, IndexError):
        group = _CGROUPS / Path("/proc/self/cgroup").read_text("utf-8").rpartition("::")[2].strip().lstrip("/")
        for folder in (group, *group.parents[: len(group.relative_to(_CGROUPS).parts)]):
            with contextlib.suppress(OSError, ValueError):  # "max": no bound
                bound, used = (int((folder / f"memory.{name}").read_text("utf-8")) for name in ("max", "current"))
                free.append(bound - used)
    return max(min(free), 0)


class Processes:
    """Launches the jobs of a sweep: in this process, and side by side where that is expected to end sooner.

    What it calls cores are as many processor cores as a trial has threads.
    """

    def __init__(self, context: HydraContext, task: TaskFunction, config: DictConfig) -> None:
        self._launcher = functools.partial(_launcher, context, task, config)
        self._in_process = self._launcher("basic")
        self._folder = Path(str(config.hydra.sweep.dir)).absolute()
        threads = int(config.runtime.threads or 1)
        self._cores = max(int(joblib.cpu_count()) // threads, 1)
        self._override = f"runtime.threads={threads}"
        self._on_all_cores = f"runtime.inter_op_threads={max(self._cores, threads)}"
        self._notices = Notices(bool(config.runtime.progress))
        self._imports = process_age()
        self._trained: list[TrialTime] = []
        self._ended = 0
        self._computed: set[Shared] = set()
        self._prepared: set[Shared] = set()
        self._started = 1

    def launch(self, jobs: Sequence[Job], first: int) -> list[JobReturn]:
        """Run `jobs`, numbered from `first`; return how they ended."""
        returns: list[JobReturn] = []
        for part, processes in self._parts([[*job, self._override] for job in jobs]):
            number = first + len(returns)
            returns += self._one(part[0], number) if processes == 1 else self._side_by_side(part, number, processes)
        return returns

    def _parts(self, jobs: Sequence[Job]) -> Iterator[tuple[list[Job], int]]:
        """Yield jobs and in how many processes they run, decided when it is their turn.

        Of those that share frozen work, one runs alone first, since the others would wait for the features.
        """
        for _, sharing in itertools.groupby(jobs, lambda job: self._computed >= {frozen_work(job)} or frozen_work(job)):
            remaining = list(sharing)
            while remaining:
                processes = self._processes(remaining) if frozen_work(remaining[0]) in self._computed else 1
                part = remaining if processes > 1 else remaining[:1]
                yield part, processes
                remaining = remaining[len(part) :]

    def _processes(self, jobs: Sequence[Job]) -> int:
        """Return in how many processes `jobs` are expected to end soonest; once several have started, it is these."""
        expected, trials = ExpectedTime.read(self._trained), self._to_train(jobs)
        start = 0.0 if self._prepared >= set(map(frozen_work, jobs)) else expected.preparation
        if self._started > 1:
            return self._started if expected.saved(trials, self._started, self._cores) > start else 1
        best = max(
            range(1, most_processes(self._cores) + 1), key=lambda count: expected.saved(trials, count, self._cores)
        )
        return best if expected.saved(trials, best, self._cores) > start + self._imports else 1

    def _to_train(self, jobs: Sequence[Job]) -> float:
        """Return how many of `jobs` are expected to train: as large a part as of those before, the rest is reused."""
        return len(jobs) * len(self._trained) / self._ended

    def _one(self, job: Job, number: int) -> Sequence[JobReturn]:
        wall, cpu = time.perf_counter(), time.process_time()
        returns = self._in_process.launch([[*job, self._on_all_cores]], number)
        busy = (time.process_time() - cpu) / (time.perf_counter() - wall)
        result = JobResult.load(self._folder, number)
        self._ended += 1
        if result and result.status == "finished":
            self._trained.append(TrialTime.read(result, busy))
            self._computed.add(frozen_work(job))
        return returns

    def _side_by_side(self, jobs: Sequence[Job], number: int, processes: int) -> Sequence[JobReturn]:
        if self._started == 1:
            self._notices.note(self._reason(jobs, processes))
        self._started = processes
        self._prepared |= set(map(frozen_work, jobs))
        return self._launcher("joblib", n_jobs=processes).launch(jobs, number)

    def _reason(self, jobs: Sequence[Job], processes: int) -> str:
        from src.reporting.wording import duration  # and SciPy, which takes a second to import

        expected = ExpectedTime.read(self._trained)
        trials = f"about {self._to_train(jobs):.0f} trials of {duration(expected.seconds)} remain"
        start = duration(self._imports + expected.preparation)
        return f"{processes} processes from here on: {trials}, and a process starts in {start}"


def _launcher(context: HydraContext, task: TaskFunction, config: DictConfig, name: str, **settings: Any) -> Launcher:
    """Return the launcher `name` with its default settings, and `settings`."""
    path = CONF / "hydra" / "launcher" / f"{name}.yaml"
    node = OmegaConf.load(path) if path.exists() else ConfigStore.instance().load(f"hydra/launcher/{name}.yaml").node
    adapted = config.copy()
    with open_dict(adapted):
        adapted.hydra.launcher = OmegaConf.merge(node, settings)
    return instantiate_launcher(context, task, adapted)
