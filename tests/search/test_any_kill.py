"""Whatever is killed, whenever, over a served store: the rerun has each trial once, with the numbers of one process."""

import itertools
import math
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

import mlflow
import pytest

from src.common.project import PROJECT
from tests.conftest import Command
from tests.loopback import loopback_network, processes_inside
from tests.processes import wait_for
from tests.search import ray_nodes
from tests.search.launched import FINISHED, TRIALS, numbers, numbers_of
from tests.search.test_launchers import installed
from tests.stores import runs_of
from tests.tracking.conftest import server_folder
from tests.tracking.typed_server import TypedServer

KILLS = int(os.environ.get("THAW_TEST_KILLS", "3"))
"""With each launcher."""
SEED = int(os.environ.get("THAW_TEST_KILLS_SEED", "0"))
LONGEST = 6.0
"""Seconds until a kill: from the last one, or from when a trial trains."""
WHILE_TRAINING = 0.75
SEEDS = 3
PORT = 5000
VICTIMS = {
    "worker": ("popen_loky_posix", "ray::_run"), "sweep": ("-m src.train",), "server": ("-m mlflow server",),
    "database": ("bin/postgres -D",), "node": ("raylet/raylet",),
}  # fmt: skip
"""What the command lines of those to be killed hold."""
AGENTS = ("ray::DashboardAgent", "ray::RuntimeEnvAgent")
"""Ray's own, which outlive a node that is killed."""
ENDED_WITHIN = 30
"""Seconds."""


class Folders(NamedTuple):
    """Those of the photos, of the sweeps, of the server and of Ray."""

    photos: Path
    own: Path
    served: Path
    ray: str


class Site:
    """A network with a served store, two nodes of Ray where the launcher needs them, and sweeps, one at a time."""

    def __init__(self, launcher: str, inside: tuple[str, ...], places: Folders) -> None:
        self.launcher, self.inside, self.places, self.folder = launcher, inside, places, places.own
        self.server: TypedServer | None = None
        self.nodes = list[subprocess.Popen[str]]()
        self.sweep: subprocess.Popen[str] | None = None
        self.number, self.most = 0, math.inf
        self.mend()

    def mend(self) -> None:
        """Start what has ended; a sweep that succeeded is followed by the next one, with other seeds, of `most`."""
        if self.server is None or self.server.process.poll() is not None:
            self.server = TypedServer(self.places.served, "--port", str(PORT), inside=self.inside)
            assert self.server.uri, self.server.process.communicate()
        if self.launcher == "ray":
            self._mend_nodes()
        if self.sweep is None or self.sweep.poll() is not None:
            self.number += self.sweep is not None and self.sweep.returncode == 0
            self.sweep = self._sweep() if self.number < self.most else None

    def _mend_nodes(self) -> None:
        if not self.nodes or self.nodes[0].poll() is not None:
            self._end_nodes()
            self.nodes = [ray_nodes.started_node(self.inside, *ray_nodes.head(self.places.ray))]
        if len(self.nodes) == 1 or self.nodes[1].poll() is not None:
            self.nodes[1:] = [ray_nodes.started_node(self.inside, *ray_nodes.OTHER)]

    def _end_nodes(self) -> None:
        for node in self.nodes:
            node.terminate()
            node.communicate()

    @property
    def log(self) -> Path:
        """What sweeps print."""
        return self.folder / "sweeps.log"

    def _sweep(self) -> "subprocess.Popen[str]":
        places = (
            f"data.root={self.places.photos}", f"runtime.work_dir={self.folder}/work",
            f"runtime.cache_dir={self.folder}/cache", f"hydra.sweep.dir={self.folder}/{self.number}",
        )  # fmt: skip
        for mark in self._marks():  # of trials that were killed
            mark.unlink(missing_ok=True)
        first = SEEDS * self.number
        which = (
            f"hydra/launcher={self.launcher}", f"seed=range({first},{first + SEEDS})", f"study=killed {self.number}",
        )  # fmt: skip
        environment = {
            "PYTHONPATH": str(PROJECT), "MLFLOW_TRACKING_URI": f"http://127.0.0.1:{PORT}",
            "RAY_ADDRESS": ray_nodes.ADDRESS, **ray_nodes.PASSWORD,
        }  # fmt: skip
        with self.log.open("a") as said:
            return subprocess.Popen(
                [*self.inside, sys.executable, "-m", "src.train", *TRIALS, *places, *which], cwd=self.folder,
                env=os.environ | environment, stdout=said, stderr=said, text=True,
            )  # fmt: skip

    def trains(self) -> bool:
        """Return whether a trial is under way."""
        return any(self._marks())

    def _marks(self) -> Iterator[Path]:
        return (self.folder / str(self.number) / "results").glob("*.under_way")

    def kill(self, kind: str, generator: random.Random) -> bool:
        """Kill a process of a kind and wait until what ends with it has ended; return whether there was one."""
        lines = processes_inside(self.inside)
        found = [pid for pid, line in lines.items() if any(word in line for word in VICTIMS[kind])]
        if not found:
            return False
        pid = generator.choice(sorted(found))
        with suppress(ProcessLookupError):
            if kind == "server":
                os.killpg(pid, signal.SIGKILL)
            else:
                os.kill(pid, signal.SIGQUIT if kind == "database" else signal.SIGKILL)  # as `pg_ctl -m immediate`
        assert self.server is not None
        if kind in {"server", "database"}:
            self.server.process.wait(60)
        if kind == "sweep" and self.sweep:
            self.sweep.wait(60)
        if kind == "node":
            wait_for(lambda: any(node.poll() is not None for node in self.nodes), 60)
        return True

    def end(self) -> None:
        """End all that runs, in order."""
        assert self.server is not None
        self._end_nodes()
        self.server.end()


@pytest.fixture
def site(launcher: str, photos: Path, tmp_path: Path) -> Iterator[Site]:
    folder, temporary = server_folder(), tempfile.mkdtemp(prefix="ray")
    with loopback_network() as inside:
        try:
            yield Site(launcher, inside, Folders(photos, tmp_path, folder, temporary))
        finally:
            for pid in processes_inside(inside):
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            for name in (folder, temporary):
                shutil.rmtree(name)


@pytest.mark.slow
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("launcher", installed("joblib", "ray"))
def test_each_trial_is_there_once_with_the_numbers_of_one_process(
    site: Site, launcher: str, thaw: Command, photos: Path, tmp_path: Path
) -> None:
    generator = random.Random(f"{SEED} {launcher}")
    kinds = [kind for kind in VICTIMS if kind != "node" or launcher == "ray"]
    deck = itertools.chain.from_iterable(generator.sample(kinds, len(kinds)) for _ in itertools.count())
    kills = Counter[str]()
    while kills.total() < KILLS:
        if generator.random() < WHILE_TRAINING:
            wait_for(lambda: site.trains() or site.mend(), 300)
        time.sleep(generator.uniform(0, LONGEST))
        if site.kill(kind := next(deck), generator):
            kills[kind] += 1
            print(f"{launcher}: {kind} killed in sweep {site.number}", flush=True)
        site.mend()
    site.most = site.number + 1  # the one that is under way
    wait_for(lambda: site.mend() or site.number == site.most, 600)
    print(f"{launcher}: {dict(kills)}, {site.number} sweeps")
    check(site, undisturbed(thaw, photos, tmp_path, site.number))
    site.end()
    assert remaining(site) == {}


def remaining(site: Site) -> dict[int, str]:
    """The processes that have not ended some time after all was to end, but for those that end by themselves later."""
    end, found = time.monotonic() + ENDED_WITHIN, {0: ""}
    while found and time.monotonic() < end:
        time.sleep(0.2)
        found = {pid: line for pid, line in processes_inside(site.inside).items() if not line.startswith(AGENTS)}
        idle = {pid for pid, line in found.items() if waits_for_a_trial(pid, line)}
        trackers = {pid for pid, line in found.items() if idle and "resource_tracker import main" in line}  # of those
        found = {pid: line for pid, line in found.items() if pid not in idle | trackers}
    return found


def waits_for_a_trial(pid: int, line: str) -> bool:
    """Whether it is a process of joblib's that has had no trial: it ends after 300 seconds without any."""
    if "popen_loky_posix" not in line:
        return False
    with suppress(FileNotFoundError, ProcessLookupError):
        return "tensorflow" not in Path(f"/proc/{pid}/maps").read_text()
    return True


def undisturbed(thaw: Command, photos: Path, tmp_path: Path, sweeps: int) -> dict[str, dict[str, float]]:
    """What the trials of all sweeps measure in one process."""
    folder = tmp_path / "undisturbed"
    folder.mkdir()
    done = thaw(
        "src.train", *TRIALS, f"seed=range({SEEDS * sweeps})", f"data.root={photos}", f"hydra.sweep.dir={folder}/s",
        f"runtime.work_dir={folder}/work", f"runtime.cache_dir={folder}/cache",
        f"tracking.uri=sqlite:///{folder}/mlflow.db",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return numbers(folder)


def check(site: Site, expected: dict[str, dict[str, float]]) -> None:
    """Hold the store to what one undisturbed process measures."""
    assert site.server is not None
    client = mlflow.MlflowClient(site.server.database.replace("postgresql:", "postgresql+psycopg2:"))
    assert len(expected) == 2 * SEEDS * site.number
    assert numbers_of(runs_of(client, FINISHED)) == expected
    for number in range(site.number):
        parents = runs_of(client, f"tags.study = 'killed {number}'")
        assert [parent.info.status for parent in parents] == ["FINISHED"]
        assert parents[0].data.metrics["trials/finished"] == 2 * SEEDS
    assert not runs_of(client, "attributes.status = 'RUNNING'")
