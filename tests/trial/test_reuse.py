"""Trials remembered, as the command shows it: idle keys, names that follow what trains, lost files, read-only disks."""

import json
import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import mlflow
import numpy as np
import pytest

from src.cli.error_messages import explain
from src.common.files import path_in_errors
from src.common.project import PROJECT
from src.config import TrialConfig
from src.tracking import schema
from src.trial.run import run_trial
from tests.conftest import CLASSES, Command, Compose
from tests.stores import client_in, runs_of

Train = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("remembered")


@pytest.fixture(scope="module")
def train(thaw: Command, tiny: tuple[str, ...], place: Path) -> Train:
    """Run ``src.train`` in a store of this module's own, where trials are remembered."""
    kept = [each for each in tiny if not each.startswith(("force", "tracking.uri", "epochs", "fine_tune_epochs"))]

    def run(*overrides: str) -> subprocess.CompletedProcess[str]:
        done = thaw("src.train", *overrides, *kept, f"tracking.uri=sqlite:///{place}/mlflow.db")
        assert done.returncode == 0, done.stderr
        return done

    return run


def verdict_of(thaw: Command, place: Path, study: str) -> dict[str, Any]:
    out = place / study
    done = thaw("src.report", "--study", study, "--tracking-uri", f"sqlite:///{place}/mlflow.db", "--out", str(out))
    assert done.returncode == 0, done.stderr
    data: dict[str, Any] = json.loads((out / "verdict.json").read_text())
    return data


def runs(place: Path) -> list[Any]:
    return runs_of(client_in(place), "tags.trial_key != ''")


@pytest.mark.slow
def test_a_grid_reused_from_a_run_with_another_value_of_an_idle_key_is_not_judged_as_if_it_had_varied(
    train: Train, thaw: Command, place: Path
) -> None:
    post = ("schedule=post", "fine_tune_epochs=1")
    train(*post, "unfrozen=0", "epochs=3", "augment.views=3", "batchnorm=train", f"hydra.run.dir={place}/one")
    grid = train(
        "-m", *post, "unfrozen=0,2", "seed=0,1", "epochs=5", "augment.views=1,2", "study=idle",
        f"hydra.sweep.dir={place}/idle_sweep",
    )  # fmt: skip
    assert "5 reused" in grid.stdout
    assert not re.search(r"epochs=|augment\.views=", grid.stdout.split("page:")[0].replace("fine_tune_epochs=", ""))
    data = verdict_of(thaw, place, "idle")
    (verdict,) = data["verdicts"]
    assert verdict["facet"] == ""
    assert "also varied" not in " ".join(verdict["limits"])
    assert [row["score"]["count"] for row in verdict["depths"]] == [2, 2]
    assert data["recommended"]["command"].count("epochs=") == 1
    for run in runs(place):
        read = schema.CONFIGURATION.read(run.data.tags) or {}
        assert not {"epochs", "augment.views", "data.split_seed"} & {*read, *run.data.params}
        assert run.data.params["fine_tune_epochs"] == "1"


@pytest.mark.slow
def test_what_head_only_trains_is_called_depth_0_whatever_unfrozen_says(
    train: Train, thaw: Command, place: Path
) -> None:
    done = train(
        "-m", "schedule=head_only", "epochs=1", "unfrozen=4,5", "seed=3,4", "study=head",
        f"hydra.sweep.dir={place}/head_sweep",
    )  # fmt: skip
    assert "seed=3 unfrozen=0" in done.stdout
    assert not re.search("unfrozen=[45]", done.stdout)
    names = {run.info.run_name for run in runs(place) if run.data.tags["group.schedule"] == "head_only"}
    assert names == {"lenet5 unfrozen=0 seed=3", "lenet5 unfrozen=0 seed=4"}
    data = verdict_of(thaw, place, "head")
    (verdict,) = data["verdicts"]
    assert "unfrozen" not in data["recommended"]["command"]
    assert "schedule=two_phase" in verdict["next_steps"][0]["command"]
    assert "schedule=head_only" not in verdict["next_steps"][0]["command"]
    assert not re.search("unfrozen=[45]", (place / "head" / "report.html").read_text())


@pytest.fixture
def quick(composed: Compose, tiny: tuple[str, ...], tmp_path: Path) -> TrialConfig:
    own = (f"tracking.uri=sqlite:///{tmp_path}/mlflow.db", "force=false", "epochs=1", "runtime.progress=false")
    return composed(*[each for each in tiny if each.split("=")[0] not in {"force", "epochs", "tracking.uri"}], *own)


def test_a_run_whose_artifacts_are_gone_gets_them_again_where_a_trial_asks_for_a_model(
    quick: TrialConfig, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    asking = quick.model_copy(update={"tracking": quick.tracking.model_copy(update={"save_model": True})})
    mlflow.set_tracking_uri(quick.tracking.uri or "")
    first = run_trial(asking, tmp_path / "one").summary["run_id"]
    assert run_trial(asking, tmp_path / "two").reused
    assert "any more" not in capsys.readouterr().err
    shutil.rmtree(tmp_path / "mlruns")
    again = run_trial(asking, tmp_path / "three")
    told = [line for line in capsys.readouterr().err.splitlines() if "any more: making it again" in line]
    assert len(told) == 1
    assert first in told[0]
    assert (again.reused, again.summary["run_id"]) == (True, first)
    assert mlflow.keras.load_model(f"runs:/{first}/model") is not None
    assert run_trial(asking, tmp_path / "four").reused
    assert "making it again" not in capsys.readouterr().err


def test_the_documents_use_the_saved_model(
    quick: TrialConfig,
    photos: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    asking = quick.model_copy(update={"tracking": quick.tracking.model_copy(update={"save_model": True})})
    summary = run_trial(asking, tmp_path / "out").summary
    shutil.copy(photos / "test" / CLASSES[0] / f"{CLASSES[0]}_00.png", tmp_path / "photo.jpg")
    shutil.copy(tmp_path / "out" / "model" / "data" / "model.keras", tmp_path)
    monkeypatch.chdir(tmp_path)
    mlflow.set_tracking_uri(f"sqlite:///{tmp_path}/mlflow.db")
    file, served = re.findall(r"```python\n(.*?)```", (PROJECT / "docs" / "use.md").read_text("utf-8"), re.DOTALL)
    exec(file, {})
    assert capsys.readouterr().out.split()[-2] in CLASSES
    names: dict[str, Any] = {}
    exec(served.replace("models:/photos@champion", f"runs:/{summary['run_id']}/model"), names)
    assert capsys.readouterr().out.split()[-2] in CLASSES
    files = [(path, name) for name in CLASSES for path in sorted((photos / "test" / name).iterdir())]
    guesses = names["model"].predict([str(path) for path, _ in files]).idxmax(axis=1)
    assert np.mean(guesses == [name for _, name in files]) == pytest.approx(summary["test/accuracy"], abs=1e-6)


def test_a_complete_cache_on_a_read_only_disk_is_used(
    quick: TrialConfig, tmp_path: Path, mount: Callable[..., Path], capsys: pytest.CaptureFixture[str]
) -> None:
    def kept_in(cache: Path, **changed: Any) -> TrialConfig:
        runtime = quick.runtime.model_copy(update={"cache_dir": cache, "work_dir": tmp_path / f"work_{cache.name}"})
        return quick.model_copy(update={"runtime": runtime, "force": True, **changed})

    (tmp_path / "cache").mkdir()
    first = run_trial(kept_in(tmp_path / "cache"), tmp_path / "one").summary
    before = sorted((tmp_path / "cache").rglob("*"))
    only_read = mount("--bind", str(tmp_path / "cache"))
    subprocess.run(["mount", "-o", "remount,ro,bind", str(only_read)], check=True)
    with pytest.raises(OSError, match="Read-only"):
        (only_read / "x").touch()
    capsys.readouterr()
    again = run_trial(kept_in(only_read), tmp_path / "two").summary
    assert again["test/loss"] == first["test/loss"]
    assert capsys.readouterr().err == ""
    assert sorted((tmp_path / "cache").rglob("*")) == before
    with pytest.raises(Exception, match="Read-only file system; give another folder") as refusal:
        run_trial(kept_in(only_read, image_size=40), tmp_path / "three")
    assert len(explain(refusal.value)) < 400  # type: ignore[arg-type]


def test_a_full_disk_under_a_trials_figures_names_the_folder(
    quick: TrialConfig, small_disk: Callable[[str], Path]
) -> None:
    output = small_disk("16k") / "out"
    with pytest.raises(OSError, match="No space left") as refusal:
        run_trial(quick, output)
    line = explain(refusal.value)  # type: ignore[arg-type]
    assert line.startswith(str(output / "figures"))
    assert "No space left on device" in line


def test_an_error_of_the_disk_gets_the_place_that_it_lacks(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="No space") as refusal, path_in_errors(tmp_path):
        raise OSError(28, "No space left on device")
    assert refusal.value.filename == str(tmp_path)
