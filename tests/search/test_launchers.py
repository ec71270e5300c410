"""Launchers that run a sweep's trials in processes: equal numbers, no orphans, and what they need is there."""

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
from hydra import compose
from hydra._internal.callbacks import Callbacks
from hydra.core.global_hydra import GlobalHydra
from hydra.core.hydra_config import HydraConfig
from hydra.core.utils import setup_globals
from hydra.types import HydraContext
from omegaconf import OmegaConf

import src.search.workers as workers_module
from src.common.errors import ThawError
from src.search.workers import Workers, instantiate_launcher
from tests.conftest import Command
from tests.loopback import loopback_network
from tests.processes import started_processes, wait_for
from tests.search import ray_nodes
from tests.search.launched import NUMBER, SEEDS, numbers, runs, surroundings, sweep_words

EXTRAS = {"ray": "ray", "submitit_local": "submitit", "submitit_slurm": "submitit"}


def is_installed(launcher: str) -> bool:
    extra = EXTRAS.get(launcher)
    return extra is None or find_spec(extra) is not None


def installed(*launchers: str) -> list[Any]:
    """The launchers as parameters; those of an extra that is not installed are skipped."""
    return [
        pytest.param(launcher, marks=pytest.mark.skipif(
            not is_installed(launcher), reason=f"{launcher} is not installed: NOT TESTED"
        ))
        for launcher in launchers
    ]  # fmt: skip


@pytest.fixture
def start(photos: Path, tmp_path: Path) -> Iterator[Callable[..., Any]]:
    """Return a function that starts a sweep by a launcher, with everything that it keeps below the test's folder.

    Ray runs on a cluster of two nodes, which starts with the first sweep.
    """
    inside: dict[str, tuple[str, ...]] = {}

    def run(launcher: str, *overrides: str) -> subprocess.Popen[str]:
        if launcher == "ray" and not inside:
            inside["ray"] = held.enter_context(loopback_network())
            held.enter_context(ray_nodes.ray_cluster(inside["ray"]))
        words = (*inside.get(launcher, ()), *sweep_words(launcher, photos, tmp_path), *overrides)
        return start_process(words, tmp_path, surroundings(launcher, tmp_path) | {"MLFLOW_RUN_ID": "stray"})

    with ExitStack() as held, started_processes() as start_process:
        yield run


def users_of(folder: Path) -> set[int]:
    """The processes that have a file below `folder` open."""
    found = set()
    for opened in Path("/proc").glob("[0-9]*/fd/*"):
        try:
            if opened.readlink().is_relative_to(folder) and opened.parts[2] != str(os.getpid()):
                found.add(int(opened.parts[2]))
        except OSError:
            continue
    return found


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="needs proc(5) to find the workers")
@pytest.mark.parametrize("launcher", installed("joblib", "submitit_local", "ray"))
def test_a_killed_sweep_leaves_no_worker_and_its_rerun_comes_to_the_numbers_of_one_process(
    start: Callable[..., subprocess.Popen[str]], by_basic: Any, tmp_path: Path, launcher: str
) -> None:
    killed = start(launcher)
    wait_for(lambda: bool(runs(tmp_path, "attributes.status = 'RUNNING' and tags.trial_key != ''")), 200)
    assert users_of(tmp_path / "work") - {killed.pid}
    killed.kill()
    wait_for(lambda: not users_of(tmp_path / "work"), 5)
    out, errors = start(launcher).communicate(timeout=280)
    assert f"{NUMBER} of {NUMBER} trials done" in out, errors
    assert "waiting" not in errors
    assert "Traceback" not in errors
    assert numbers(tmp_path) == by_basic
    assert len(by_basic) == NUMBER
    assert not runs(tmp_path, "attributes.status = 'RUNNING'")
    (parent,) = runs(tmp_path, "tags.study = 'launched'")
    children = runs(tmp_path, f"tags.mlflow.parentRunId = '{parent.info.run_id}' and attributes.status = 'FINISHED'")
    assert {run.data.tags["trial_key"] for run in children} == set(by_basic)
    wait_for(lambda: not users_of(tmp_path), 10)


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.skipif(SEEDS == 2, reason="the four trials of the killed sweep: THAW_TEST_LAUNCHED_SEEDS asks for more")
@pytest.mark.parametrize("launcher", installed("basic", "auto", "joblib", "submitit_local", "ray"))
def test_a_large_study_comes_to_the_numbers_of_one_process(
    start: Callable[..., subprocess.Popen[str]], by_basic: Any, tmp_path: Path, launcher: str
) -> None:
    process = start(launcher)
    began = time.monotonic()
    out, errors = process.communicate(timeout=600)
    print(f"{launcher}: {NUMBER} trials in {time.monotonic() - began:.1f} s, load {os.getloadavg()[0]:.1f}")
    assert f"{NUMBER} of {NUMBER} trials done" in out, errors
    assert "reused" not in out
    assert numbers(tmp_path) == by_basic
    assert len(by_basic) == NUMBER


@pytest.mark.slow
@pytest.mark.parametrize("launcher", installed("submitit_local"))
def test_a_signal_ends_trials_of_submitit_and_leaves_no_run_running(
    start: Callable[..., subprocess.Popen[str]], tmp_path: Path, launcher: str
) -> None:
    process = start(launcher, "epochs=3000", "schedule.feature_extraction.patience=null")
    wait_for(lambda: bool(runs(tmp_path, "attributes.status = 'RUNNING' and tags.trial_key != ''")), 200)
    process.terminate()
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 128 + signal.SIGTERM, errors
    assert "Traceback" not in errors
    assert not runs(tmp_path, "attributes.status = 'RUNNING'")
    assert not users_of(tmp_path)


@pytest.fixture
def adapted(composed: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Any]:
    """Return a function that makes a launcher by the project's files, on a machine of eight cores without GPUs."""
    monkeypatch.setattr(workers_module.joblib, "cpu_count", lambda: 8)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")

    def make(launcher: str, *overrides: str) -> Any:
        words = [f"hydra/launcher={launcher}", f"hydra.sweep.dir={tmp_path}", "hydra.job.name=train", *overrides]
        config = compose("config", words, return_hydra_config=True)
        HydraConfig.instance().set_config(config)
        OmegaConf.set_readonly(config.hydra, False)
        setup_globals()
        context = HydraContext(config_loader=GlobalHydra.instance().config_loader(), callbacks=Callbacks())
        return instantiate_launcher(context, str, config)

    return make


def test_a_job_that_ended_in_this_process_keeps_no_configuration(adapted: Callable[..., Any], tmp_path: Path) -> None:
    first, second = adapted("basic", "hydra.output_subdir=null").launch([["seed=1"], ["seed=2"]], 7)
    assert ("'seed': 1" in first.return_value, "'seed': 2" in second.return_value) == (True, True)
    assert {each.name for each in tmp_path.iterdir()} >= {"7", "8"}
    assert {(each.cfg, each.hydra_cfg) for each in (first, second)} == {(None, None)}


def test_processes_are_as_many_as_there_are_cores_for_their_threads_or_gpus(
    adapted: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert adapted("joblib").launcher.joblib["n_jobs"] == 8
    assert adapted("joblib", "runtime.threads=3").launcher.joblib["n_jobs"] == 2
    assert adapted("joblib", "hydra.launcher.n_jobs=5").launcher.joblib["n_jobs"] == 5
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0,1,2")
    assert adapted("joblib").launcher.joblib["n_jobs"] == 3


def test_trials_have_a_thread_unless_they_name_another_number(adapted: Callable[..., Any]) -> None:
    launched = list[Any]()
    for overrides in ((), ("runtime.threads=2",)):
        workers = adapted("joblib", *overrides)
        workers.launcher.launch = lambda jobs, first: launched.append((jobs, first))
        workers.launch([["seed=1"], ["seed=2", "runtime.threads=4"]], 7)
    assert launched == [
        ([["runtime.threads=1", "seed=1"], ["runtime.threads=1", "seed=2", "runtime.threads=4"]], 7),
        ([["runtime.threads=2", "seed=1"], ["runtime.threads=2", "seed=2", "runtime.threads=4"]], 7),
    ]


def test_launchers_in_this_process_are_hydras_own(adapted: Callable[..., Any]) -> None:
    assert not isinstance(adapted("basic"), Workers)
    assert not isinstance(adapted("auto"), Workers)


@pytest.mark.parametrize("launcher", EXTRAS)
def test_what_is_not_installed_is_named(
    adapted: Callable[..., Any], launcher: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(workers_module, "find_spec", lambda _: None)
    with pytest.raises(ThawError, match=rf"^hydra/launcher={launcher} .*: pip install -e '.\[{EXTRAS[launcher]}\]'$"):
        adapted(launcher)


SBATCH = """#!/bin/sh
cp "$1" "$SAVED"
exit 1
"""


@pytest.mark.parametrize("launcher", installed("submitit_slurm"))
@pytest.mark.parametrize(
    ("resources", "overrides", "options"),
    [
        ("(null)", (), {"cpus-per-task=1", "array=0-1%2", "time=240", "nodes=1", "ntasks-per-node=1"}),
        ("gpu:a100:4", ("runtime.threads=3",), {"cpus-per-task=3", "gpus-per-node=1"}),
        ("gpu:a100:4", ("hydra.launcher.gres=gpu:2", "hydra.launcher.partition=big"), {"gres=gpu:2", "partition=big"}),
    ],
)
def test_the_script_for_slurm_asks_for_what_a_trial_needs(
    adapted: Callable[..., Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, launcher: str, resources: str,
    overrides: tuple[str, ...], options: set[str],
) -> None:  # fmt: skip
    programs = {"sbatch": SBATCH, "srun": "", "sinfo": f"#!/bin/sh\necho '{resources}'\n"}
    for name, text in programs.items():
        (tmp_path / name).write_text(text)
        (tmp_path / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    monkeypatch.setenv("SAVED", str(tmp_path / "saved.sh"))
    from submitit.core.utils import FailedJobError

    with pytest.raises(FailedJobError):
        adapted(launcher, *overrides).launch([["seed=1"], ["seed=2"]], 0)
    script = (tmp_path / "saved.sh").read_text()
    asked = set(re.findall(r"^#SBATCH --(\S+)$", script, re.MULTILINE))
    assert options <= asked
    assert ("gpus-per-node=1" in asked) == (resources != "(null)" and not any("gres" in each for each in overrides))
    assert "job-name=train" in asked
    assert f"{sys.executable} -u -m submitit.core._submit {tmp_path}/.submitit/%j" in script


NAMED = """# @package _global_
defaults:
  - override /hydra/launcher: joblib
"""


def test_a_launcher_in_an_experiments_file_is_used_or_refused(
    thaw: Command, tiny: tuple[str, ...], tmp_path: Path
) -> None:
    (tmp_path / "experiment").mkdir()
    for name in ("workers", "others"):
        (tmp_path / "experiment" / f"{name}.yaml").write_text(NAMED)
    found = (f"hydra.searchpath=[file://{tmp_path}]", f"hydra.sweep.dir={tmp_path}/sweep", "hydra.launcher.n_jobs=1")
    done = thaw("src.train", "-m", *tiny, *found, "experiment=workers", "seed=0,1", "study=used")
    assert done.returncode == 0, done.stderr
    assert list((tmp_path / "sweep").glob("*.alive"))
    done = thaw("src.train", "-m", *tiny, *found[:2], "experiment=workers,others", "study=refused")
    assert done.returncode == 1
    assert "experiment=workers" in done.stderr
    assert "type hydra/launcher=joblib" in done.stderr
    assert len(done.stderr.splitlines()) == 1
