"""A process that runs a sweep's jobs: its GPU, its environment, and that it ends with the sweep."""

import os
import pickle
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from omegaconf import DictConfig

import src.cli.worker as worker_module
from src.cli.worker import WorkerTask, handed_on, lock_until_end, visible_gpus
from src.common.project import PROJECT

HOLDER = """
import sys, time
from pathlib import Path
from src.cli.worker import lock_until_end
print(lock_until_end(Path(sys.argv[1])), flush=True)
time.sleep(60)
"""
WATCHER = """
import sys, time
from pathlib import Path
from src.cli.worker import end_with
end_with(Path(sys.argv[1]))
time.sleep(float(sys.argv[2]))
"""
TAKER = (
    "from src.cli.worker import *; take_gpu(); print(os.environ['CUDA_VISIBLE_DEVICES'], flush=True); time.sleep(60)"
)


def start(script: str, *arguments: object, **environment: str) -> subprocess.Popen[str]:
    words = [sys.executable, "-c", script, *map(str, arguments)]
    return subprocess.Popen(words, cwd=PROJECT, env=os.environ | environment, stdout=subprocess.PIPE, text=True)


def first_line(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    return process.stdout.readline().strip()


def test_a_worker_ends_when_its_sweeps_process_is_killed_and_not_before(tmp_path: Path) -> None:
    holder = start(HOLDER, tmp_path)
    watcher = start(WATCHER, first_line(holder), 60)
    with pytest.raises(subprocess.TimeoutExpired):
        watcher.wait(3)
    holder.kill()
    holder.wait()
    assert watcher.wait(3) == 1


def test_a_job_that_starts_after_its_sweep_has_ended_ends_too(tmp_path: Path) -> None:
    holder = start(HOLDER, tmp_path)
    lock = first_line(holder)
    holder.kill()
    holder.wait()
    assert start(WATCHER, lock, 60).wait(10) == 1


def test_a_host_that_does_not_share_the_folder_goes_on(tmp_path: Path) -> None:
    assert start(WATCHER, tmp_path / "elsewhere", 1.5).wait(10) == 0


def test_a_process_has_one_lock_in_a_folder(tmp_path: Path) -> None:
    assert lock_until_end(tmp_path) == lock_until_end(tmp_path)
    assert [path.suffix for path in tmp_path.iterdir()] == [".alive"]


def test_workers_take_a_gpu_each(tmp_path: Path) -> None:
    takers = [start(TAKER, CUDA_VISIBLE_DEVICES="3, 5", TMPDIR=str(tmp_path)) for _ in range(2)]
    try:
        assert {first_line(taker) for taker in takers} == {"3", "5"}
        third = start(TAKER, CUDA_VISIBLE_DEVICES="3,5", TMPDIR=str(tmp_path))
        takers.append(third)
        assert first_line(third) in {"3", "5"}
    finally:
        for taker in takers:
            taker.send_signal(signal.SIGKILL)
            taker.wait()


@pytest.mark.parametrize(("named", "gpus"), [("", []), ("-1", []), ("0", ["0"]), ("GPU-a, GPU-b", ["GPU-a", "GPU-b"])])
def test_the_environment_names_gpus(named: str, gpus: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", named)
    assert visible_gpus() == gpus


def test_the_store_and_who_asks_are_handed_on_but_no_run(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("MLFLOW_TRACKING_USERNAME", "MLFLOW_RUN_ID", "THAW_CACHE_DIR", "HOME"):
        monkeypatch.setenv(name, "set")
    assert {"MLFLOW_TRACKING_USERNAME", "THAW_CACHE_DIR"} <= set(handed_on())
    assert not {"MLFLOW_RUN_ID", "HOME"} & set(handed_on())


def environment_of_a_job(_composed: DictConfig) -> Any:
    return dict(os.environ)


@pytest.fixture
def arrived(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Return a function that runs a task as the process does to which it is sent, with other folders."""

    def run(task: WorkerTask, folder: Path) -> Any:
        hydra = SimpleNamespace(runtime=SimpleNamespace(cwd=str(tmp_path)), sweep=SimpleNamespace(dir=str(folder)))
        monkeypatch.setattr(worker_module.HydraConfig, "get", lambda: hydra)
        return pickle.loads(pickle.dumps(task))(DictConfig({}))

    return run


def test_a_job_has_the_handed_on_environment_and_no_stray_run(arrived: Any, tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.setenv("MLFLOW_RUN_ID", "stray")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "")
    environment = arrived(WorkerTask(environment_of_a_job, {"MLFLOW_TRACKING_URI": "http://store"}), tmp_path)
    assert environment["MLFLOW_TRACKING_URI"] == "http://store"
    assert "MLFLOW_RUN_ID" not in environment


def test_a_host_without_the_sweeps_folder_is_told_its_study(arrived: Any, tmp_path: Path, monkeypatch: Any) -> None:
    locks = list[Path]()
    monkeypatch.setattr(worker_module, "end_with", locks.append)  # it would end the tests, once the folder is gone
    here, there = tmp_path / "here", tmp_path / "there"
    here.mkdir()
    (here / "study.json").write_text("{}")
    task = WorkerTask(environment_of_a_job)
    task.begin(here)
    there.mkdir()
    began = time.monotonic()
    arrived(task, there)
    assert (there / "study.json").read_text() == "{}"
    assert locks == [lock_until_end(here)]
    assert time.monotonic() - began < 5
