"""Time the reference sweep by Thaw, by the loop a Keras user writes, and by KerasTuner, in one run: ``make bench``.

Each is a process of its own, one after the other in turn. Thaw runs all 32 trials, twice, from an empty store; the
peers run a trial of each depth, and what 32 would take follows by depth. The floor is what the arithmetic alone takes.
Writes benchmarks/results.json, and prints it.
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
from collections.abc import Callable, Sequence
from dataclasses import dataclass
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
from src.tracking.store import open_store

_SAME_IN_ALL = len(TRIALS) // len(DEPTHS)


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
    with tempfile.TemporaryFile("w+") as out:
        process = subprocess.Popen(command, stdout=out, stderr=subprocess.DEVNULL, env={**os.environ, **environment})
        _, status, usage = os.wait4(process.pid, 0)
        seconds = time.perf_counter() - began
        print(f"  {seconds:.1f} s", file=sys.stderr, flush=True)
        out.seek(0)
        if status:
            raise subprocess.CalledProcessError(status, command)
        return Timed(seconds, usage.ru_maxrss * 1024 / 1e9, out.read())


class Bench:
    """The photos and weights, and the commands on them."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.photos = write_photos(folder / "photos")
        self.weights = folder / "bench.weights.h5"
        timed(self._module("weights", str(self.photos), str(self.weights)))

    def thaw(self, name: str, depths: Sequence[int] = DEPTHS, *more: str) -> Timed:
        """The reference sweep, or some depths: nothing decoded, computed or trained yet, but MLflow's database made."""
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

    def trials(self, name: str) -> list[dict[str, float]]:
        """The rows of a sweep of Thaw's, numbers only, in the order in which they ended."""
        with (self.folder / name / "out" / "report" / "trials.csv").open(encoding="utf-8") as file:
            rows = [{column: _number(text) for column, text in row.items()} for row in csv.DictReader(file)]
        return [{column: value for column, value in row.items() if value is not None} for row in rows]

    def uncached(self) -> Timed:
        """The sample with frozen layers computed at each epoch, to compare the numbers."""
        few = [f"dropout={DROPOUTS[0]}", f"fine_tune_learning_rate={FINE_TUNE_RATES[0]}", f"seed={SEEDS[0]}"]
        return self.thaw("uncached", DEPTHS, *few, "features.store=false")

    def keras(self, xla: str) -> tuple[Timed, dict[int, float]]:
        """The Keras loop on the sample, and the seconds of each depth."""
        found = timed(self._module("plain_keras", str(self.photos), str(self.weights), xla))
        return found, {int(depth): seconds for depth, seconds in json.loads(found.output).items()}

    def tuner(self) -> tuple[Timed, float]:
        """KerasTuner on the sample, and the seconds that its search takes."""
        found = timed(self._module("keras_tuner_grid", str(self.photos), str(self.weights), str(self.folder / "tuner")))
        return found, float(found.output.strip().splitlines()[-1])

    def floor(self) -> dict[str, float]:
        """Seconds of the pass and of each depth's steps."""
        lines = timed(self._module("floor", str(self.photos), str(self.weights))).output.strip().splitlines()
        return {name: float(seconds) for name, seconds in json.loads(lines[-1]).items()}

    def _module(self, name: str, *arguments: str) -> list[str]:
        return [sys.executable, "-m", f"benchmarks.{name}", *arguments]


def _many(values: Sequence[object]) -> str:
    return ",".join(map(str, values))


def _number(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None


def extrapolated(whole: float, by_depth: dict[int, float], depths: Sequence[int] = DEPTHS) -> float:
    """What all trials of `depths` would take: the start as it was, and each depth's trial as often as it occurs."""
    start = whole - sum(by_depth.values())
    return start + _SAME_IN_ALL * sum(by_depth[depth] for depth in depths)


def marginal(trials: Sequence[dict[str, float]]) -> dict[str, float]:
    """Seconds of the median trial of each depth, all included."""
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


def measure(bench: Bench, say: Callable[[str], None]) -> dict[str, Any]:
    """Run everyone in turn."""
    thaw, floors, shallow = [], [], []
    say("Thaw, 1 of 2")
    thaw.append(bench.thaw("thaw-1"))
    say("the floor, 1 of 2")
    floors.append(bench.floor())
    say("Keras, XLA off")
    off, off_by_depth = bench.keras("off")
    say("Thaw at depths 0 and 2")
    shallow.append(bench.thaw("shallow", DEPTHS[:2]))
    say("KerasTuner")
    _, searched = bench.tuner()
    say("Thaw, 2 of 2")
    thaw.append(bench.thaw("thaw-2"))
    say("the floor, 2 of 2")
    floors.append(bench.floor())
    say("Keras as it comes, XLA on")
    on, on_by_depth = bench.keras("auto")
    say("Thaw with two processes of a thread each")
    both = bench.thaw("both", DEPTHS, "hydra/launcher=joblib", "hydra.launcher.n_jobs=2", "runtime.threads=1")
    say("Thaw without the store")
    bench.uncached()
    seconds = median(each.seconds for each in thaw)
    floor = median(sum(each.values()) for each in floors)
    keras_off, keras_on = extrapolated(off.seconds, off_by_depth), extrapolated(on.seconds, on_by_depth)
    tuner = off.seconds - sum(off_by_depth.values()) + searched * _SAME_IN_ALL
    few = extrapolated(off.seconds, off_by_depth, DEPTHS[:2])
    return {
        "seconds": {
            "thaw": seconds, "thaw_runs": [each.seconds for each in thaw], "thaw_two_processes": both.seconds,
            "thaw_depths_0_and_2": shallow[0].seconds, "floor": floor, "floor_parts": floors,
            "keras_xla_off": keras_off, "keras_as_it_comes": keras_on, "keras_tuner": tuner,
            "keras_xla_off_depths_0_and_2": few,
        },
        "ratios": {
            "keras_xla_off": keras_off / seconds, "keras_as_it_comes": keras_on / seconds,
            "keras_tuner": tuner / seconds, "keras_xla_off_depths_0_and_2": few / shallow[0].seconds,
            "floor": seconds / floor, "two_processes": seconds / both.seconds,
        },
        "sampled": {
            "trials": len(SAMPLE), "of": len(TRIALS), "keras_xla_off": off_by_depth, "keras_as_it_comes": on_by_depth,
            "keras_tuner": searched,
        },
        "marginal_trial_seconds": marginal(bench.trials("thaw-2")),
        "largest_difference_to_uncached": largest_difference(bench.trials("thaw-2"), bench.trials("uncached")),
        "peak_gb": {"thaw": thaw[-1].peak_gb, "keras_xla_off": off.peak_gb, "keras_as_it_comes": on.peak_gb},
        "machine": {"cores": os.cpu_count(), "processor": platform.processor() or platform.machine()},
    }  # fmt: skip


def main() -> None:
    """Measure, write and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--folder", type=Path, help="where to work; must not exist (default: a temporary folder)")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = given.folder or Path(temporary) / "bench"
        results = measure(Bench(folder), lambda text: print(text, file=sys.stderr, flush=True))
    text = json.dumps(results, indent=1)
    Path(__file__).with_name("results.json").write_text(text + "\n", "utf-8")
    print(text)


if __name__ == "__main__":
    main()
