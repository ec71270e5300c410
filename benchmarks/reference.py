"""Time the reference sweep by Thaw, by the loop a Keras user writes, and by KerasTuner, in one run: ``make bench``.

Each is a process of its own, one after the other in turn. Thaw runs all 32 trials, from an empty store; the peers run a
trial of each depth, and what 32 would take follows by depth. The floor is what the arithmetic alone takes. Writes
benchmarks/results.json, and prints its table.
"""

import argparse
import csv
import json
import os
import platform
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks.sweep import (
    BATCH,
    DEPTHS,
    DROPOUTS,
    EPOCHS,
    FINE_TUNE_EPOCHS,
    FINE_TUNE_RATES,
    RATE,
    SAMPLE,
    SEEDS,
    SIDE,
    TRIALS,
    write_photos,
)  # fmt: skip
from src.config import TrackingConfig
from src.tracking.mlflow_store import open_store

_OF_EACH_DEPTH = len(TRIALS) // len(DEPTHS)
SHALLOW = DEPTHS[:2]
IN_TURN = (
    "thaw", "floor", "keras_xla_off", "thaw_two_processes", "thaw_depths_0_and_2", "keras_tuner", "floor", "thaw",
    "keras_as_it_comes", "thaw_depths_0_and_2", "thaw_two_processes", "floor", "keras_xla_on", "thaw_uncached",
)  # fmt: skip
"""Who runs after whom: what else the machine does meets all alike."""

_ONE_OF_EACH = (f"dropout={DROPOUTS[0]}", f"fine_tune_learning_rate={FINE_TUNE_RATES[0]}", f"seed={SEEDS[0]}")
_THAW: dict[str, tuple[Sequence[int], Sequence[str]]] = {
    "thaw": (DEPTHS, ()),
    "thaw_two_processes": (DEPTHS, ("hydra/launcher=joblib", "hydra.launcher.n_jobs=2", "runtime.threads=1")),
    "thaw_depths_0_and_2": (SHALLOW, ()),
    "thaw_uncached": (DEPTHS, (*_ONE_OF_EACH, "features.store=false")),
}
_OTHERS = {
    "keras_xla_off": ("plain_keras", "off"),
    "keras_xla_on": ("plain_keras", "on", str(DEPTHS[0])),
    "keras_as_it_comes": ("plain_keras", "auto"),
    "keras_tuner": ("keras_tuner_grid",),
    "floor": ("floor",),
}


_KERAS = ("keras_xla_off", "keras_xla_on", "keras_as_it_comes")


@dataclass(frozen=True)
class Timed:
    """One process: its wall time, its greatest memory, and what it printed."""

    seconds: float
    peak_gb: float
    output: str


def timed(command: Sequence[str], **environment: str) -> Timed:
    """Run `command` to its end.

    Raises:
        CalledProcessError: it failed.
    """
    began = time.perf_counter()
    with tempfile.TemporaryFile("w+") as out, tempfile.TemporaryFile("w+") as err:
        process = subprocess.Popen(command, stdout=out, stderr=err, env={**os.environ, **environment})
        _, status, usage = os.wait4(process.pid, 0)
        seconds = time.perf_counter() - began
        print(f"  {seconds:.1f} s", file=sys.stderr, flush=True)
        out.seek(0)
        if status:
            err.seek(0)
            print(err.read()[-4000:], file=sys.stderr)
            raise subprocess.CalledProcessError(status, command)
        return Timed(seconds, usage.ru_maxrss * 1024 / 1e9, out.read())


class Bench:
    """The photos and weights, and the commands on them. `turn` tells the folders of one command's runs apart."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.photos = write_photos(folder / "photos")
        self.weights = folder / "bench.weights.h5"
        timed(self._module("weights", str(self.photos), str(self.weights)))

    def run(self, who: str, turn: int) -> Timed:
        """Let one of :data:`IN_TURN` do its part."""
        if who in _THAW:
            return self._thaw(f"{who}-{turn}", *_THAW[who])
        script, *more = _OTHERS[who]
        return timed(self._module(script, str(self.photos), str(self.weights), *more))

    def trials(self, name: str) -> list[dict[str, float]]:
        """The rows of a sweep of Thaw's, numbers only."""
        with (self.folder / name / "out" / "report" / "trials.csv").open(encoding="utf-8") as file:
            rows = [{column: _number(text) for column, text in row.items()} for row in csv.DictReader(file)]
        return [{column: value for column, value in row.items() if value is not None} for row in rows]

    def _thaw(self, name: str, depths: Sequence[int], more: Sequence[str]) -> Timed:
        """Nothing decoded, computed or trained yet, but MLflow's database made."""
        home = self.folder / name
        open_store(
            TrackingConfig(uri=f"sqlite:///{home}/mlflow.db", experiment="thaw", run_name=None, save_model=True), home
        )
        phases = ("feature_extraction", "fine_tuning")
        numbers = [f"epochs={EPOCHS}", f"fine_tune_epochs={FINE_TUNE_EPOCHS}", f"learning_rate={RATE}"]
        command = [
            sys.executable, "-m", "src.train", "-m", f"unfrozen={_many(depths)}", f"dropout={_many(DROPOUTS)}",
            f"fine_tune_learning_rate={_many(FINE_TUNE_RATES)}", f"seed={_many(SEEDS)}", *numbers,
            f"batch_size={BATCH}", f"image_size={SIDE}", "data=folder", f"data.root={self.photos}", "weights=file",
            f"weights.path={self.weights}", *(f"schedule.{phase}.patience=null" for phase in phases),
            *(f"schedule.{phase}.plateau_patience=null" for phase in phases), f"tracking.uri=sqlite:///{home}/mlflow.db",
            f"hydra.sweep.dir={home}/out", *more,
        ]  # fmt: skip
        return timed(command, THAW_CACHE_DIR=f"{home}/cache", THAW_WORK_DIR=f"{home}/work")

    def _module(self, name: str, *arguments: str) -> list[str]:
        return [sys.executable, "-m", f"benchmarks.{name}", *arguments]


def _many(values: Sequence[object]) -> str:
    return ",".join(map(str, values))


def _number(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None


def parts(run: Timed) -> dict[str, float]:
    """The seconds that a script printed as JSON in its last line: of each depth, or of each step."""
    found: dict[str, float] = json.loads(run.output.strip().splitlines()[-1])
    return found


def reckoned(run: Timed, depths: Sequence[int] = DEPTHS) -> float:
    """What all trials of `depths` would take: the start as it was, and each depth's trial as often as it occurs.

    A depth that did not run counts as the cheapest that did.
    """
    by_depth = parts(run)
    start, cheapest = run.seconds - sum(by_depth.values()), min(by_depth.values())
    return start + _OF_EACH_DEPTH * sum(by_depth.get(str(depth), cheapest) for depth in depths)


def all_seconds(runs: Mapping[str, Sequence[Timed]]) -> dict[str, float]:
    """What everyone takes for the whole sweep, and two of them for its shallow half."""
    tuner = runs["keras_tuner"][0]
    searched = parts(tuner)["search"]
    own = ("thaw", "thaw_two_processes", "thaw_depths_0_and_2")
    return {
        **{who: median(run.seconds for run in runs[who]) for who in own},
        **{who: reckoned(runs[who][0]) for who in _KERAS},
        "keras_tuner": tuner.seconds + (_OF_EACH_DEPTH - 1) * searched,
        "keras_xla_off_depths_0_and_2": reckoned(runs["keras_xla_off"][0], SHALLOW),
        "floor": median(sum(parts(run).values()) for run in runs["floor"]),
    }


def all_ratios(seconds: Mapping[str, float]) -> dict[str, float]:
    """How many times as long as Thaw's, in one process, everyone's sweep takes; and Thaw's as the floor's."""
    return {
        **{who: seconds[who] / seconds["thaw"] for who in (*_KERAS, "keras_tuner")},
        "keras_xla_off_depths_0_and_2": seconds["keras_xla_off_depths_0_and_2"] / seconds["thaw_depths_0_and_2"],
        "thaw_to_floor": seconds["thaw"] / seconds["floor"],
        "thaw_two_processes_to_floor": seconds["thaw_two_processes"] / seconds["floor"],
        "one_process_to_two": seconds["thaw"] / seconds["thaw_two_processes"],
    }


def marginal(trials: Sequence[dict[str, float]]) -> dict[str, float]:
    """Seconds of the median trial of each depth, from its checked configuration to its finished run."""
    return {
        str(depth): median(trial["time/total"] for trial in trials if trial["unfrozen"] == depth) for depth in DEPTHS
    }


def largest_difference(kept: Sequence[dict[str, float]], uncached: Sequence[dict[str, float]]) -> float:
    """Over all metrics but times of the trials that both have."""
    names = ("unfrozen", "dropout", "fine_tune_learning_rate", "seed")
    by_trial = {tuple(trial[name] for name in names): trial for trial in kept}
    return max(
        abs(value - by_trial[tuple(trial[name] for name in names)][metric])
        for trial in uncached
        for metric, value in trial.items()
        if metric.startswith(("fit/", "val/", "train/", "best/", "gap/"))
    )


def machine() -> dict[str, str | int | None]:
    """What all ran on."""
    about = Path("/proc/cpuinfo")
    lines = about.read_text("utf-8").splitlines() if about.exists() else []
    models = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    packages = {package: version(package) for package in ("tensorflow", "keras", "keras-tuner")}
    return {"processor": models[0] if models else platform.machine(), "cores": os.cpu_count(), **packages}


def measure(bench: Bench) -> dict[str, Any]:
    """Run everyone in turn, and put together what is found."""
    runs: dict[str, list[Timed]] = {}
    for who in IN_TURN:
        print(who, file=sys.stderr, flush=True)
        runs.setdefault(who, []).append(bench.run(who, len(runs.get(who, ())) + 1))
    seconds, kept = all_seconds(runs), bench.trials("thaw-1")
    return {
        "seconds": seconds,
        "ratios": all_ratios(seconds),
        "marginal_trial_seconds": marginal(kept),
        "largest_difference_to_uncached": largest_difference(kept, bench.trials("thaw_uncached-1")),
        "sampled": {
            "of": len(TRIALS),
            "trials": {who: 1 if who == "keras_xla_on" else len(SAMPLE) for who in (*_KERAS, "keras_tuner")},
        },
        "peak_gb": {who: max(run.peak_gb for run in found) for who, found in runs.items()},
        "runs": {who: [run.seconds for run in found] for who, found in runs.items()},
        "parts": {who: [parts(run) for run in found] for who, found in runs.items() if not who.startswith("thaw")},
        "keras_as_it_comes_is": runs["keras_as_it_comes"][0].output.splitlines()[0],
        "machine": machine(),
    }


def table(results: Mapping[str, Any]) -> str:
    """The seconds and what they are to Thaw's, in Markdown."""
    names = {
        "thaw": "Thaw, one process", "thaw_two_processes": "Thaw, two processes of a thread each",
        "keras_xla_off": "Keras, XLA off", "keras_xla_on": "Keras, XLA on",
        "keras_as_it_comes": f"Keras as it comes: {results['keras_as_it_comes_is']}",
        "keras_tuner": "KerasTuner, XLA off", "floor": "the floor",
    }  # fmt: skip
    seconds = results["seconds"]
    rows = [f"| {name} | {seconds[who]:.0f} | {seconds[who] / seconds['thaw']:.2f} |" for who, name in names.items()]
    return "\n".join(["| who | seconds | to Thaw's in one process |", "|---|---|---|", *rows])


def main() -> None:
    """Measure, write and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--folder", type=Path, help="where to work; must not exist (default: a temporary folder)")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        results = measure(Bench(given.folder or Path(temporary) / "bench"))
    Path(__file__).with_name("results.json").write_text(json.dumps(results, indent=1) + "\n", "utf-8")
    print(table(results))


if __name__ == "__main__":
    main()
