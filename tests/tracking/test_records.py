"""Runs as a verdict reads them."""

from typing import Any

import mlflow
import pytest

from src.tracking.memory import TrialMemory
from src.tracking.records import essential, read_records
from src.tracking.study import Study
from src.verdict.records import TrialRecord, facets
from tests.reporting.runs import make_study, trial


@pytest.fixture
def client(store_uri: str) -> mlflow.MlflowClient:
    return mlflow.MlflowClient(store_uri)


def read(client: mlflow.MlflowClient, *studies: Study) -> list[TrialRecord]:
    runs = {run.info.run_id: run for study in studies for run in study.trials()}
    return read_records(list(runs.values()), [study.key for study in studies], TrialMemory(client))


def spelled(client: mlflow.MlflowClient, name: str, lines: str, **parameters: Any) -> Study:
    facts = trial(0, 3, overrides=lines, **parameters)
    return make_study(client, name, [(facts, "FINISHED")])


def test_a_run_stands_in_every_configuration_that_it_answered(client: mlflow.MlflowClient) -> None:
    lines = "batchnorm=train unfrozen=0\nbatchnorm=inference unfrozen=0\nbatchnorm=train unfrozen=1"
    study = spelled(client, "two configurations", lines, batchnorm="train", dropout=0.2)
    one, other = read(client, study)
    assert (one.factors["batchnorm"], other.factors["batchnorm"]) == ("train", "inference")
    assert one.run_id == other.run_id
    assert (one.factors["dropout"], one.seed, one.depth) == (0.2, 3, 0)
    assert one.overrides.startswith("batchnorm=train")
    assert other.overrides.startswith("batchnorm=inference")


@pytest.mark.parametrize("lines", ["unfrozen=0 x='it", "'batchnorm=a b' unfrozen=0", "the defaults", "=", "a=b=c"])
def test_spellings_that_are_cut_or_odd(client: mlflow.MlflowClient, lines: str) -> None:
    (record,) = read(client, spelled(client, f"odd {lines}", lines, batchnorm="train"))
    assert record.overrides == lines


def test_what_failed_is_read_with_its_epochs_and_what_is_known_of_it(client: mlflow.MlflowClient) -> None:
    tags = {"depth": "11", "photos.val": "500", "whole": "yes"}
    study = make_study(client, "failed", [(trial(11, 4, tags=tags, batchnorm="train"), "FAILED")])
    study.add_failed("backbone=nosuch seed=7", "no such backbone", "")
    planned, unplanned = read(client, study)
    assert (planned.status, planned.depth, planned.seed, planned.block) == ("FAILED", 11, 4, "block_16")
    assert (planned.whole, unplanned.whole) == (True, False)
    assert [epoch["fit/accuracy"] for epoch in planned.history] == [0.5, 0.75]
    assert (unplanned.factors, unplanned.seed, unplanned.history) == ({}, 7, [])
    assert list(facets([planned, unplanned])) == [""]


def test_an_unplanned_failure_makes_no_facet(client: mlflow.MlflowClient) -> None:
    modes = ("train", "inference")
    study = make_study(client, "no facet", [(trial(2, 0, batchnorm=mode), "FINISHED") for mode in modes])
    study.add_failed("backbone=nosuch seed=7", "no such backbone", "")
    assert list(facets(read(client, study))) == ["batchnorm=train", "batchnorm=inference"]


def test_a_running_trial_has_no_epochs_yet(client: mlflow.MlflowClient) -> None:
    (record,) = read(client, make_study(client, "runs", [(trial(2, 0), "RUNNING")]))
    assert record.history == []


def test_trials_of_two_studies(client: mlflow.MlflowClient) -> None:
    one, other = (make_study(client, name, [(trial(2, 0), "FINISHED")]) for name in ("first", "second"))
    shared = one.trials()[0]
    client.set_tag(shared.info.run_id, f"study.{other.key}", "unfrozen=2 typed=otherwise")
    records = read(client, one, other)
    assert len({record.run_id for record in records}) == 2
    assert len(records) == 2


DATA: list[tuple[list[dict[str, Any]], list[dict[str, Any]]]] = [
    ([{"data": "a", "data.root": "x"}, {"data": "a", "data.root": "y"}], [{}, {}]),
    ([{"data": "a"}, {"data": "b"}], [{"data": "a"}, {"data": "b"}]),
    (
        [{"data": "a", "image_size": 96.0}, {"data": "b", "image_size": 128.0}],
        [{"image_size": 96.0}, {"image_size": 128.0}],
    ),
    (
        [{"data": "a", "data.root": "x"}, {"data": "b", "data.root": "y"}],
        [{"data.root": "x"}, {"data.root": "y"}],
    ),
    (
        [{"data": "a", "data.root": "x"}, {"data": "b", "data.root": "x"}, {"data": "c", "data.root": "y"}],
        [{"data.root": "x", "data": "a"}, {"data.root": "x", "data": "b"}, {"data.root": "y", "data": "c"}],
    ),
]  # fmt: skip


@pytest.mark.parametrize(("given", "kept"), DATA)
def test_data_are_told_apart_by_what_was_typed(given: list[dict[str, Any]], kept: list[dict[str, Any]]) -> None:
    assert essential(given) == kept
