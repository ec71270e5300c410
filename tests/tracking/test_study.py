"""Studies in the store: found by any name, joined by runs of others, and told in a table of one row a trial."""

import csv
import errno
import io
from pathlib import Path

import mlflow
import pytest
from mlflow.utils.mlflow_tags import MLFLOW_PARENT_RUN_ID

from src.features.cache_plan import SharedFeatures
from src.tracking import schema
from src.tracking.study import Study, StudyContext
from src.tracking.study_table import latest_runs, study_frame, to_csv


@pytest.fixture
def client(store_uri: str) -> mlflow.MlflowClient:
    return mlflow.MlflowClient(store_uri)


@pytest.fixture
def experiment(client: mlflow.MlflowClient) -> str:
    found = client.get_experiment_by_name("studies")
    return str(found.experiment_id if found else client.create_experiment("studies"))


NAMES = ["unfreezing", 'it\'s "quoted"', "a,b=c 🌲 <b>", "x" * 200, "back`tick", "%_like", "caf\udce9"]


@pytest.mark.parametrize("name", NAMES)
def test_a_study_is_found_by_its_name(client: mlflow.MlflowClient, experiment: str, name: str) -> None:
    first = Study.open(client, experiment, name, {})
    first.close("FINISHED", reused=0, pruned=0)
    again = Study.open(client, experiment, name, {})
    assert again.run_id == first.run_id
    run = client.get_run(again.run_id)
    assert (run.info.status, run.data.tags["study"]) == ("RUNNING", name.replace("\udce9", "\\udce9"))
    assert Study.open(client, experiment, f"{name} other", {}).run_id != first.run_id


def test_what_is_kept_takes_the_place_of_what_was(client: mlflow.MlflowClient, experiment: str, tmp_path: Path) -> None:
    study = Study.open(client, experiment, "kept", {})
    client.log_text(study.run_id, "grid", "study.txt")
    for name in ("heat.png", "tradeoff.png"):
        folder = tmp_path / name
        folder.mkdir()
        (folder / name).touch()
        study.keep(folder, "report")
    assert [found.path for found in client.list_artifacts(study.run_id, "report")] == ["report/tradeoff.png"]
    assert "study.txt" in {found.path for found in client.list_artifacts(study.run_id)}


def add_trial(
    client: mlflow.MlflowClient, experiment: str, member: StudyContext, key: str, status: str, value: float
) -> str:
    run_id: str = client.create_run(experiment, tags={schema.TRIAL_KEY.name: key, **member.tags()}).info.run_id
    client.log_param(run_id, "unfrozen", key)
    client.log_metric(run_id, "best/val_accuracy", value)
    client.set_terminated(run_id, status)
    return run_id


def test_own_trials_and_those_of_others_are_members(client: mlflow.MlflowClient, experiment: str) -> None:
    study, other = (Study.open(client, experiment, name, {}) for name in ("members", "others"))
    own = add_trial(client, experiment, study_member(study, "unfrozen=2"), "2", "FINISHED", 0.4)
    foreign = add_trial(client, experiment, study_member(other, "unfrozen=11"), "11", "FINISHED", 0.6)
    for spelling in ("unfrozen=11", "unfrozen=block_16", "unfrozen=11"):
        study_member(study, spelling).take_in(client, client.get_run(foreign))
    assert [run.info.run_id for run in study.members()] == [own, foreign]
    assert [run.info.run_id for run in other.members()] == [foreign]
    assert client.get_run(foreign).data.tags[MLFLOW_PARENT_RUN_ID] == other.run_id
    rows = list(csv.DictReader(io.StringIO(to_csv(study_frame(study.members(), study.key, study.run_id)))))
    assert [row["overrides"] for row in rows] == ["unfrozen=2", "unfrozen=11"]
    assert [row["trained_by"] for row in rows] == ["this study", "another"]
    assert [float(row["best/val_accuracy"]) for row in rows] == [0.4, 0.6]


def study_member(study: Study, *overrides: str) -> StudyContext:
    member = study.study_context(SharedFeatures())
    return StudyContext(member.study_key, member.parent_run_id, overrides)


def test_a_trial_is_one_row_however_often_it_was_tried(client: mlflow.MlflowClient, experiment: str) -> None:
    study = Study.open(client, experiment, "tries", {})
    for key, status in (("a", "KILLED"), ("a", "FINISHED"), ("a", "FAILED"), ("b", "KILLED"), ("b", "FAILED")):
        add_trial(client, experiment, study_member(study, key), key, status, 0.1)
    chosen = latest_runs(study.members(), study.key)
    assert [(run.data.tags[schema.TRIAL_KEY.name], run.info.status) for run in chosen] == [
        ("a", "FINISHED"),
        ("b", "FAILED"),
    ]


def test_a_trial_that_failed_before_it_had_a_key_is_the_one_that_is_spelled_alike(
    client: mlflow.MlflowClient, experiment: str
) -> None:
    study = Study.open(client, experiment, "mended", {})
    study.add_failed(["unfrozen=2"], "no such file", "Traceback")
    study.add_failed(["unfrozen=99"], "no such depth caf\udce9", "Traceback")
    assert [run.info.status for run in latest_runs(study.members(), study.key)] == ["FAILED", "FAILED"]
    add_trial(client, experiment, study_member(study, "unfrozen=2"), "k", "FINISHED", 0.5)
    chosen = latest_runs(study.members(), study.key)
    assert sorted(run.info.status for run in chosen) == ["FAILED", "FINISHED"]


def test_a_closed_study_holds_counts_best_and_table(client: mlflow.MlflowClient, experiment: str) -> None:
    study = Study.open(client, experiment, "closed", {})
    add_trial(client, experiment, study_member(study, "unfrozen=2"), "2", "FINISHED", 0.4)
    best = add_trial(client, experiment, study_member(study, "unfrozen=11"), "11", "FINISHED", 0.6)
    add_trial(client, experiment, study_member(study, "unfrozen=20"), "20", "FAILED", 0.9)
    study.describe({"+unfrozen": "2,11,20"}, ["data=trees"], "seed: 0\n")
    study.close("FAILED", reused=7, pruned=5)
    run = client.get_run(study.run_id)
    assert run.info.status == "FAILED"
    assert run.data.metrics == {
        "best/val_accuracy": 0.6, "trials/finished": 2, "trials/failed": 1, "trials/killed": 0, "trials/reused": 7,
        "trials/pruned": 5,
    }  # fmt: skip
    assert run.data.tags["best_run_id"] == best
    assert run.data.tags["varies"] == "+unfrozen=2,11,20"
    assert {artifact.path for artifact in client.list_artifacts(study.run_id)} == {
        "study.txt",
        "config.yaml",
        "trials.csv",
    }


def test_a_trial_that_fails_unplanned_again_is_the_same_run(client: mlflow.MlflowClient, experiment: str) -> None:
    study = Study.open(client, experiment, "again", {})
    for error in ("no such file", "no such depth"):
        study.add_failed(["data.root='it''s'", "unfrozen=2"], error, f"Traceback: {error}")
    study.add_failed(["unfrozen=3"], "no such depth", "Traceback")
    Study.open(client, experiment, "another", {}).add_failed(["unfrozen=3"], "no such depth", "Traceback")
    first, _ = study.members()
    assert (first.info.status, first.data.tags["error"]) == ("FAILED", "no such depth")
    kept = client.download_artifacts(first.info.run_id, "traceback.txt")
    assert Path(kept).read_text() == "Traceback: no such depth"


def test_a_new_parent_takes_the_trials_of_a_deleted_one_over(client: mlflow.MlflowClient, experiment: str) -> None:
    other = Study.open(client, experiment, "still there", {})
    foreign = add_trial(client, experiment, study_member(other, "unfrozen=11"), "11", "FINISHED", 0.6)
    before = Study.open(client, experiment, "deleted", {})
    own = add_trial(client, experiment, study_member(before, "unfrozen=2"), "2", "FINISHED", 0.4)
    study_member(before, "unfrozen=11").take_in(client, client.get_run(foreign))
    client.delete_run(before.run_id)
    study = Study.open(client, experiment, "deleted", {})
    assert study.run_id != before.run_id
    rows = list(csv.DictReader(io.StringIO(to_csv(study_frame(study.members(), study.key, study.run_id)))))
    assert {row["run_id"]: row["trained_by"] for row in rows} == {own: "this study", foreign: "another"}
    assert client.get_run(own).data.tags[MLFLOW_PARENT_RUN_ID] == study.run_id
    assert client.get_run(foreign).data.tags[MLFLOW_PARENT_RUN_ID] == other.run_id


def test_a_study_is_closed_where_its_table_cannot_be_kept(
    client: mlflow.MlflowClient, experiment: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    study = Study.open(client, experiment, "no room", {})

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(client, "log_text", full)
    with pytest.raises(OSError, match="No space left"):
        study.close("FINISHED", reused=0, pruned=0)
    assert client.get_run(study.run_id).info.status == "FINISHED"


def test_a_shorter_account_of_a_budget_takes_the_place_of_a_longer_one(
    client: mlflow.MlflowClient, experiment: str
) -> None:
    study = Study.open(client, experiment, "budget", {})
    assert study.budget() == {}
    for count in (3000, 10, 2000):
        study.keep_budget({"rounds": [*range(count)]})
        assert study.budget() == {"rounds": [*range(count)]}
