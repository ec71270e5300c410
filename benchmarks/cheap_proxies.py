"""Measure whether cheap proxies tell how much to unfreeze; print the tables of docs/advise.md.

`python -m benchmarks.cheap_proxies FOLDER [TASK …]` computes the proxies (`benchmarks/proxy_values.py`) of the tasks of
`benchmarks.prediction_sets`, from their training and validation images, and keeps them in FOLDER/TASK.json. A task
whose file is there is skipped, and so is one whose environment variables are not set. Once all are there, it prints
the tables; benchmarks/proxies has them.

The truth of a task is each depth's mean accuracy on the test images of its set, over seeds that no proxy has seen. What
chooses a depth by a proxy is fitted on all other tasks. Regret is the best depth's mean less that of the chosen depth.
"""

import argparse
import json
import os
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from hydra import initialize_config_dir
from sklearn.linear_model import RidgeCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from benchmarks.calibration import SETS, PredictionSet
from benchmarks.prediction_sets import DEPTHS, SCHEDULE, TASKS, data_of
from src.cli.composition import prepare
from src.common.project import CONF
from src.statistics.design import Floats

CHEAP = ("probe", "gradients", "rungs")
PROXIES = (*CHEAP, "trials")
CHOICES = ((0, 2, 11, 29), DEPTHS)
"""What is chosen from: the depths that all tasks have, and those that most have."""
BEST_CONSTANT = "the best depth of the other tasks"
_SLOPES = (0.0, 0.25, -0.25, 0.5, -0.5, 1.0, -1.0, 2.0, -2.0, 4.0, -4.0, 100.0, -100.0)
_STRENGTHS = np.logspace(-1, 4, 11)
_DRAWS = 10_000

Rule = Callable[[Floats, Floats, Floats], Floats]
"""The share of each depth that is chosen, by others' gains [tasks, depths] and proxies, and by the task's own."""


@dataclass(frozen=True)
class Tasks:
    """Tasks that have the same depths.

    Attributes:
        gains: mean test accuracy less that of the least depth, points, [tasks, depths].
        proxies: by name, [tasks, depths].
    """

    depths: tuple[int, ...]
    gains: Floats
    proxies: Mapping[str, Floats]

    @classmethod
    def read(cls, sets: Sequence[PredictionSet], kept: Sequence[Mapping[str, Any]], depths: tuple[int, ...]) -> "Tasks":
        """Return the tasks of `sets` that have all of `depths`; `kept`: the proxies of each set, at DEPTHS."""
        pairs = [
            (each, proxies) for each, proxies in zip(sets, kept, strict=True) if {*depths} <= {*each.depths.tolist()}
        ]
        means = np.array([each.hits[np.isin(each.depths, depths)].mean(axis=(1, 2)) for each, _ in pairs])
        places = [DEPTHS.index(depth) for depth in depths]
        values = {name: np.array([proxies[name]["values"] for _, proxies in pairs])[:, places] for name in PROXIES}
        return cls(depths, 100 * (means - means[:, :1]), values)

    def losses(self, rule: Rule, proxies: Floats) -> Floats:
        """Return the regret of `rule` for each task, points, fitted on the other tasks; `proxies`: [tasks, values]."""
        tasks = np.arange(len(self.gains))
        chosen = [rule(self.gains[tasks != task], proxies[tasks != task], proxies[task]) for task in tasks]
        return np.asarray(self.gains.max(axis=1) - (self.gains * chosen).sum(axis=1))

    def all_losses(self) -> dict[str, Floats]:
        """Return the regret of every rule for each task, points."""
        nothing = np.zeros((len(self.gains), 0))
        losses = {f"always {depth}": self.losses(always(k), nothing) for k, depth in enumerate(self.depths)}
        losses["any, at random"] = self.losses(at_random, nothing)
        losses[BEST_CONSTANT] = self.losses(best_constant, nothing)
        for name, values in self.proxies.items():
            losses[f"{name}: greatest"] = self.losses(greatest, values)
            losses[f"{name}: greatest above a slope"] = self.losses(above_a_slope, values)
            losses[f"{name}: regression"] = self.losses(regression, relative(values))
        together = np.concatenate([relative(self.proxies[name]) for name in CHEAP], axis=1)
        return losses | {f"{', '.join(CHEAP)}: regression": self.losses(regression, together)}


def always(place: int) -> Rule:
    """Return the rule that always chooses the depth at `place`."""
    return lambda gains, *_: _only(place, gains)


def at_random(gains: Floats, *_: Floats) -> Floats:
    """Choose each depth as often."""
    return np.full(gains.shape[1], 1 / gains.shape[1])


def best_constant(gains: Floats, *_: Floats) -> Floats:
    """Choose the depth that is best on average in other tasks."""
    return _only(int(gains.mean(axis=0).argmax()), gains)


def greatest(gains: Floats, _: Floats, values: Floats) -> Floats:
    """Choose the depth with the greatest value: nothing is fitted."""
    return _only(int(values.argmax()), gains)


def above_a_slope(gains: Floats, proxies: Floats, values: Floats) -> Floats:
    """Choose the depth with the greatest value once the slope is added that does best in other tasks.

    A slope is by how much each further depth gains or loses: the threshold that a deeper one has to pass. The steepest
    slopes always choose the least depth, or the deepest.
    """
    lines = np.outer(_SLOPES, np.arange(gains.shape[1])) * np.diff(proxies, axis=1).std()
    places = (proxies + lines[:, None]).argmax(axis=2)
    gained = np.take_along_axis(gains[None], places[:, :, None], axis=2).mean(axis=(1, 2))
    return _only(int((values + lines[gained.argmax()]).argmax()), gains)


def regression(gains: Floats, proxies: Floats, values: Floats) -> Floats:
    """Choose the depth of the greatest gain by ridge regression on proxies; its strength is chosen by leaving one out.

    The strongest predicts the mean gains of the other tasks, whatever the proxies: :func:`best_constant`.
    """
    model = make_pipeline(StandardScaler(), RidgeCV(_STRENGTHS)).fit(proxies, gains)
    return _only(int(model.predict(values[None])[0].argmax()), gains)


def _only(place: int, gains: Floats) -> Floats:
    return np.asarray(np.eye(gains.shape[1])[place])


def relative(proxies: Floats) -> Floats:
    """Return the value at the least depth, and the others' differences from it, [tasks, depths]."""
    return np.concatenate([proxies[:, :1], proxies[:, 1:] - proxies[:, :1]], axis=1)


def mean_and_interval(values: Floats) -> tuple[float, float, float]:
    """Return the mean over tasks and its 95% interval by the bootstrap (Efron 1979), tasks being drawn."""
    drawn = np.random.default_rng(0).integers(len(values), size=(_DRAWS, len(values)))
    low, high = np.quantile(values[drawn].mean(axis=1), (0.025, 0.975))
    return float(values.mean()), float(low), float(high)


def tables(sets: Sequence[PredictionSet], kept: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """Yield the lines of the tables in Markdown; `kept`: the proxies of each set."""
    columns = [Tasks.read(sets, kept, depths) for depths in CHOICES]
    heads = [f"{len(tasks.depths)} depths, {len(tasks.gains)} tasks | more than the best constant" for tasks in columns]
    yield f"| rule | {' | '.join(heads)} |\n|---|{'---|' * 2 * len(columns)}"
    losses = [tasks.all_losses() for tasks in columns]
    for name in losses[-1]:
        cells = [_cells(name, of_rules) if name in of_rules else "– | –" for of_rules in losses]
        yield f"| {name} | {' | '.join(cells)} |"
    yield f"\n| proxy | seconds | full trials in that time | saved, of {len(DEPTHS)} | by the set's seconds |"
    yield "|---|---|---|---|---|"
    for name in PROXIES:
        yield f"| {name} | {_cost(name, sets, kept)} |"


def _cells(name: str, losses: Mapping[str, Floats]) -> str:
    """Return a rule's mean regret and its interval, and what it is more than the best constant's."""
    regret, more = mean_and_interval(losses[name]), mean_and_interval(losses[name] - losses[BEST_CONSTANT])
    beside = "" if name == BEST_CONSTANT else "{:+.2f} ({:+.2f} to {:+.2f})".format(*more)
    return "{:.2f} ({:.2f} to {:.2f}) | ".format(*regret) + (f"**{beside}**" if more[2] < 0 else beside)


def _cost(name: str, sets: Sequence[PredictionSet], kept: Sequence[Mapping[str, Any]]) -> str:
    """Return a proxy's median seconds, and trials in that time: as timed beside it, saved, and by the sets' seconds."""
    seconds = np.array([proxies[name]["seconds"] for proxies in kept])
    here = np.array([proxies["trials"]["seconds"] / len(DEPTHS) for proxies in kept])
    by_set = np.median(seconds / [np.median(each.seconds) for each in sets])
    trials = np.median(seconds / here)
    return f"{np.median(seconds):.1f} | {trials:.1f} | {len(DEPTHS) - trials:.1f} | {by_set:.1f}"


def compute(name: str, path: Path, work: Path) -> None:
    """Compute the proxies of a task and write them to `path`."""
    from src.models import runtime  # noqa: F401, I001 - first: it starts TensorFlow quietly

    from benchmarks.proxy_values import measure

    folder = work / name
    folder.mkdir()
    overrides = [*data_of(TASKS[name], folder), *SCHEDULE, f"runtime.cache_dir={work}", f"runtime.work_dir={work}"]
    with initialize_config_dir(str(CONF), version_base="1.3"):
        proxies = measure(overrides, DEPTHS, folder)
    path.write_text(json.dumps(proxies) + "\n", "utf-8")


def main() -> None:
    """Compute what lacks of the tasks named on the command line, or of all; print the tables once FOLDER has all."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("tasks", nargs="*", default=task_names())
    arguments = parser.parse_args()
    folder: Path = arguments.folder.resolve()
    folder.mkdir(parents=True, exist_ok=True)
    prepare()
    with TemporaryDirectory() as work:
        for name in arguments.tasks:
            lacking = sorted(TASKS[name].wants - os.environ.keys())
            path = folder / f"{name}.json"
            if not path.exists() and lacking:
                print(f"{name}: skipped, {' and '.join(lacking)} not set", file=sys.stderr)
            elif not path.exists():
                compute(name, path, Path(work))
                print(f"{name}: done", file=sys.stderr, flush=True)
    missing = [name for name in task_names() if not (folder / f"{name}.json").exists()]
    if missing:
        print(f"no tables yet: they take the proxies of {', '.join(missing)}", file=sys.stderr)
    for line in () if missing else tables(*read(folder)):
        print(line)


def task_names() -> list[str]:
    """Return the names of the tasks that have a set."""
    return sorted(path.stem for path in SETS.glob("*.npz"))


def read(folder: Path) -> tuple[list[PredictionSet], list[dict[str, Any]]]:
    """Return the sets of all tasks, and the proxies that `folder` has of each."""
    names = task_names()
    sets = [PredictionSet.load(SETS / f"{name}.npz") for name in names]
    return sets, [json.loads((folder / f"{name}.json").read_text("utf-8")) for name in names]


if __name__ == "__main__":
    main()
