"""What a sweep's overrides come to: an order, a name, labels."""

import pytest
from hydra.core.override_parser.overrides_parser import OverridesParser

from src.cli.overrides import Axes, label
from src.config import changes_numbers


def axes(*arguments: str, **params: str) -> Axes:
    return Axes.read(None, params, arguments)  # type: ignore[arg-type] - only a glob needs a loader


@pytest.mark.parametrize(
    ("given", "ordered"),
    [
        (["unfrozen=0,2", "seed=0,1", "backbone=a,b"], ["backbone", "seed", "unfrozen"]),
        (["unfrozen=1,2", "dropout=0,1", "augment=x,y"], ["augment", "dropout", "unfrozen"]),
        (["fine_tune_learning_rate=1,2", "learning_rate=0,1"], ["learning_rate", "fine_tune_learning_rate"]),
        (["schedule.fine_tuning.patience=1,2", "schedule=a,b"], ["schedule", "schedule.fine_tuning.patience"]),
        (["unfrozen=0,2", "data.fraction=0.1,1", "weights=a,b"], ["data.fraction", "weights", "unfrozen"]),
        (["seed=0,1", "batchnorm=a,b"], ["seed", "batchnorm"]),
    ],
)  # fmt: skip
def test_what_shares_frozen_work_varies_last(given: list[str], ordered: list[str]) -> None:
    assert [each.get_key_element() for each in axes(*given).overrides] == ordered


def test_the_command_line_replaces_the_studys_own() -> None:
    found = axes("seed=5", "+extra=1", unfrozen="0,2", seed="0,1,2")
    assert found.varied == {"unfrozen": "0,2"}
    assert found.fixed == ["seed=5", "+extra=1"]
    assert axes("++seed=5", "+schedule.fine_tuning.no_deeper_than=0,2", seed="0,1").varied == {
        "schedule.fine_tuning.no_deeper_than": "0,2"
    }


def test_a_name_follows_from_what_is_measured_alone() -> None:
    here = axes("unfrozen=0,2", "tracking.uri=sqlite:///x.db", "seed=0,1", "runtime.progress=false", "force=true")
    there = axes("seed=0,1", "unfrozen=0,2", "fail_fast=true", "study=null", "hydra.sweep.dir=/x")
    assert here.name == there.name == "seed=0,1 unfrozen=0,2"
    assert axes().name == "one trial"


def test_long_names_stay_apart() -> None:
    one, two = (axes("data.root=" + "x" * 300 + end, "unfrozen=0,2").name for end in "ab")
    assert one != two
    assert len(one) <= 200


@pytest.mark.parametrize(
    ("key", "changes"),
    [
        ("unfrozen", True), ("data.root", True), ("+experiment", True), ("tracking.uri", False), ("tracking", False),
        ("runtime.threads", False),
        ("runtime.precision", True), ("++runtime.precision=float16", True), ("study", False), ("++force", False),
        ("hydra/launcher", False),
        ("hydra.job", False), ("seed=3", True), ("study=x.y/z", False),
    ],
)  # fmt: skip
def test_which_keys_change_numbers(key: str, changes: bool) -> None:
    assert changes_numbers(key) is changes


def test_labels() -> None:
    job = ["backbone=lenet5", "tracking.uri=a", "+x=1", "unfrozen=2"]
    assert label(job) == "backbone=lenet5 +x=1 unfrozen=2"
    assert label(job, ["unfrozen"]) == "unfrozen=2"
    assert label([]) == "the defaults"
    assert label(["unfrozen=1 block", "seed=0"]) == "'unfrozen=1 block' seed=0"


def test_hydra_parses_what_a_name_is_made_of() -> None:
    lines = ["unfrozen=0,1 block,3 blocks", "dropout=choice(0.1,0.2)", "data.root='a, b'"]
    parsed = OverridesParser.create().parse_overrides(lines)
    assert Axes(tuple(parsed)).varied == {"unfrozen": "0,1 block,3 blocks", "dropout": "choice(0.1,0.2)"}
