"""Runs as a verdict reads them."""

from typing import Any

import mlflow
import pandas as pd
import pytest

from src.tracking.study import Study
from src.tracking.study_trials import essential, read_records
from src.tracking.trial_runs import TrialRuns
from src.verdict.trials import TrialRecord, facets, varying
from tests.reporting.runs import make_study, trial


@pytest.fixture
def client(store_uri: str) -> mlflow.MlflowClient:
    return mlflow.MlflowClient(store_uri)


def read(client: mlflow.MlflowClient, *studies: Study) -> list[TrialRecord]:
    table = pd.concat([study.to_frame() for study in studies], ignore_index=True)
    return read_records(table, TrialRuns(client).history, "accuracy")


def spelled(client: mlflow.MlflowClient, name: str, lines: str, **parameters: Any) -> Study:
    facts = trial(0, 3, overrides=lines, **parameters)
    return make_study(client, name, [(facts, "FINISHED")])


def test_a_run_that_does_not_read_a_mode_stands_in_each_that_is_trained_beside_it(client: mlflow.MlflowClient) -> None:
    """Whatever mode it was trained under, and however the study spells it."""
    head = trial(0, 3, overrides="unfrozen=0", batchnorm="adapted", dropout=0.2)
    alone = make_study(client, "one mode", [(head | {"batchnorm": "frozen"}, "FINISHED")])
    assert ["batchnorm" in record.factors for record in read(client, alone)] == [False]
    deep = [trial(11, 3, batchnorm=mode, dropout=0.2) for mode in ("train", "inference")]
    study = make_study(client, "two modes", [(each, "FINISHED") for each in (head | {"batchnorm": "frozen"}, *deep)])
    one, other, *_ = read(client, study)
    assert (one.factors["batchnorm"], other.factors["batchnorm"]) == ("train", "inference")
    assert one.run_id == other.run_id
    assert (one.factors["dropout"], one.seed, one.depth) == (0.2, 3, 0)
    assert list(facets(read(client, study))) == ["batchnorm=train", "batchnorm=inference"]
    adapted = make_study(client, "adapted", [(each, "FINISHED") for each in (head, *deep)])
    assert next(iter(facets(read(client, adapted)))) == "batchnorm=adapted"


def test_a_metric_that_somebody_adds_to_runs_is_no_hyperparameter(client: mlflow.MlflowClient) -> None:
    study = make_study(client, "added metric", [(trial(2, seed, dropout=0.2), "FINISHED") for seed in range(2)])
    for run in study.trials():
        client.log_metric(run.info.run_id, "external_acc", hash(run.info.run_id) / 1e20)
    assert varying(read(client, study)) == []


KEYS: Any = {
    "epochs": 15, "fine_tune_epochs": 10, "learning_rate": 0.1, "fine_tune_learning_rate": 0.2, "unfrozen": 0,
    "schedule.x.epochs": 10, "schedule.x.learning_rate": 0.1, "schedule.x.unfrozen": 0,
    "schedule.x.plateau_factor": 0.3, "augment.views": 1, "image_size": 96,
    **dict.fromkeys([f"augment.{name}" for name in ("rotation", "zoom", "crop", "shift", "brightness")], 0),
    "augment.flip": "false",
}  # fmt: skip
OTHERWISE: Any = {
    "epochs": {"epochs": 3}, "rate": {"fine_tune_learning_rate": 0.5}, "views": {"augment.views": 7},
    "plateau": {"schedule.x.plateau_factor": 0.9}, "mode": {"batchnorm": "train"},
    "copied weights": {"weights.path": "b.h5"}, "native size": {"weights.image_size": 64},
    "size typed": {"image_size": None}, "split seed": {"data.split_seed": 7},
    "values that meet": {"epochs": 10},
}  # fmt: skip


@pytest.mark.parametrize("kind", OTHERWISE)
def test_a_run_with_another_value_of_a_key_that_it_does_not_read_is_no_other_configuration(
    client: mlflow.MlflowClient, kind: str
) -> None:
    """Runs that an earlier version logged with all keys, and a grid that was reused from one with another value."""
    same = {"data_fingerprint": "f", "weights_digest": "w", "image_side": "96", "group.schedule": "post"}
    given = [KEYS | {"batchnorm": "inference", "weights.path": "a.h5", "data.split_seed": 0}] * 2
    given[1] = {name: value for name, value in (given[1] | OTHERWISE[kind]).items() if value is not None}
    trials = [(trial(0, seed, tags=same, **own), "FINISHED") for seed, own in enumerate(given)]
    records = read(client, make_study(client, f"idle {kind}", trials))
    assert varying(records) == []
    assert list(facets(records)) == [""]


def test_the_command_of_a_trial_keeps_its_words_and_drops_idle_keys(client: mlflow.MlflowClient) -> None:
    own = KEYS | {"fine_tune_epochs": 10, "schedule.x.epochs": 10}
    (record,) = read(client, spelled(client, "command", "-cn my.study epochs=15 hydra.mode=RUN unfrozen=0", **own))
    assert " ".join(record.command) == "python -m src.train -cn my.study hydra.mode=RUN unfrozen=0"


SPELLED = {
    "unfrozen=0 x='it": ("unfrozen=0", "x='it"), "'data.root=a b' unfrozen=0": ("data.root=a b", "unfrozen=0"),
    "the defaults": (), "=": ("=",), "a=b=c": ("a=b=c",),
}  # fmt: skip


@pytest.mark.parametrize("lines", SPELLED)
def test_spellings_of_earlier_versions_that_are_cut_or_odd(client: mlflow.MlflowClient, lines: str) -> None:
    (record,) = read(client, spelled(client, f"odd {lines}", lines, batchnorm="train"))
    assert record.overrides == SPELLED[lines]


def test_what_failed_is_read_with_its_epochs_and_what_is_known_of_it(client: mlflow.MlflowClient) -> None:
    tags = {"depth": "11", "photos.val": "500", "whole": "yes"}
    study = make_study(client, "failed", [(trial(11, 4, tags=tags, batchnorm="train"), "FAILED")])
    study.add_failed(["backbone=nosuch", "seed=7"], "no such backbone", "")
    planned, unplanned = read(client, study)
    assert (planned.status, planned.depth, planned.seed, planned.block) == ("FAILED", 11, 4, "block_16")
    assert (planned.whole, unplanned.whole) == (True, False)
    assert [epoch["fit/accuracy"] for epoch in planned.history] == [0.5, 0.75]
    assert (unplanned.factors, unplanned.seed, unplanned.history) == ({}, 7, [])
    assert list(facets([planned, unplanned])) == [""]


def test_an_unplanned_failure_makes_no_facet(client: mlflow.MlflowClient) -> None:
    modes = ("train", "inference")
    study = make_study(client, "no facet", [(trial(2, 0, batchnorm=mode), "FINISHED") for mode in modes])
    study.add_failed(["backbone=nosuch", "seed=7"], "no such backbone", "")
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
    (
        [{"data": "a", "data.root": "x", "image_size": 160.0}, {"data": "b", "data.root": "y", "image_size": 96.0}],
        [{"data.root": "x", "image_size": 160.0}, {"data.root": "y", "image_size": 96.0}],
    ),
    (
        [{"data": "a", "data.root": "x", "image_size": 160.0}, {"data": "b", "data.root": "x", "image_size": 96.0}],
        [{"image_size": 160.0}, {"image_size": 96.0}],
    ),
    (
        [{"data": "a", "dropout": 0.2}, {"data": "b", "dropout": 0.5}],
        [{"data": "a", "dropout": 0.2}, {"data": "b", "dropout": 0.5}],
    ),
    (
        [{"data": "a", "data.kind": "folder", "data.root": "x"}, {"data": "b", "data.kind": "trees", "data.size": 3}],
        [{"data.kind": "folder"}, {"data.kind": "trees"}],
    ),
    ([{"data": "a", "data.root": "x"}, {"data": "a", "data.root": "y"}, {}], [{}, {}, {}]),
]  # fmt: skip


@pytest.mark.parametrize(("given", "kept"), DATA)
def test_data_are_told_apart_by_what_was_typed(given: list[dict[str, Any]], kept: list[dict[str, Any]]) -> None:
    assert essential(given) == kept


def test_in_a_search_whose_every_rate_is_another_nothing_else_is_lost() -> None:
    given = [
        {
            "learning_rate": rate, "optimizer": "adam", "weights": "imagenet", "augment": "light", "schedule": "post",
            "schedule.fine_tuning.learning_rate": rate, "schedule.fine_tuning.patience": 2 + k % 2,
            "data": f"{k % 2}", "data.fraction": 0.5 + 0.5 * (k % 2), "weights.alpha": 0.35 + 0.65 * (k // 2),
            "augment.views": 1 + k // 2, "optimizer.momentum": 0.9 + 0.05 * (k % 2),
        }
        for k, rate in enumerate((1e-4, 3e-4, 1e-3, 3e-3))
    ]  # fmt: skip
    told = {"data", "schedule.fine_tuning.learning_rate"}
    assert essential(given) == [{name: own[name] for name in own if name not in told} for own in given]


def test_a_schedule_repeats_rates_and_epochs_until_a_phase_has_its_own() -> None:
    one: dict[str, Any] = {"schedule": "two_phase", "learning_rate": 1e-3, "schedule.extraction.learning_rate": 1e-3}
    other: dict[str, Any] = {"schedule": "post", "learning_rate": 1e-4, "schedule.tuning.learning_rate": 1e-4}
    names = ["learning_rate", "schedule"]
    assert [sorted(own) for own in essential([one, other])] == [names, names]
    typed = one | {"schedule.extraction.learning_rate": 5e-4}
    assert [sorted(own)[-1] for own in essential([one, typed])] == ["schedule.extraction.learning_rate"] * 2


def test_a_seed_that_is_no_number_is_read(client: mlflow.MlflowClient) -> None:
    study = make_study(client, "odd seed", [])
    study.add_failed(["seed=²"], "no number", "")
    assert [record.seed for record in read(client, study)] == [0]


def test_the_objective_is_no_factor_and_the_monitor_is_what_was_trained(client: mlflow.MlflowClient) -> None:
    typed = [
        trial(2, 0, monitor="val_accuracy", objective="accuracy"),
        trial(2, 1, monitor="val_accuracy", objective="macro_f1", overrides="monitor=null seed=1"),
    ]
    records = read(client, make_study(client, "no factor", [(each, "FINISHED") for each in typed]))
    assert [record.factors for record in records] == [{"monitor": "val_accuracy"}] * 2
