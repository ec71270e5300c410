"""Figures and models on demand: equal to what the trial would have written, and refused where numbers differ."""

import math
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import mlflow
import numpy as np
import pytest

from src.api import render
from src.common.errors import ThawError
from src.common.keras_setup import keras
from src.config import TrackingConfig, TrialConfig
from src.render import main
from src.tracking.trial_runs import Artifact
from src.trial.context import artifacts_of
from src.trial.rendering import changed_metrics
from src.trial.run import run_trial
from tests.conftest import Compose

FILES = {"figures/confusion.png", "figures/curves.png", "figures/mistakes.png", "data/model.keras"}


def test_numbers_that_have_changed_are_named_the_judged_ones_first() -> None:
    before = {"best/val_accuracy": 0.9, "fit/loss": 0.5, "time/total": 10.0, "gap/mode": 0.1, "test/accuracy": 0.8}
    assert changed_metrics(before, {**before, "time/total": 20.0, "val/loss": 1.0}) == ""
    after = {**before, "fit/loss": 0.6, "test/accuracy": 0.75, "best/val_accuracy": 0.85, "gap/mode": 0.2}
    assert changed_metrics(before, after) == (
        "best/val_accuracy 0.9, now 0.85, test/accuracy 0.8, now 0.75, fit/loss 0.5, now 0.6, and 1 more"
    )


@pytest.mark.parametrize(
    ("before", "after", "is_same"),
    [
        (math.nan, math.nan, True), (math.inf, math.nan, True), (math.inf, 1.7976931348623157e308, True),
        (math.nan, 0.5, False), (0.5, math.inf, False), (0.5, 0.5 + 1e-8, True), (0.5, 0.5001, False),
    ],
)  # fmt: skip
def test_losses_that_are_no_numbers_are_the_same(before: float, after: float, is_same: bool) -> None:
    assert (changed_metrics({"fit/loss": before}, {"fit/loss": after}) == "") == is_same


@pytest.mark.parametrize(
    ("artifacts", "save_model", "of_a_sweep", "chosen"),
    [
        ("all", None, Artifact.FIGURES | Artifact.MODEL, Artifact.FIGURES | Artifact.MODEL),
        ("best", None, Artifact(0), Artifact.FIGURES | Artifact.MODEL),
        ("none", None, Artifact(0), Artifact(0)),
        ("best", True, Artifact.MODEL, Artifact.FIGURES | Artifact.MODEL),
        ("best", False, Artifact(0), Artifact.FIGURES),
    ],
)
def test_which_trials_get_figures_and_models(
    artifacts: Any, save_model: bool | None, of_a_sweep: Artifact, chosen: Artifact
) -> None:
    config = TrackingConfig(uri=None, experiment="x", run_name=None, artifacts=artifacts, save_model=save_model)
    assert artifacts_of(config, is_chosen=False) == of_a_sweep
    assert artifacts_of(config, is_chosen=True) == chosen


Trial = Callable[[str], TrialConfig]


@pytest.fixture
def trial(composed: Compose, tiny: tuple[str, ...], tmp_path: Path) -> Trial:
    """Return the configuration of a trial with these artifacts, trained anew from no checkpoints."""
    others = [each for each in tiny if not each.startswith(("tracking.save_model", "runtime.work_dir"))]
    own = ("unfrozen=2", "runtime.progress=false")

    def configured(artifacts: str) -> TrialConfig:
        return composed(*others, *own, f"tracking.artifacts={artifacts}", f"runtime.work_dir={tmp_path / artifacts}")

    return configured


def files_of(uri: str, run_id: str, folder: Path) -> Path:
    """Return a folder with the files of a run and those of its model."""
    mlflow.artifacts.download_artifacts(run_id=run_id, tracking_uri=uri, dst_path=str(folder))
    client = mlflow.MlflowClient(uri)
    for output in client.get_run(run_id).outputs.model_outputs:
        model = client.get_logged_model(output.model_id)
        mlflow.artifacts.download_artifacts(model.artifact_location, dst_path=str(folder), tracking_uri=uri)
    return folder


def named(folder: Path) -> set[str]:
    """Return the files in `folder` that are made on demand."""
    return {"/".join(path.parts[-2:]) for path in folder.rglob("*") if path.suffix in {".png", ".keras"}}


def weights_of(folder: Path) -> list[Any]:
    (file,) = folder.rglob("model.keras")
    found: list[Any] = keras.saving.load_model(file).get_weights()
    return found


@pytest.mark.parametrize("has_checkpoints", [True, False])
def test_what_is_made_on_demand_equals_what_the_trial_would_have_written(
    trial: Trial, store_uri: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], has_checkpoints: bool
) -> None:
    at_once = run_trial(trial("all"), tmp_path / "at_once").summary["run_id"]
    summary = run_trial(trial("none"), tmp_path / "on_demand").summary
    run_id = summary["run_id"]
    assert named(files_of(store_uri, run_id, tmp_path / "before")) == set()
    if not has_checkpoints:
        shutil.rmtree(tmp_path / "none")
        (tmp_path / "none").mkdir()
    capsys.readouterr()
    assert main([f"runs:/{run_id}", "--tracking-uri", store_uri]) == 0
    assert ("known from an earlier trial" in capsys.readouterr().err) == has_checkpoints
    after = files_of(store_uri, run_id, tmp_path / "after")
    expected = files_of(store_uri, at_once, tmp_path / "expected")
    assert named(after) == named(expected) == FILES
    for name in FILES - {"data/model.keras"}:
        assert (after / name).read_bytes() == (expected / name).read_bytes()
    for value, wanted in zip(weights_of(after), weights_of(expected), strict=True):
        assert np.array_equal(value, wanted)
    client = mlflow.MlflowClient(store_uri)
    (output,) = client.get_run(run_id).outputs.model_outputs
    of_model = {metric.key: metric.value for metric in client.get_logged_model(output.model_id).metrics}
    assert of_model["test/accuracy"] == summary["test/accuracy"]
    assert len(client.get_metric_history(run_id, "test/accuracy")) == 1
    known = trial("best").model_copy(update={"force": False})
    again = run_trial(known, tmp_path / "again")
    assert (again.reused, again.summary["run_id"]) == (True, run_id)


def test_no_model_goes_to_a_run_with_other_numbers_and_its_trial_alone_gets_a_new_run(
    trial: Trial, store_uri: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    own = trial("none").model_copy(update={"dropout": 0.123})
    run_id = run_trial(own, tmp_path / "out").summary["run_id"]
    mlflow.MlflowClient(store_uri).log_metric(run_id, "test/accuracy", 0.123, step=100)
    with pytest.raises(ThawError, match=r"has other numbers \(test/accuracy 0\.123, now .*force=true"):
        render(run_id, store_uri)
    assert named(files_of(store_uri, run_id, tmp_path / "before")) == set()
    tracking = own.tracking.model_copy(update={"artifacts": "best"})
    again = run_trial(own.model_copy(update={"tracking": tracking, "force": False}), tmp_path / "again")
    assert not again.reused
    assert "the trial gets a new run" in capsys.readouterr().err
    assert named(files_of(store_uri, again.summary["run_id"], tmp_path / "after")) == FILES


def test_what_is_no_finished_trials_run_is_refused(store_uri: str) -> None:
    client = mlflow.MlflowClient(store_uri)
    run = client.create_run(client.create_experiment("no trial"))
    with pytest.raises(ThawError, match="no finished trial's run; its status is RUNNING"):
        render(run.info.run_id, store_uri)
    with pytest.raises(ThawError, match=r"runs:/0123: .*not found; mlflow ui shows what the store has"):
        render("0123", store_uri)
    with pytest.raises(SystemExit):
        main(["models:/photos@champion"])
