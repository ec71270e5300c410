"""A study is one table with documented columns, and trials.csv is that table."""

import io
from pathlib import Path

import mlflow
import pandas as pd
import pytest
from mlflow.entities import Param

from src.api import Study as ApiStudy
from src.reporting.study_report import report_to
from src.tracking import schema
from src.tracking.study import Study
from src.tracking.study_table import study_frame, to_csv
from tests.reporting.runs import FULL, make_study, trial


@pytest.fixture
def client(store_uri: str) -> mlflow.MlflowClient:
    return mlflow.MlflowClient(store_uri)


def add_configured(client: mlflow.MlflowClient, study: Study) -> None:
    """Add a trial as trials leave it, with its configuration in a tag."""
    read = {
        "seed": 3,
        "dropout": 0.5,
        "augment.flip": True,
        "data.root": "a, b",
        "schedule.x.epochs": 2,
        "unfrozen": "all",
    }
    tags = {
        **schema.TRIAL_KEY.of("configured"), **schema.CONFIGURATION.of(read), **schema.DEPTH.of(11),
        **schema.WHOLE.of(True),
        **schema.MEMBER.at(study.key).of((("unfrozen=20", "seed=3"), ("unfrozen=all", "seed=3"))),
        **schema.ARGUMENTS.of(("unfrozen=20", "seed=3", "epochs=9")),
        **schema.GROUP.at("schedule").of("post"),
    }  # fmt: skip
    run_id = client.create_run(study.experiment_id, tags=tags).info.run_id
    client.log_batch(run_id, params=[Param("unfrozen_layers", "11")])
    client.log_metric(run_id, "best/val_accuracy", 0.25)
    client.log_metric(run_id, "learning_rate", 0.001)
    client.set_terminated(run_id)


@pytest.fixture
def frame(client: mlflow.MlflowClient) -> pd.DataFrame:
    study = make_study(client, "table", [*FULL[:3], (trial(2, 9, dropout=0.25), "FAILED")])
    study.add_failed(["unfrozen=99"], "no such depth", "")
    add_configured(client, study)
    return ApiStudy.load("table", client.tracking_uri).to_frame()


def test_the_columns_are_the_documented_ones(frame: pd.DataFrame) -> None:
    documented = {column.name: column.dtype for column in schema.COLUMNS}
    assert {name: str(frame[name].dtype) for name in documented} == documented
    page = (Path(__file__).parents[2] / "docs" / "run_schema.md").read_text("utf-8").partition("## Columns")[2]
    assert all(f"| `{name}` | {dtype} |" in page for name, dtype in documented.items())
    others = [str(name) for name in frame.columns if name not in documented]
    metrics = [name for name in others if schema.is_metric(name)]
    assert others[-len(metrics) :] == metrics
    assert {str(frame[name].dtype) for name in metrics} == {"float64"}
    settings = {name: str(frame[name].dtype) for name in others if name not in metrics}
    assert settings == {
        "augment.flip": "boolean", "data.root": "string", "dropout": "float64", "schedule.x.epochs": "Int64",
        "runtime.precision": "string", "seed": "Int64", "unfrozen": "string",
    }  # fmt: skip


def test_a_row_has_values(frame: pd.DataFrame) -> None:
    row = frame[frame["trial_key"] == "configured"].iloc[0]
    assert row["overrides"] == ("unfrozen=all", "seed=3")
    assert row["spellings"] == (("unfrozen=20", "seed=3"), ("unfrozen=all", "seed=3"))
    assert row["command"] == ("python", "-m", "src.train", "unfrozen=all", "seed=3")
    assert (row["depth"], row["whole"], row["augment.flip"], row["data.root"]) == (11, True, True, "a, b")
    assert (row["best/val_accuracy"], row["group.schedule"], row["reads_depth"]) == (0.25, "post", True)
    assert len(frame) == 6
    assert list(frame["status"]).count("FAILED") == 2
    assert frame["depth"].isna().sum() == 5
    assert frame["best/val_accuracy"].notna().sum() == 4


def test_an_empty_study_is_an_empty_table() -> None:
    empty = study_frame([], "key", "run")
    assert list(empty.columns) == [column.name for column in schema.COLUMNS]
    assert to_csv(empty).count("\n") == 1


def test_the_reports_csv_is_the_table(client: mlflow.MlflowClient, tmp_path: Path) -> None:
    study = make_study(
        client, "csv", [*FULL[:3], (trial(2, 9, dropout=0.25, overrides="'data.root=a b' seed=9"), "FAILED")]
    )
    report_to(tmp_path, client, {"csv": study})
    assert (tmp_path / "trials.csv").read_text("utf-8") == to_csv(study.to_frame())
    read = pd.read_csv(io.StringIO(to_csv(study.to_frame())))
    assert list(read["overrides"])[-1] == "'data.root=a b' seed=9"
    pd.testing.assert_series_equal(read["best/val_accuracy"], study.to_frame()["best/val_accuracy"])


def test_a_report_on_several_studies_tells_them_apart(client: mlflow.MlflowClient, tmp_path: Path) -> None:
    studies = {name: make_study(client, name, FULL[:2]) for name in ("the one", "the other")}
    report_to(tmp_path, client, studies)
    assert list(pd.read_csv(tmp_path / "trials.csv")["study"]) == ["the one"] * 2 + ["the other"] * 2
