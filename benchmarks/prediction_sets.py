"""Studies whose trials predict many held-back images: what the verdict's statistics are measured on.

`python -m benchmarks.prediction_sets FOLDER [TASK …]` sweeps each task as a user would, at its depths and seeds, and
keeps what every trial predicts for the task's test images, which nothing chose by, in FOLDER/TASK.npz; a task whose
file is there is skipped. The trees are drawn; the tasks on real photos want the environment variables
THAW_TEST_PHOTOS (the groceries) and THAW_TEST_WEIGHTS (ImageNet weights of width 0.35), and are skipped without.
"""

import argparse
import csv
import os
import random
import subprocess
import sys
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

import mlflow
import numpy as np

from src.tracking.prediction_files import read_predictions
from src.tracking.study import Study

DEPTHS = (0, 2, 11, 20, 29, 56)
REAL = frozenset({"THAW_TEST_PHOTOS", "THAW_TEST_WEIGHTS"})
SCHEDULE = ("epochs=10", "fine_tune_epochs=8", "tracking.save_model=false", "runtime.progress=false")


@dataclass(frozen=True)
class Task:
    """A study: which depths, how many seeds, and what else is typed.

    Attributes:
        seeds: a depth.
        overrides: beside depths and seeds.
        groceries: how many classes, and how many training photos of each; None: the overrides name the data.
        swapped: whether groceries train on the official test photos, and predict the official train photos.
    """

    seeds: int
    overrides: tuple[str, ...] = ()
    groceries: tuple[int, int] | None = None
    swapped: bool = False
    depths: tuple[int, ...] = DEPTHS
    wants: frozenset[str] = field(default=frozenset())


def trees(classes: int, images: int, difficulty: float, *overrides: str, pool: int = 1000) -> Task:
    """Return a task on drawn trees: `images` a class to train on, and `pool` or a few more that are predicted."""
    data = (
        "data=trees", f"data.classes={classes}", f"data.train_images={images}", "data.val_images=10",
        f"data.test_images={-(-pool // classes)}", f"data.difficulty={difficulty}",
    )  # fmt: skip
    wants = frozenset(name for name in REAL if any(f"oc.env:{name}" in each for each in overrides))
    return Task(8, (*data, *overrides), wants=wants)


def _groceries(classes: int, images: int, *overrides: str, swapped: bool = False) -> Task:
    wants = frozenset(name for name in REAL if name == "THAW_TEST_PHOTOS" or overrides == IMAGENET)
    return Task(8, overrides, (classes, images), swapped, wants=wants)


def _of_coverage(task: Task) -> Task:
    return replace(task, depths=(0, 2, 11, 29), seeds=16)


IMAGENET = ("weights=file", "weights.path='${oc.env:THAW_TEST_WEIGHTS}'", "weights.alpha=0.35", "image_size=96")

TASKS: Mapping[str, Task] = {
    "trees_16_seeds": _of_coverage(trees(23, 15, 0.5, pool=2300)),
    "groceries_16_seeds": _of_coverage(_groceries(23, 15, *IMAGENET)),
    "groceries_swapped_16_seeds": _of_coverage(_groceries(23, 15, *IMAGENET, swapped=True)),
    "trees_5_few": trees(5, 20, 0.5),
    "trees_5_hard": trees(5, 60, 0.9),
    "trees_10_easy": trees(10, 20, 0.2),
    "trees_10": trees(10, 40, 0.5),
    "trees_10_hard": trees(10, 20, 0.9),
    "trees_10_imagenet": trees(10, 20, 0.5, *IMAGENET),
    "trees_10_imagenet_many": trees(10, 60, 0.5, *IMAGENET),
    "trees_23_few": trees(23, 10, 0.5),
    "trees_23_easy": trees(23, 15, 0.2),
    "trees_23_imagenet": trees(23, 15, 0.5, *IMAGENET),
    "trees_23_imagenet_hard": trees(23, 25, 0.9, *IMAGENET),
    "trees_10_fast": trees(10, 30, 0.5, "fine_tune_learning_rate=1e-3"),
    "trees_10_slow": trees(10, 30, 0.5, "fine_tune_learning_rate=1e-5"),
    "trees_10_random": trees(10, 30, 0.5, "weights=random", "image_size=96"),
    "trees_10_train_statistics": trees(10, 30, 0.5, "batchnorm=train"),
    "groceries_5_few": _groceries(5, 15, *IMAGENET),
    "groceries_5": _groceries(5, 60, *IMAGENET),
    "groceries_12_few": _groceries(12, 10, *IMAGENET),
    "groceries_12": _groceries(12, 30, *IMAGENET, swapped=True),
    "groceries_12_fast": _groceries(12, 20, *IMAGENET, "fine_tune_learning_rate=1e-3"),
    "groceries_23_few": _groceries(23, 8, *IMAGENET),
    "groceries_23_formula": _groceries(23, 15),
    "groceries_10_formula": _groceries(10, 40, swapped=True),
}
"""By name; the three with 16 seeds first, which coverage is measured on."""


def run_task(name: str, task: Task, folder: Path) -> None:
    """Sweep a task and write its file; nothing is left of a sweep that fails but MLflow's store.

    Raises:
        subprocess.CalledProcessError: the sweep failed.
    """
    work = folder / "work" / name
    work.mkdir(parents=True, exist_ok=True)
    command = [
        sys.executable, "-m", "src.train", "-m", f"unfrozen={','.join(map(str, task.depths))}",
        f"seed=range(0,{task.seeds})", f"study={name}", f"tracking.uri=sqlite:///{work}/mlflow.db",
        f"hydra.sweep.dir={work}/sweep", f"runtime.work_dir={work}/work", *SCHEDULE, *data_of(task, work),
    ]  # fmt: skip
    subprocess.run(command, check=True)
    _collect(name, work, folder / f"{name}.npz")


def data_of(task: Task, work: Path) -> tuple[str, ...]:
    """Return the overrides beside depths and seeds; a manifest that they name is written to `work`."""
    data = () if task.groceries is None else ("data=csv", f"data.manifest={_write_manifest(task, work)}")
    return (*data, *task.overrides)


def _write_manifest(task: Task, work: Path) -> Path:
    """Write which grocery trains, validates and is predicted; the photos of train are drawn by a fixed seed."""
    root = Path(os.environ["THAW_TEST_PHOTOS"])
    classes, images = task.groceries or (0, 0)
    sides = ("test", "train") if task.swapped else ("train", "test")
    splits = {"train": sides[0], "val": "val", "test": sides[1]}
    names = sorted(each.name for each in (root / "val").iterdir())[:: max(1, 22 // classes)][:classes]
    rows = [("path", "label", "split")]
    for split, place in splits.items():
        for name in names:
            photos = sorted((root / place / name).iterdir())
            chosen = random.Random(0).sample(photos, min(images, len(photos))) if split == "train" else photos  # noqa: S311
            rows += [(str(photo), name, split) for photo in chosen]
    path = work / "photos.csv"
    with path.open("w", newline="") as file:
        csv.writer(file).writerows(rows)
    return path


def _collect(name: str, work: Path, path: Path) -> None:
    """Write hits, [depths, seeds, images], and the medians of each depth's seconds."""
    client = mlflow.MlflowClient(f"sqlite:///{work}/mlflow.db")
    study = Study.find(client, name)
    assert study is not None
    hits: dict[tuple[int, int], np.ndarray] = {}
    seconds, last = defaultdict(list), None
    for run in study.trials():
        found = read_predictions(client, run, "test")
        assert found is not None
        assert last is None or np.array_equal(last.images, found.images)
        depth, seed, last = int(run.data.tags["depth"]), int(run.data.params["seed"]), found
        hits[depth, seed] = found.predicted
        phases = [value for metric, value in run.data.metrics.items() if metric.startswith("time/phase/")]
        seconds[depth].append(sum(phases))
    assert last is not None
    depths, seeds = (sorted({cell[k] for cell in hits}) for k in (0, 1))
    predicted = np.array([[hits[depth, seed] for seed in seeds] for depth in depths], np.uint8)
    costs = np.array([np.median(seconds[depth]) for depth in depths])
    np.savez_compressed(
        path, depths=depths, seeds=seeds, predicted=predicted, labels=last.labels, images=last.images, seconds=costs
    )


def main() -> None:
    """Run the tasks named on the command line, or all."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("tasks", nargs="*", default=list(TASKS))
    arguments = parser.parse_args()
    folder = arguments.folder.resolve()
    for name in arguments.tasks:
        task = TASKS[name]
        lacking = sorted(task.wants - os.environ.keys())
        if lacking:
            print(f"{name}: skipped, {' and '.join(lacking)} not set")
        elif not (folder / f"{name}.npz").exists():
            run_task(name, task, folder)
            print(f"{name}: done", flush=True)


if __name__ == "__main__":
    main()
