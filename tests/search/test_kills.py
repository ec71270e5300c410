"""A real sweep, killed all over its trials and run again until it is done, comes to what an unkilled one comes to."""

import random
import signal
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.stores import client_in, runs_of
from tests.typist import Typist

STEPS = 6
"""Kills until a first trial ends."""
TRIAL = (
    "-m", "backbone=lenet5", "schedule=two_phase", "data=folder", "image_size=32", "batch_size=8", "dropout=0.5",
    "augment=light", "epochs=3", "fine_tune_epochs=3", "study=killed", "tracking.save_model=false",
    "runtime.progress=false",
)  # fmt: skip
GRID = ("unfrozen=0,2,all", "seed=0,1")
SEARCH = ("hydra/sweeper=keras_tuner", "hydra.sweeper.max_trials=5", "learning_rate=tag(log,interval(1e-4,1e-1))")


RunFor = Callable[[float | None, tuple[str, ...], Path], int | None]


@pytest.fixture
def run_for(heavy_typist: Typist, photos: Path) -> RunFor:
    """Return a function that runs a sweep, killed with all its processes after so many seconds, if any.

    It returns the exit status, None where the sweep was killed.
    """

    def run(seconds: float | None, overrides: tuple[str, ...], folder: Path) -> int | None:
        places = (
            f"data.root={photos}", f"tracking.uri=sqlite:///{folder}/mlflow.db", f"runtime.work_dir={folder}/work",
            f"runtime.cache_dir={folder}/cache", f"hydra.sweep.dir={folder}/sweep",
        )  # fmt: skip
        done = heavy_typist.start("src.train", *TRIAL, *overrides, *places, cwd=folder).wait(seconds)
        assert done.status in {0, -signal.SIGKILL}, done.said
        return None if done.status else 0

    return run


def runs(folder: Path) -> list[Any]:
    return runs_of(client_in(folder))


def numbers(found: list[Any]) -> dict[str, dict[str, float]]:
    """What was measured, by trial key; a trial that finished twice fails here."""
    finished = [run for run in found if run.info.status == "FINISHED" and "trial_key" in run.data.tags]
    assert max(Counter(run.data.tags["trial_key"] for run in finished).values()) == 1
    return {
        run.data.tags["trial_key"]: {k: v for k, v in run.data.metrics.items() if not k.startswith("time/")}
        for run in finished
    }


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_kills_at_any_moment_change_nothing(run_for: RunFor, tmp_path: Path) -> None:
    unkilled, killed = tmp_path / "unkilled", tmp_path / "killed"
    for folder in (unkilled, killed):
        folder.mkdir()
    began = time.time()
    assert run_for(None, GRID, unkilled) == 0
    first_trial = min(run.info.end_time / 1000 for run in runs(unkilled) if "trial_key" in run.data.tags) - began
    generator, kills = random.Random(0), 0
    while run_for((kills + generator.random()) * first_trial / STEPS, GRID, killed) is None:
        kills += 1  # later each time, until what is left comes to its end before its kill
    assert kills >= STEPS // 2
    found = runs(killed)
    expected = numbers(runs(unkilled))
    assert len(expected) == 6
    assert numbers(found) == expected
    assert {run.info.status for run in found} <= {"FINISHED", "KILLED"}
    (parent,) = [run for run in found if run.data.tags.get("study") == "killed"]
    assert parent.info.status == "FINISHED"
    assert parent.data.metrics["trials/reused"] > 0, "no trial came through between the kills"
    children = [run for run in found if run.data.tags.get("mlflow.parentRunId") == parent.info.run_id]
    assert {run.data.tags["trial_key"] for run in children} == set(expected)


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_a_killed_search_is_the_same_search(run_for: RunFor, tmp_path: Path) -> None:
    unkilled, killed = tmp_path / "unkilled", tmp_path / "killed"
    for folder in (unkilled, killed):
        folder.mkdir()
    began = time.time()
    assert run_for(None, SEARCH, unkilled) == 0
    whole = time.time() - began
    for part in (0.4, 0.7):
        run_for(part * whole, SEARCH, killed)
    assert run_for(None, SEARCH, killed) == 0
    expected = numbers(runs(unkilled))
    assert len(expected) == 5
    assert numbers(runs(killed)) == expected
