"""A time budget as a user spends it: decided, kept, reused, cut off and gone on with."""

import os
import random
import re
import shutil
import signal
import time
from pathlib import Path
from typing import Any

import mlflow
import numpy as np
import pytest
from PIL import Image

from src.search.budget_log import BudgetLog, Session
from src.tracking.study import Study, find_study
from tests.conftest import Command
from tests.processes import wait_for
from tests.search.launched import FINISHED, numbers, runs
from tests.typist import Started, Typist

TRIAL = (
    "src.advise", "backbone=lenet5", "schedule=two_phase", "data=folder", "image_size=32", "batch_size=8", "epochs=2",
    "fine_tune_epochs=4", "unfrozen=0,all", "fine_tune_learning_rate=1e-3,1e-2", "runtime.progress=false",
)  # fmt: skip


KILLS = int(os.environ.get("THAW_TEST_BUDGET_KILLS", "1"))
KILLS_SEED = int(os.environ.get("THAW_TEST_KILLS_SEED", "0"))
LONGEST = 5.0
"""Seconds until a further kill, from when the first trials are known."""


def places(photos: Path, folder: Path) -> tuple[str, ...]:
    return (
        f"data.root={photos}", f"tracking.uri=sqlite:///{folder}/mlflow.db", f"runtime.work_dir={folder}/work",
        f"runtime.cache_dir={folder}/cache", f"hydra.sweep.dir={folder}/sweep", "study=budget",
    )  # fmt: skip


def sessions_of(folder: Path) -> list[Session]:
    study = study_of(folder)
    return BudgetLog(study, {k: v for k, v in study.budget()["facts"].items() if k != "version"}).sessions


def study_of(folder: Path) -> Study:
    return find_study(mlflow.MlflowClient(f"sqlite:///{folder}/mlflow.db"), "budget")


def wait_for_result(started: Started, folder: Path, number: int) -> None:
    """Return once the trial `number` of a budget has ended."""
    result = folder / "sweep" / "results" / f"{number}.json"
    wait_for(lambda: result.exists() or not started.is_running, every=0.05)
    assert result.exists()


def verdict_of(output: str) -> list[str]:
    """Return the verdict's lines, and what was said of the budget."""
    return [line for line in output.splitlines() if re.match(r"Unfreeze|By one seed|With fewer|More min|About", line)]


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_minutes_are_spent_and_the_same_command_repeats_to_the_same_numbers(
    thaw: Command, photos: Path, tmp_path: Path
) -> None:
    """The place of the photos is an interpolation, as where they come from differs by machine."""
    words = (*TRIAL, *places(Path("'${oc.env:THAW_PHOTOS}'"), tmp_path), "minutes=0.6")
    began = time.monotonic()
    first = thaw(*words, cwd=tmp_path, THAW_PHOTOS=str(photos))
    took = time.monotonic() - began
    assert first.returncode == 0, first.stdout + first.stderr
    assert took < 36 + 15
    assert verdict_of(first.stdout), first.stdout
    assert re.search(r"predict: python -m src.predict --model runs:/\w{32} photo.jpg", first.stdout)
    (session,) = sessions_of(tmp_path)
    assert session.ended
    page = (tmp_path / "sweep" / "report" / "report.html").read_text("utf-8")
    assert "How the time was spent" in page
    again = thaw(*words, cwd=tmp_path, THAW_PHOTOS=str(photos))
    assert again.returncode == 0, again.stderr
    assert verdict_of(again.stdout) == verdict_of(first.stdout)
    assert re.search(r"(\d+) trials done, \1 reused", again.stdout), again.stdout
    assert sessions_of(tmp_path) == [session]
    fewer = shutil.copytree(photos, tmp_path / "fewer photos")
    next(fewer.glob("train/*/*")).unlink()
    anew = thaw(*words, cwd=tmp_path, THAW_PHOTOS=str(fewer))
    assert anew.returncode == 0, anew.stderr
    assert "photos or settings have changed since: the budget begins anew" in anew.stderr
    assert sessions_of(tmp_path) != [session]
    assert verdict_of(anew.stdout)


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_a_killed_budget_goes_on_by_the_same_decisions_to_the_numbers_of_a_sweep(
    heavy_typist: Typist, photos: Path, tmp_path: Path
) -> None:
    words = (*TRIAL, *places(photos, tmp_path), "minutes=0.7", "tracking.save_model=false")
    generator, decided = random.Random(KILLS_SEED), list[Any]()
    for number in range(KILLS):
        started = heavy_typist.start(*words, cwd=tmp_path)
        wait_for_result(started, tmp_path, 3)
        time.sleep(generator.uniform(0, LONGEST) if number else 0)
        if started.is_running:
            os.killpg(started.pid, signal.SIGKILL)
            assert started.wait().status == -signal.SIGKILL
        decided = check_decisions(tmp_path, decided)
    done = heavy_typist(*words, cwd=tmp_path)
    assert done.status == 0, done.said
    check_decisions(tmp_path, decided)
    (session,) = sessions_of(tmp_path)
    assert [entry.done for entry in session.rounds] == [len(entry.scores) for entry in session.rounds]
    seeds = {run.data.params["seed"] for run in runs(tmp_path, FINISHED)}
    swept = ("src.train", "-m", *TRIAL[1:], *places(photos, tmp_path / "swept"), f"seed={','.join(sorted(seeds))}")
    (tmp_path / "swept").mkdir()
    assert heavy_typist(*swept, "tracking.save_model=false", cwd=tmp_path).status == 0
    ours, theirs = numbers(tmp_path), numbers(tmp_path / "swept")
    both = ours.keys() & theirs.keys()
    print(f"{KILLS} kills, {len(ours)} trials, of which {len(both)} have full schedules")
    assert len(both) >= 2
    assert {key: ours[key] for key in both} == {key: theirs[key] for key in both}


def check_decisions(folder: Path, earlier: list[Any]) -> list[Any]:
    """The trials of the rounds decided so far, which begin with those decided earlier."""
    decided = [logged.trials for session in sessions_of(folder) for logged in session.rounds]
    assert decided, "killed before anything was decided"
    assert decided[: len(earlier)] == earlier
    return decided


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("minutes=0.1", "minutes=0.1: start and report alone take about 25 s; give 1 or more"),
        ("minutes=-1", "hydra.sweeper.minutes"),
        ("seed=0,1", "seed=0,1: the budget decides on it; give one value"),
        ("schedule=scratch", "a budget rations fine_tune_epochs, which this schedule does not use"),
        ("unfrozen=900", "900"),
        ("fine_tune_learning_rate=1e-3,fast", "fine_tune_learning_rate=fast: input should be a valid number"),
        ("data.root=nowhere", "nowhere: no such folder"),
        ("experiment=choice(quick)", "it sets data.fraction=0.2, which the budget decides on"),
    ],
)
def test_what_no_budget_can_do_is_said_at_once(
    thaw: Command, photos: Path, tmp_path: Path, override: str, message: str
) -> None:
    refused = thaw(*TRIAL, *places(photos, tmp_path), override, cwd=tmp_path)
    assert refused.returncode == 1
    assert message in refused.stderr
    assert "Traceback" not in refused.stderr


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_an_interrupted_budget_reports_what_is_known_and_goes_on(
    heavy_typist: Typist, photos: Path, tmp_path: Path
) -> None:
    words = (*TRIAL, *places(photos, tmp_path), "tracking.save_model=false")
    started = heavy_typist.start(*words, "minutes=0.7", cwd=tmp_path)
    wait_for_result(started, tmp_path, 1)
    os.kill(started.pid, signal.SIGINT)
    done = started.wait(60)
    assert done.status == 128 + signal.SIGINT, done.said
    assert "no difference is claimed" in done.out
    assert "page: " in done.out
    assert not sessions_of(tmp_path)[-1].ended
    again = heavy_typist(*words, "minutes=0.7", cwd=tmp_path)
    assert again.status == 0, again.said
    assert len(sessions_of(tmp_path)) == 1
    assert "reused" in again.out
    page = tmp_path / "sweep" / "report" / "report.html"
    assert "How the time was spent" in page.read_text("utf-8")
    anew = heavy_typist(*words, "minutes=0.5", "force=true", cwd=tmp_path)
    assert anew.status == 0, anew.said
    assert "reused" not in anew.out
    assert [session.minutes for session in sessions_of(tmp_path)] == [0.5]
    swept = heavy_typist("src.train", "-m", *words[1:], "fine_tune_learning_rate=1e-3", "seed=1,2", cwd=tmp_path)
    assert swept.status == 0, swept.said
    assert "How the time was spent" not in page.read_text("utf-8")


@pytest.fixture(scope="module")
def odd_photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """60 classes of two images and one of 40, without splits."""
    folder, generator = tmp_path_factory.mktemp("odd") / "photos", np.random.default_rng(0)
    for number in range(61):
        (folder / f"class {number}").mkdir(parents=True)
        for index in range(40 if number == 60 else 2):
            image = generator.integers(0, 256, (32, 32, 3), np.uint8)
            Image.fromarray(image).save(folder / f"class {number}" / f"{index}.png")
    return folder


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_many_classes_of_two_images_beside_a_dominating_one_are_compared_too(
    thaw: Command, odd_photos: Path, tmp_path: Path
) -> None:
    words = (
        *TRIAL,
        *places(odd_photos, tmp_path),
        "data.test=0",
        "data.validation=0.5",
        "minutes=0.6",
        "tracking.save_model=false",
    )
    done = thaw(*words, cwd=tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    assert verdict_of(done.stdout), done.stdout
    assert "always predicting the largest class" in done.stdout.lower()


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_a_backbone_that_is_too_slow_for_the_time_is_named_with_what_would_do(
    thaw: Command, photos: Path, tmp_path: Path
) -> None:
    whole = ("epochs=10000", "schedule.feature_extraction.patience=null")
    slow = ("backbone=DenseNet201", "weights=random", "image_size=224", *whole)
    done = thaw(*TRIAL, *places(photos, tmp_path), *slow, "minutes=0.5", cwd=tmp_path)
    assert done.returncode == 1
    assert "time was up before the first trial had ended" in done.stderr
    assert "Give minutes=2 or more" in done.stderr


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_backbones_are_compared_each_by_itself(thaw: Command, photos: Path, tmp_path: Path) -> None:
    words = [word for word in TRIAL if not word.startswith("backbone=")]
    both = ("backbone=lenet5,mobilenetv2", "weights=random", "minutes=0.9", "tracking.save_model=false")
    done = thaw(*words, *both, *places(photos, tmp_path), cwd=tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    (session,) = sessions_of(tmp_path)
    finalists = {int(trial[0]) for logged in session.rounds if logged.stage == "final" for trial in logged.trials}
    assert finalists in ({0, 1}, {2, 3}, {0, 1, 2, 3}), "two depths of a backbone, or none"
    assert all(f"backbone={name} 0: " in done.stdout for name in ("lenet5", "mobilenetv2"))
    page = (tmp_path / "sweep" / "report" / "report.html").read_text("utf-8")
    assert re.search(r"It is the best of \d+ seeds by validation", page)
