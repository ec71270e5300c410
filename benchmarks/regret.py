"""How good the depth and rate are that a time budget recommends: beside other searches with the same time.

`python -m benchmarks.regret FOLDER [TASK …] --minutes 2 5` takes tasks of `benchmarks.prediction_sets`, and larger
ones, since a fast machine sweeps those exhaustively within a minute or two: those with a new view of each image in
each epoch cannot keep features, and take longest. The truth of a task is an exhaustive sweep of six depths, three
rates and three seeds: mean accuracy on test images, which nothing chose by. A contender's regret is the best of these
means less the test accuracy of the trial that it recommends; so a lucky trial's may be negative. KerasTuner's searches
run through Thaw's sweeper over the same depths and rates, are interrupted when the time is up, and recommend their
trial with the best validation accuracy. Writes FOLDER/TASK.json, which a further run goes on from, and prints a table
of all, with how far a contender went beyond its time. `--who thaw --beside 1` runs nothing but the time budget, beside
a process that keeps a core busy.
"""

import argparse
import contextlib
import json
import shutil
import signal
import subprocess
import sys
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial
from itertools import product
from pathlib import Path
from statistics import fmean
from typing import Any

import mlflow

from benchmarks.prediction_sets import DEPTHS, IMAGENET, REAL, SCHEDULE, Task, data_of, trees
from benchmarks.prediction_sets import TASKS as SMALL
from src.tracking import schema
from src.tracking.study import find_study

TASKS: Mapping[str, Task] = {
    **SMALL,
    "groceries_23": Task(3, IMAGENET, (23, 1000), wants=REAL),
    "groceries_23_swapped": Task(3, IMAGENET, (23, 1000), swapped=True, wants=REAL),
    "groceries_23_large": Task(3, (*IMAGENET, "image_size=160"), (23, 1000), wants=REAL),
    "trees_10_many": trees(10, 100, 0.5),
    "trees_10_hard_many": trees(10, 100, 0.9),
    "trees_10_strong": trees(10, 40, 0.5, "augment=strong"),
    "trees_10_many_strong": trees(10, 100, 0.5, "augment=strong"),
    "groceries_12_strong": Task(3, (*IMAGENET, "augment=strong"), (12, 40), wants=REAL),
    "groceries_23_strong": Task(3, (*IMAGENET, "augment=strong"), (23, 1000), wants=REAL),
}
RATES = ("1e-4", "3e-4", "1e-3")
RECIPE = (29, 1e-4)
"""What is often advised: unfreeze 29 layers, at a low rate."""
_CHOICES = (f"unfrozen={','.join(map(str, DEPTHS))}", f"fine_tune_learning_rate={','.join(RATES)}")
_ORACLES = ("random", "bayesian", "hyperband")
THAW = "thaw"
SWEEP = "exhaustive"

Place = tuple[int, float]
"""A depth and a fine-tuning rate."""


def command(home: Path, data: Sequence[str], name: str, *words: str) -> list[str]:
    """The command of a study that shares nothing with another but the photos."""
    places = (
        f"study={name}", f"tracking.uri=sqlite:///{home}/mlflow.db", f"hydra.sweep.dir={home}/sweep",
        f"runtime.work_dir={home}/work", f"runtime.cache_dir={home}/cache",
    )  # fmt: skip
    return [sys.executable, "-m", *words, *_CHOICES, *SCHEDULE, *places, *data]


def trials(home: Path, name: str) -> list[tuple[Place, float, float]]:
    """Depth and rate, validation and test accuracy of a study's finished trials, each 0–1."""
    runs = find_study(mlflow.MlflowClient(f"sqlite:///{home}/mlflow.db"), name).trials()
    return [
        (_place(run), run.data.metrics["best/val_accuracy"], run.data.metrics["test/accuracy"])
        for run in runs if run.info.status == "FINISHED"
    ]  # fmt: skip


def _place(run: Any) -> Place:
    return int(schema.DEPTH.read(run.data.tags) or 0), float(run.data.params["fine_tune_learning_rate"])


def exhaustive(home: Path, data: Sequence[str]) -> dict[str, Any]:
    """Sweep all depths, rates and seeds: mean test accuracies, what the best validation recommends, and the seconds."""
    began = time.perf_counter()
    words = command(home, data, SWEEP, "src.train", "-m", "seed=range(0,3)")
    subprocess.run(words, check=True, stdout=subprocess.DEVNULL)
    seconds, scores = time.perf_counter() - began, defaultdict(list)
    for place, _, test in trials(home, SWEEP):
        scores[place].append(test)
    means = [[*place, fmean(scores[place])] for place in sorted(scores)]
    return {"seconds": seconds, "chosen": best_validated(home, SWEEP), "means": means}


def best_validated(home: Path, name: str) -> dict[str, Any]:
    """The trial of a study with the best validation accuracy: its depth and rate, and its test accuracy."""
    place, _, test = max(trials(home, name), key=lambda trial: trial[1])
    return {"place": place, "test": test}


def advised(home: Path, data: Sequence[str], minutes: float) -> dict[str, Any]:
    """What a time budget recommends."""
    words = command(home, data, THAW, "src.advise", f"minutes={minutes}")
    subprocess.run(words, check=True, stdout=subprocess.DEVNULL)
    verdict = json.loads((home / "sweep" / "report" / "verdict.json").read_text("utf-8"))
    client = mlflow.MlflowClient(f"sqlite:///{home}/mlflow.db")
    run = client.get_run(verdict["recommended"]["run_id"])
    return {"place": _place(run), "test": run.data.metrics["test/accuracy"]}


def searched(home: Path, data: Sequence[str], minutes: float, oracle: str) -> dict[str, Any]:
    """What a search of KerasTuner's has found when the time is up.

    Raises:
        subprocess.CalledProcessError: it failed.
    """
    sweeper = ("hydra/sweeper=keras_tuner", f"hydra.sweeper.oracle={oracle}", "hydra.sweeper.max_trials=500")
    words = command(home, data, oracle, "src.train", "-m", *sweeper)
    process = subprocess.Popen(words, stdout=subprocess.DEVNULL)
    try:
        process.wait(60 * minutes)
    except subprocess.TimeoutExpired:
        process.send_signal(signal.SIGINT)
        process.wait()
    if process.returncode not in (0, 128 + signal.SIGINT):
        raise subprocess.CalledProcessError(process.returncode, words)
    return best_validated(home, oracle)


CONTENDERS: Mapping[str, Callable[[Path, Sequence[str], float], dict[str, Any]]] = {
    THAW: advised,
    **{oracle: partial(searched, oracle=oracle) for oracle in _ORACLES},
}


def regret(means: Iterable[Sequence[float]], test: float) -> float:
    """How far a test accuracy is below the best mean of `means` (rows of depth, rate and mean), 0–1.

    >>> regret([[0, 1e-4, 0.5], [2, 1e-4, 0.75]], 0.5)
    0.25
    """
    return max(mean for *_, mean in means) - test


@contextlib.contextmanager
def busy(processes: int) -> Iterator[None]:
    """Keep as many cores busy meanwhile."""
    others = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(processes)]
    try:
        yield
    finally:
        for other in others:
            other.kill()
            other.wait()


def run_task(name: str, folder: Path, budgets: Sequence[float], whose: Iterable[str], beside: int) -> None:
    """Measure what is not measured yet of a task."""
    path, work = folder / f"{name}.json", folder / "work" / name
    known: dict[str, Any] = json.loads(path.read_text("utf-8")) if path.exists() else {"runs": []}
    work.mkdir(parents=True, exist_ok=True)
    data = data_of(TASKS[name], work)
    if "truth" not in known:
        known["truth"] = exhaustive(work / SWEEP, data)
        path.write_text(json.dumps(known, indent=1) + "\n", "utf-8")
    done = {(run["who"], run["minutes"], run["beside"]) for run in known["runs"]}
    for who, minutes in product(whose, budgets):
        if (who, minutes, beside) not in done:
            known["runs"].append(contend(who, minutes, beside, work / f"{who}_{minutes:g}_{beside}", data))
            path.write_text(json.dumps(known, indent=1) + "\n", "utf-8")
            lost = regret(known["truth"]["means"], known["runs"][-1]["test"])
            print(f"{name}, {minutes:g} minutes, {who}: {100 * lost:.2f}", flush=True)


def contend(who: str, minutes: float, beside: int, home: Path, data: Sequence[str]) -> dict[str, Any]:
    """Return what a contender recommends, and when it had ended."""
    shutil.rmtree(home, ignore_errors=True)
    home.mkdir()
    with busy(beside):
        began = time.perf_counter()
        recommended = CONTENDERS[who](home, data, minutes)
        seconds = time.perf_counter() - began
    return {"who": who, "minutes": minutes, "beside": beside, **recommended, "seconds": seconds}


def table(results: Sequence[Mapping[str, Any]]) -> str:
    """Regret over tasks, in points, the mean share of the exhaustive sweep's time, and the latest end, in Markdown."""
    cells = defaultdict(list)
    for result in results:
        truth = result["truth"]
        for run in _all_runs(result):
            lost = 100 * regret(truth["means"], run["test"])
            cells[run["minutes"], run["beside"], run["who"]].append(
                (lost, run["seconds"] / truth["seconds"], run["seconds"] - 60 * run["minutes"])
            )
    return "\n".join([_HEAD, *(_row(*key, values) for key, values in sorted(cells.items()))])


def _all_runs(result: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """Yield a task's runs of the times that a budget had; beside an undisturbed one's, what takes no part, or less.

    The latter are what the exhaustive sweep recommends, whatever it takes, the recipe's mean, which takes nothing, and
    the searches that had tried everything in a lesser time.
    """
    runs, truth = result["runs"], result["truth"]
    times = {run["minutes"] for run in runs if run["who"] == THAW and not run["beside"]}
    yield from (run for run in runs if run["beside"] or run["minutes"] in times)
    measured = {(run["who"], run["minutes"]) for run in runs}
    for minutes in times:
        same = {"minutes": minutes, "beside": 0}
        yield {"who": SWEEP, "test": truth["chosen"]["test"], "seconds": truth["seconds"], **same}
        mean = next(mean for *place, mean in truth["means"] if tuple(place) == RECIPE)
        yield {"who": "recipe", "test": mean, "seconds": 0.0, **same}
        lesser = (run for run in runs if run["minutes"] < minutes and run["who"] in _ORACLES)
        ended = {run["who"]: run for run in lesser if run["seconds"] < 60 * run["minutes"]}
        yield from ({**run, **same} for who, run in ended.items() if (who, minutes) not in measured)


_HEAD = """| minutes | beside | who | tasks | mean regret | greatest | share of time | ended after the time, s |
|---|---|---|---|---|---|---|---|"""


def _row(minutes: float, beside: int, who: str, values: Sequence[tuple[float, float, float]]) -> str:
    losses, shares, late = zip(*values, strict=True)
    return (
        f"| {minutes:g} | {beside} | {who} | {len(values)} | {fmean(losses):.2f} | {max(losses):.2f} | "
        f"{fmean(shares):.2f} | {max(late):+.0f} |"
    )


def main() -> None:
    """Run the tasks named on the command line, and print the table of all that FOLDER has."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("tasks", nargs="*")
    parser.add_argument("--minutes", type=float, nargs="+", default=[2.0, 5.0])
    parser.add_argument("--who", nargs="+", choices=CONTENDERS, default=list(CONTENDERS))
    parser.add_argument("--beside", type=int, default=0, help="processes that keep a core busy each")
    given = parser.parse_args()
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background jobs ignore it, and so do theirs
    folder = given.folder.resolve()
    for name in given.tasks:
        run_task(name, folder, given.minutes, given.who, given.beside)
    print(table([json.loads(path.read_text("utf-8")) for path in sorted(folder.glob("*.json"))]))


if __name__ == "__main__":
    main()
