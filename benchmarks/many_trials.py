"""Whether a further trial costs the same in a large study: `python -m benchmarks.many_trials [TRIALS] [KEY=VALUE …]`.

Sweeps tiny trials (1,000 by default) in one process and prints seconds by fifties, their report's seconds, the memory
that the process came to, and what the store, its files and the checkpoints hold on disk.
"""

import argparse
import os
import subprocess
import sys
import tempfile
import time
from itertools import pairwise
from pathlib import Path
from statistics import median

import mlflow

from src.tracking.study import find_study

_FEW = 50
_TINY = (
    "hydra/launcher=basic", "backbone=lenet5", "weights=random", "image_size=32", "data.classes=3",
    "data.train_images=8", "data.val_images=4", "schedule=two_phase", "epochs=1", "fine_tune_epochs=1",
    "unfrozen=all", "study=many",
)  # fmt: skip


def sweep(folder: Path, trials: int, more: list[str]) -> tuple[float, float]:
    """Run the sweep; return when it ended, s, and the greatest memory of its process, GB."""
    places = (
        f"tracking.uri=sqlite:///{folder}/mlflow.db", f"hydra.sweep.dir={folder}/sweep",
        f"runtime.work_dir={folder}/work", f"runtime.cache_dir={folder}/cache",
    )  # fmt: skip
    command = [sys.executable, "-m", "src.train", "-m", *_TINY, f"seed=range(0,{trials})", *places, *more]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    if status:
        raise subprocess.CalledProcessError(status, command)
    return time.time(), usage.ru_maxrss * 1024 / 1e9


def ends(folder: Path) -> list[float]:
    """The times at which the trials ended, s, in their order."""
    study = find_study(mlflow.MlflowClient(f"sqlite:///{folder}/mlflow.db"), "many")
    return sorted(run.info.end_time / 1000 for run in study.trials())


def megabytes(path: Path) -> float:
    """What a file, or a folder with all below it, holds on disk."""
    files = [path] if path.is_file() else [file for file in path.rglob("*") if file.is_file()]
    return sum(file.stat().st_blocks * 512 for file in files) / 1e6


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("trials", type=int, nargs="?", default=1000)
    parser.add_argument("more", nargs="*", help="overrides of the trials")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        ended, memory = sweep(folder, given.trials, given.more)
        times = ends(folder)
        seconds = [later - earlier for earlier, later in pairwise(times)]
        for first in range(0, len(seconds), _FEW):
            few = seconds[first : first + _FEW]
            print(f"trials {first + 2} to {first + 1 + len(few)}: {median(few):.3f} s each")
        print(f"from the last trial's end, the report included: {ended - times[-1]:.1f} s; {memory:.2f} GB of memory")
        for part in ("mlflow.db", "mlruns", "sweep", "work", "cache"):
            print(f"{part}: {megabytes(folder / part):.1f} MB")


if __name__ == "__main__":
    main()
