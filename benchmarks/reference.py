"""Time the reference sweep by Thaw, by the loop a Keras user writes, and by KerasTuner, in one run: ``make bench``.

Each is a command of its own, one after the other in turn. Thaw runs all trials, from an empty store; the peers run a
trial of each depth, and what all would take follows by depth. The floor is what the arithmetic alone takes. Adds to
benchmarks/results.json, and prints a table. ``--quick`` takes the shallow half and one peer's trial, writes nothing,
and fails where a ratio has fallen by a fifth. ``THAW_BENCH_SIDE=224`` is the sweep at 224 px.
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
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from statistics import fmean, median
from typing import Any

from benchmarks.sweep import (
    BATCH,
    DEPTHS,
    DROPOUTS,
    EPOCHS,
    FINE_TUNE_EPOCHS,
    FINE_TUNE_RATES,
    RATE,
    SEEDS,
    SIDE,
    TRIALS,
    write_photos,
)  # fmt: skip
from src.config import TrackingConfig
from src.tracking.mlflow_store import open_store

RESULTS = Path(__file__).with_name("results.json")
_OF_EACH_DEPTH = len(TRIALS) // len(DEPTHS)
SHALLOW = DEPTHS[:2]
IN_TURN = {
    96: (
        "thaw", "floor", "keras_xla_off", "thaw_one_process", "shallow", "keras_tuner", "floor_two_processes", "thaw",
        "keras_as_it_comes", "shallow", "thaw_one_process", "floor", "keras_xla_on", "thaw_uncached",
    ),
    224: (
        "thaw", "floor", "keras_xla_off", "thaw_one_process", "shallow", "keras_tuner", "floor_two_processes", "thaw",
        "shallow", "floor", "thaw_uncached",
    ),
}  # fmt: skip
"""Who runs after whom, by the images' side: what else the machine does meets all alike."""
QUICK = ("shallow", "keras_shallow", "floor", "shallow")
_LARGEST_FALL = 0.2

_ONE_OF_EACH = (f"dropout={DROPOUTS[0]}", f"fine_tune_learning_rate={FINE_TUNE_RATES[0]}", f"seed={SEEDS[0]}")
_ONE_PROCESS = "hydra/launcher=basic"
_THAW: dict[str, tuple[Sequence[int], Sequence[str]]] = {
    "thaw": (DEPTHS, ("hydra/launcher=auto",)),
    "thaw_one_process": (DEPTHS, (_ONE_PROCESS,)),
    "shallow": (SHALLOW, (_ONE_PROCESS,)),
    "thaw_uncached": (DEPTHS, (_ONE_PROCESS, *_ONE_OF_EACH, "features.store=false")),
}
_OTHERS = {
    "keras_xla_off": ("plain_keras", "off"),
    "keras_shallow": ("plain_keras", "off", str(DEPTHS[0])),
    "keras_xla_on": ("plain_keras", "on", str(DEPTHS[0])),
    "keras_as_it_comes": ("plain_keras", "auto"),
    "keras_tuner": ("keras_tuner_grid",),
    "floor": ("floor",),
}


_KERAS = ("keras_xla_off", "keras_xla_on", "keras_as_it_comes")
_FLOORS = ("floor", "floor_two_processes")


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
        if who == "floor_two_processes":
            return self._floor_of_two()
        script, *more = _OTHERS[who]
        return timed(self._module(script, str(self.photos), str(self.weights), *more))

    def _floor_of_two(self) -> Timed:
        """Two processes of a thread each, at once: each part takes half of what it takes one of them."""
        command = self._module("floor", str(self.photos), str(self.weights), "1")
        with ThreadPoolExecutor(2) as pool:
            both = list(pool.map(timed, [command, command]))
        halves = {name: fmean(parts(run)[name] for run in both) / 2 for name in parts(both[0])}
        return Timed(max(run.seconds for run in both), max(run.peak_gb for run in both), json.dumps(halves))

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
    """What everyone who ran takes for the whole sweep; `shallow` and `keras_shallow`: for depths 0 and 2 alone."""
    seconds = {who: median(run.seconds for run in runs[who]) for who in _THAW if who in runs}
    seconds |= {who: reckoned(runs[who][0]) for who in _KERAS if who in runs}
    seconds |= {who: median(sum(parts(run).values()) for run in runs[who]) for who in _FLOORS if who in runs}
    if "keras_tuner" in runs:
        tuner = runs["keras_tuner"][0]
        seconds["keras_tuner"] = tuner.seconds + (_OF_EACH_DEPTH - 1) * parts(tuner)["search"]
    shallow = runs.get("keras_shallow") or runs.get("keras_xla_off")
    if shallow:
        seconds["keras_shallow"] = reckoned(shallow[0], SHALLOW)
    floors = [parts(run) for run in runs.get("floor", ())]
    if floors:
        of_shallow = ("pass", *(f"depth {depth}" for depth in SHALLOW))
        seconds["floor_shallow"] = median(sum(floor[name] for name in of_shallow) for floor in floors)
    return seconds


_COMPARED = {
    "keras_to_thaw": ("keras_xla_off", "thaw"),
    "keras_tuner_to_thaw": ("keras_tuner", "thaw"),
    "keras_to_one_process": ("keras_xla_off", "thaw_one_process"),
    "keras_to_thaw_shallow": ("keras_shallow", "shallow"),
    "floor_to_thaw": ("floor", "thaw"),
    "floor_two_processes_to_thaw": ("floor_two_processes", "thaw"),
    "floor_to_one_process": ("floor", "thaw_one_process"),
    "floor_to_thaw_shallow": ("floor_shallow", "shallow"),
    "one_process_to_thaw": ("thaw_one_process", "thaw"),
}
"""Ratios by name: the first one's seconds to the second's. More is better for Thaw, in each of them."""


def all_ratios(seconds: Mapping[str, float]) -> dict[str, float]:
    """Return the ratios of those who ran."""
    return {
        name: seconds[one] / seconds[other]
        for name, (one, other) in _COMPARED.items() if one in seconds and other in seconds
    }  # fmt: skip


def fallen(ratios: Mapping[str, float], before: Mapping[str, float]) -> list[str]:
    """Return a line for each ratio that has fallen by more than a fifth."""
    return [
        f"{name}: {ratio:.2f}, was {before[name]:.2f}"
        for name, ratio in ratios.items() if ratio < (1 - _LARGEST_FALL) * before.get(name, 0.0)
    ]  # fmt: skip


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


def commit() -> str:
    """The commit that is measured, with a + where files have changed since; empty where none is known."""
    command = ["git", "-C", str(RESULTS.parent), "describe", "--always", "--abbrev=12", "--exclude=*", "--dirty=+"]
    return subprocess.run(command, capture_output=True, text=True, check=False).stdout.strip()


def run_all(bench: Bench, turns: Sequence[str]) -> dict[str, list[Timed]]:
    """Run everyone in turn."""
    runs: dict[str, list[Timed]] = {}
    for who in turns:
        print(who, file=sys.stderr, flush=True)
        runs.setdefault(who, []).append(bench.run(who, len(runs.get(who, ())) + 1))
    return runs


def measure(bench: Bench) -> dict[str, Any]:
    """Run everyone in turn, and put together what is found."""
    runs = run_all(bench, IN_TURN[SIDE])
    seconds, kept = all_seconds(runs), bench.trials("thaw_one_process-1")
    return {
        "commit": commit(),
        "side": SIDE,
        "trials": len(TRIALS),
        "seconds": seconds,
        "ratios": all_ratios(seconds),
        "marginal_trial_seconds": marginal(kept),
        "largest_difference_to_uncached": largest_difference(kept, bench.trials("thaw_uncached-1")),
        "largest_difference_to_one_process": largest_difference(kept, bench.trials("thaw-1")),
        "peak_gb": {who: max(run.peak_gb for run in found) for who, found in runs.items()},
        "runs": {who: [run.seconds for run in found] for who, found in runs.items()},
        "parts": {who: [parts(run) for run in found] for who, found in runs.items() if who not in _THAW},
        "machine": machine(),
    }


def table(results: Mapping[str, Any]) -> str:
    """The seconds and what they are to Thaw's, in Markdown."""
    names = {
        "thaw": "Thaw, hydra/launcher=auto", "thaw_one_process": "Thaw, one process", "keras_xla_off": "Keras, XLA off",
        "keras_xla_on": "Keras, XLA on", "keras_as_it_comes": "Keras as it comes", "keras_tuner": "KerasTuner, XLA off",
        "floor": "the floor", "floor_two_processes": "the floor, two processes of a thread each",
    }  # fmt: skip
    seconds = {who: value for who, value in results["seconds"].items() if who in names}
    rows = [f"| {names[who]} | {seconds[who]:.0f} | {seconds[who] / seconds['thaw']:.2f} |" for who in seconds]
    return "\n".join([f"| who, {results['side']} px | seconds | to Thaw's |", "|---|---|---|", *rows])


def main() -> int:
    """Measure, write and print; 1 where a ratio has fallen."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--folder", type=Path, help="where to work; must not exist (default: a temporary folder)")
    parser.add_argument("--quick", action="store_true", help="some minutes: compare with the last results")
    given = parser.parse_args()
    history: list[dict[str, Any]] = json.loads(RESULTS.read_text("utf-8"))
    before = next((results["ratios"] for results in reversed(history) if results["side"] == SIDE), {})
    with tempfile.TemporaryDirectory() as temporary:
        bench = Bench(given.folder or Path(temporary) / "bench")
        if given.quick:
            ratios = all_ratios(all_seconds(run_all(bench, QUICK)))
            print("\n".join(f"{name}: {ratio:.2f}" for name, ratio in ratios.items()))
            lines = fallen(ratios, before)
            print("\n".join(f"fallen by more than a fifth: {line}" for line in lines), end="\n" * bool(lines))
            return 1 if lines else 0
        results = measure(bench)
    RESULTS.write_text(json.dumps([*history, results], indent=1) + "\n", "utf-8")
    print(table(results))
    return 0


if __name__ == "__main__":
    sys.exit(main())
