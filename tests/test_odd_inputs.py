"""Odd inputs, typed as a new user types them: the table of tests/odd_inputs.py, of which docs/odd_inputs.md is made."""

import contextlib
import os
import shlex
import sqlite3
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest

from src.common.project import PROJECT
from src.config import TrackingConfig
from src.tracking.mlflow_store import open_store
from tests.conftest import Command
from tests.odd_inputs import ODD, Odd, page
from tests.typist import Typed, Typist

QUICK = ("backbone=lenet5", "image_size=32")
QUICK_TRIAL = (*QUICK, "batch_size=8", "epochs=1", "tracking.save_model=false")
CASES = [pytest.param(odd, id=name, marks=[pytest.mark.slow] if odd.works else []) for name, odd in ODD.items()]


@pytest.fixture(scope="module")
def places(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """A store and a cache of this module's own; the store is there, and empty."""
    top = tmp_path_factory.mktemp("odd")
    config = TrackingConfig(uri=f"sqlite:///{top}/mlflow.db", experiment="thaw", run_name=None, save_model=None)
    open_store(config, PROJECT)
    return {"MLFLOW_TRACKING_URI": f"sqlite:///{top}/mlflow.db", "THAW_CACHE_DIR": str(top / "cache")}


@pytest.fixture(scope="module")
def typist(heavy_typist: Typist, places: dict[str, str]) -> Callable[..., Typed]:
    return partial(heavy_typist, **places)


def arguments(odd: Odd, away: Path) -> list[str]:
    """What is typed; trials are made small, and leave their files `away`."""
    module, *typed = shlex.split(odd.typed)
    if module not in ("src.train", "src.audit"):
        return [module, *typed]
    own = {each.partition("=")[0] for each in typed}
    small = QUICK_TRIAL if module == "src.train" else QUICK
    given = [each for each in small if each.partition("=")[0] not in own]
    return [module, *given, *typed, f"hydra.run.dir={away}/out", f"runtime.work_dir={away}/work"]


def runs(places: dict[str, str]) -> list[tuple[str, str]]:
    """All runs in the store, with their status."""
    path = Path(places["MLFLOW_TRACKING_URI"].removeprefix("sqlite:///"))
    if not path.exists():
        return []
    with contextlib.closing(sqlite3.connect(path)) as store:
        return store.execute("select run_uuid, status from runs").fetchall()


def entries(folder: Path) -> list[str]:
    return sorted(f"{parent}/{name}" for parent, _, names in os.walk(folder) for name in names)


def check_refusal(odd: Odd, done: Typed) -> None:
    """One line, which says what, and nothing else."""
    assert done.status == 1, done.said
    told = [line for line in done.err.splitlines() if line.startswith("thaw: ")]
    assert len(told) == 1, done.said
    assert done.err.count("\n") == 1 or odd.says[0] in done.err.splitlines()[-1], done.said
    assert (done.out != "") == odd.rest


@pytest.mark.parametrize("odd", CASES)
def test_an_odd_input_works_or_is_refused_in_a_line(
    odd: Odd, typist: Callable[..., Typed], thaw: Command, places: dict[str, str], tmp_path: Path
) -> None:
    here = tmp_path / "here"
    here.mkdir()
    odd.make(here)
    before, runs_before = entries(here), runs(places)
    environment = {name: value.format(here=here) for name, value in odd.environment.items()}
    if odd.alone:
        ended = thaw(*arguments(odd, tmp_path), cwd=here, **places, **environment)
        done = Typed(ended.returncode, ended.stdout, ended.stderr)
    else:
        done = typist(*arguments(odd, tmp_path), cwd=here, **environment)
    for text in odd.says:
        assert done.said.count(text) == 1, done.said
    for text in ("Traceback", *odd.never):
        assert text not in done.said
    assert entries(here) == before
    assert {status for _, status in runs(places)} <= {"FINISHED", "FAILED"}
    if odd.works:
        assert done.status == 0, done.said
        assert not [run for run in runs(places) if run not in runs_before and "FINISHED" not in run]
    else:
        check_refusal(odd, done)
        assert runs(places) == runs_before
        assert not (tmp_path / "out" / "summary.json").exists()


def test_there_are_sixty_and_more_and_the_page_is_the_table() -> None:
    assert len(ODD) >= 60
    assert (PROJECT / "docs" / "odd_inputs.md").read_text("utf-8") == page()
