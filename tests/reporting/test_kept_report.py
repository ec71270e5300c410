"""A study's report, made once: given again where nothing has changed, and made anew where anything has."""

from pathlib import Path

import mlflow
import pytest

from src.reporting.kept_report import FOLDER, PAGE, keep_report, kept_report, report_key
from src.tracking.artifacts import fetch
from src.tracking.mlflow_internals import delete_artifacts
from src.tracking.study import Study
from src.tracking.trial_runs import Artifact
from tests.reporting.conftest import Fill
from tests.reporting.runs import FULL, trial

NONE = Artifact(0)
TEXTS = ["8 trials: 8 finished.", "Unfreeze 20 layers: ungefroren — 𝄞"]


@pytest.fixture
def study(fill: Fill, request: pytest.FixtureRequest, tmp_path: Path) -> Study:
    made = fill(request.node.name, FULL)
    folder = tmp_path / "first" / FOLDER
    folder.mkdir(parents=True)
    (folder / PAGE).write_text("<p>the page")
    keep_report(made, report_key(made, 0.0, NONE), folder, TEXTS)
    return made


def again(study: Study, tmp_path: Path, margin: float = 0.0, artifacts: Artifact = NONE) -> list[str] | None:
    (tmp_path / "again").mkdir(exist_ok=True)
    return kept_report(study, report_key(study, margin, artifacts), tmp_path / "again" / FOLDER)


def test_what_has_not_changed_is_given_again(study: Study, tmp_path: Path) -> None:
    assert again(study, tmp_path) == TEXTS
    assert (tmp_path / "again" / FOLDER / PAGE).read_text() == "<p>the page"


def test_another_margin_asks_for_another_report(study: Study, tmp_path: Path) -> None:
    assert again(study, tmp_path, margin=0.01) is None


def test_a_model_that_the_report_had_not_asks_for_another_report(study: Study, tmp_path: Path) -> None:
    assert again(study, tmp_path, artifacts=Artifact.MODEL) is None


def test_files_of_an_earlier_report_go(study: Study, tmp_path: Path) -> None:
    (tmp_path / "again" / FOLDER).mkdir(parents=True)
    (tmp_path / "again" / FOLDER / "heat.png").touch()
    assert again(study, tmp_path) == TEXTS
    assert [path.name for path in (tmp_path / "again" / FOLDER).iterdir()] == [PAGE]


def test_a_report_whose_files_could_not_be_kept_is_made_anew(
    study: Study, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def is_full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(study, "keep", is_full)
    with pytest.raises(OSError, match="No space left"):
        keep_report(study, report_key(study, 0.0, NONE), tmp_path / "first" / FOLDER, ["other texts"])
    assert again(study, tmp_path) is None


def test_a_further_trial_asks_for_another_report(study: Study, fill: Fill, tmp_path: Path,
                                                 request: pytest.FixtureRequest) -> None:  # fmt: skip
    fill(request.node.name, [(trial(2, 99), "FINISHED")])
    assert again(study, tmp_path) is None


def test_a_trial_whose_metric_changed_asks_for_another_report(
    study: Study, client: mlflow.MlflowClient, tmp_path: Path
) -> None:
    client.log_metric(study.trials()[0].info.run_id, "best/val_accuracy", 0.123, step=10**6)
    assert again(study, tmp_path) is None


def test_where_the_files_are_gone_there_is_none(study: Study, client: mlflow.MlflowClient, tmp_path: Path) -> None:
    assert fetch(client, study.run_id, f"{FOLDER}/{PAGE}")
    delete_artifacts(client, study.run_id, FOLDER)
    assert again(study, tmp_path) is None


def test_long_texts_are_kept_whole_and_shorter_ones_after_them(study: Study, tmp_path: Path) -> None:
    folder = tmp_path / "first" / FOLDER
    for texts in (["x" * 20_000, "y"], ["z"]):
        keep_report(study, report_key(study, 0.0, NONE), folder, texts)
        assert again(study, tmp_path) == texts
