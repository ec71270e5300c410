"""The study through Slurm itself: slurmctld, slurmd and munged on the loopback interface, in a folder of their own."""

import os
import secrets
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from importlib.util import find_spec
from pathlib import Path

import pytest

from src.common.project import PROJECT
from tests.loopback import loopback_network
from tests.search.launched import NUMBER, TRIALS, numbers

PROGRAMS = ("munged", "slurmctld", "slurmd", "sbatch")
CONFIGURATION = """
ClusterName=test
SlurmctldHost=localhost(127.0.0.1)
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
AuthInfo=socket={folder}/munge.socket
ProctrackType=proctrack/pgid
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
SchedulerParameters=batch_sched_delay=0,sched_interval=1
MpiDefault=none
ReturnToService=2
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.pid
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/slurmd.log
NodeName=localhost NodeAddr=127.0.0.1 CPUs={cores} RealMemory=1000 State=UNKNOWN
PartitionName=main Nodes=localhost Default=YES MaxTime=INFINITE State=UP OverSubscribe=FORCE:1
"""


@contextmanager
def daemon(words: tuple[str, ...], environment: dict[str, str]) -> Iterator[None]:
    with subprocess.Popen(
        words, env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    ) as process:
        try:
            yield
        finally:
            process.terminate()


@pytest.fixture
def slurm() -> Iterator[tuple[tuple[str, ...], dict[str, str]]]:
    """The words before a command beside a cluster of one node, and its environment."""
    missing = [name for name in PROGRAMS if shutil.which(name) is None]
    if missing or not find_spec("submitit") or os.geteuid():
        pytest.skip(f"Slurm and submitit are not installed for root ({', '.join(missing)}): NOT TESTED WITH SLURM")
    with ExitStack() as held:
        inside = held.enter_context(loopback_network())
        folder = Path(held.enter_context(tempfile.TemporaryDirectory(prefix="slurm", ignore_cleanup_errors=True)))
        for name in ("state", "spool"):
            (folder / name).mkdir()
        (folder / "munge.key").write_bytes(secrets.token_bytes(128))
        (folder / "munge.key").chmod(0o600)
        cores = os.cpu_count()
        (folder / "slurm.conf").write_text(CONFIGURATION.format(folder=folder, cores=cores))
        (folder / "cgroup.conf").write_text("CgroupAutomount=no\n")
        environment = os.environ | {"SLURM_CONF": str(folder / "slurm.conf")}
        munge = (f"--{name}={folder}/munge.{name.partition('-')[0]}" for name in ("key-file", "socket", "pid-file",
                                                                              "log-file", "seed-file"))  # fmt: skip
        held.enter_context(daemon(("munged", "--foreground", "--force", *munge), environment))
        _wait_for(folder / "munge.socket")
        for words in (("slurmctld", "-D"), ("slurmd", "-D", "-N", "localhost")):
            held.enter_context(daemon((*inside, *words), environment))
        for _ in range(60):
            listed = subprocess.run(
                [*inside, "sinfo", "--noheader", "--format=%T"], env=environment, capture_output=True, text=True,
                check=False,
            )  # fmt: skip
            if listed.stdout.strip() == "idle":
                break
            time.sleep(0.5)
        else:
            logs = "\n".join(path.read_text() for path in folder.glob("*.log"))
            pytest.skip(f"Slurm does not start here: NOT TESTED WITH SLURM\n{logs}")
        yield inside, environment


def _wait_for(path: Path) -> None:
    for _ in range(100):
        if path.exists():
            return
        time.sleep(0.1)
    pytest.fail(f"no {path}")


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_the_study_comes_to_the_numbers_of_one_process(
    slurm: tuple[tuple[str, ...], dict[str, str]], by_basic: dict[str, dict[str, float]], photos: Path, tmp_path: Path
) -> None:
    inside, environment = slurm
    places = (
        f"data.root={photos}", f"runtime.work_dir={tmp_path}/work", f"runtime.cache_dir={tmp_path}/cache",
        f"hydra.sweep.dir={tmp_path}/sweep", "hydra/launcher=submitit_slurm", "hydra.launcher.partition=main",
    )  # fmt: skip
    more = {"PYTHONPATH": str(PROJECT), "MLFLOW_TRACKING_URI": f"sqlite:///{tmp_path}/mlflow.db"}
    began = time.monotonic()
    done = subprocess.run(
        [*inside, sys.executable, "-m", "src.train", *TRIALS, *places], cwd=tmp_path, env=environment | more,
        capture_output=True, text=True, check=False, timeout=800,
    )  # fmt: skip
    seconds = time.monotonic() - began
    logs = "".join(path.read_text() for path in (tmp_path / "sweep/.submitit").rglob("*.err"))
    assert done.returncode == 0, done.stderr + logs
    assert f"{NUMBER} of {NUMBER} trials done" in done.stdout
    print(f"submitit_slurm: {NUMBER} trials in {seconds:.1f} s, load {os.getloadavg()[0]:.1f}")
    assert numbers(tmp_path) == by_basic
