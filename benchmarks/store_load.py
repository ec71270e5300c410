"""The load of a study on its store: ``python -m benchmarks.store_load --to http://127.0.0.1:5000``.

Processes log runs as trials do, as fast as the store takes them; nothing trains. It
prints runs and calls a second, and the seconds that one run takes a process.
"""

import argparse
import statistics
import time
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

CALLS_BESIDE_EPOCHS = 9
"""Of a run: it is made, described, asked for before files, given four files and its last metrics, and ended."""


@dataclass(frozen=True)
class Load:
    """What each process logs: `runs` runs, with a call for each of `epochs` epochs."""

    uri: str
    runs: int
    epochs: int


def log_runs(load: Load, process: int) -> list[tuple[float, float]]:
    """Log the runs of one process; return when each began and ended, in seconds since 1970."""
    from src.config import TrackingConfig
    from src.tracking import mlflow_run
    from src.tracking.mlflow_store import open_store

    mlflow_run._FLUSH_SECONDS = 0.0
    store = TrackingConfig(uri=load.uri, experiment="load", run_name=None, save_model=False)
    client, experiment = open_store(store, Path.cwd())
    times = []
    for number in range(load.runs):
        began = time.time()
        with mlflow_run.started_run(
            client, experiment, "load", int(began), {"trial_key": f"{process}.{number}"}
        ) as run:
            _log(run, load.epochs)
        times.append((began, time.time()))
    return times


def _log(run: Any, epochs: int) -> None:
    params = {f"p{number}": "value" for number in range(20)}
    run.tags({"configuration": "x" * 2000} | {f"t{number}": "value" for number in range(30)} | params)
    for epoch in range(epochs):
        run.metrics({f"val/m{number}": epoch / (number + 1) for number in range(8)}, epoch)
    with TemporaryDirectory() as folder:
        for name in ("val", "test", "probabilities"):
            (Path(folder) / f"{name}.npz").write_bytes(b"x" * 40_000)
        run.files(Path(folder), "predictions")
    run.text("{}" * 2000, "summary.json")
    run.metrics({f"best/m{number}": number / 40 for number in range(40)}, epochs)


def main() -> None:
    """Log the runs and print the store's throughput."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.store_load", description=__doc__)
    parser.add_argument("--to", required=True, metavar="URI", help="the store")
    parser.add_argument("--runs", type=int, default=2000)
    parser.add_argument("--processes", type=int, default=16)
    parser.add_argument("--epochs", type=int, default=20)
    options = parser.parse_args()
    load = Load(options.to, options.runs // options.processes, options.epochs)
    with ProcessPoolExecutor(options.processes, mp_context=get_context("spawn")) as pool:
        times = [pair for pairs in pool.map(partial(log_runs, load), range(options.processes)) for pair in pairs]
    seconds = max(end for _, end in times) - min(began for began, _ in times)
    calls = len(times) * (CALLS_BESIDE_EPOCHS + options.epochs)
    one = statistics.median(end - began for began, end in times)
    print(f"{len(times)} runs by {options.processes} processes in {seconds:.1f} s")
    print(f"{len(times) / seconds:.1f} runs/s, {calls / seconds:.0f} calls/s, {one:.2f} s a run in one process")


if __name__ == "__main__":
    main()
