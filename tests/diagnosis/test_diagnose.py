"""Each rule fired and not fired, and what is made of missing numbers."""

import math
from collections.abc import Mapping
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from src.common.project import CONF
from src.diagnosis.diagnose import Finding, diagnose
from src.diagnosis.remedies import Settings
from src.diagnosis.rules import RULES
from src.reporting.diagnosis_text import describe
from src.reporting.wording import as_typed
from src.verdict.trials import TrialRecord
from tests.conftest import Compose
from tests.diagnosis.examples import FALLING, FIRED, NOT_FIRED, RISING, History, ending, history, measured, slow
from tests.verdict.studies import trial


def found(name: str, *records: TrialRecord) -> Finding | None:
    return next((finding for finding in diagnose(records) if finding.rule.name == name), None)


@pytest.mark.parametrize(("name", "record", "remedy"), [row[:3] for row in FIRED])
def test_fired(name: str, record: TrialRecord, remedy: Settings) -> None:
    finding = found(name, record)
    assert finding is not None
    assert finding.remedy == remedy
    assert finding.worst == record
    assert finding.symptom.size >= finding.rule.limit


@pytest.mark.parametrize(("name", "record"), NOT_FIRED)
def test_not_fired(name: str, record: TrialRecord) -> None:
    assert found(name, record) is None


def test_every_rule_is_tested_both_ways() -> None:
    assert {row[0] for row in FIRED} & {row[0] for row in NOT_FIRED} == {rule.name for rule in RULES}


BESIDE = {"data.": ["data=folder", "data.root=x"]}
"""What a remedy's trial has besides, by how the remedy begins."""


def value_of(trial: object, key: str) -> str:
    """A setting of a trial's configuration, as it is typed."""
    for part in key.split("."):
        trial = trial[part] if isinstance(trial, Mapping) else getattr(trial, part)
    return str(trial)


@pytest.mark.parametrize("override", sorted({as_typed(remedy) for _, _, remedy, _ in FIRED if remedy}))
def test_every_remedy_can_be_typed_and_arrives(composed: Compose, override: str) -> None:
    beside = [word for start, words in BESIDE.items() if override.startswith(start) for word in words]
    trial = composed(*override.split(), *beside)
    for key, value in (word.split("=") for word in override.split()):
        is_choice = (CONF / key).is_dir()  # of a file's settings
        assert trial != composed(*beside) if is_choice else value_of(trial, key) == value


def test_every_rule_has_a_remedy_that_is_typed() -> None:
    assert {name for name, _, remedy, _ in FIRED if remedy} == {rule.name for rule in RULES}


def test_the_worst_trial_comes_first() -> None:
    records = [measured(0.9, 0.7, depth=2), measured(0.98, 0.5, depth=11, seed=1), measured(0.9, 0.85, depth=0)]
    finding = found("overfitting", *records)
    assert finding is not None
    assert finding.run_ids == ("11-1", "2-0")
    assert finding.examined == 3
    assert finding.symptom.values == {"train": 0.98, "val": 0.5}


def test_the_largest_gain_ended_soonest() -> None:
    some, more = ending(RISING), ending([*RISING[:-1], 0.7], seed=1)
    finding = found("ended_too_soon", some, more)
    assert finding is not None
    assert finding.run_ids == (more.run_id, some.run_id)
    assert finding.symptom.size == pytest.approx(0.15)


def test_a_remedy_that_was_tried_is_not_asked_for() -> None:
    factors = ({"augment": "none"}, {"augment": "light"})
    finding = found(
        "overfitting", *(measured(0.98, val, factors=f) for f, val in zip(factors, (0.5, 0.9), strict=True))
    )
    assert finding is not None
    assert not finding.remedy
    assert finding.tried is not None
    assert finding.tried.settings == {"augment": "light"}
    assert (finding.tried.scores, finding.tried.scores_without) == ((0.9,), (0.5,))


def test_remedies_in_opposite_directions_name_each_other() -> None:
    low, hurt = slow(0.6, 1.50, 1.45, 1.40, 1.36), trial(0, history=history([0.6], [0.4, 0.5], of="val/accuracy"))
    opposed = {each.rule.name: each.opposed for each in diagnose([low, hurt])}
    assert opposed["slow_training"] == {"fine_tuning_hurts": {"fine_tune_learning_rate": 3e-05}}
    assert opposed["fine_tuning_hurts"] == {"slow_training": {"fine_tune_learning_rate": 0.0009}}


def test_a_good_trial_has_no_finding() -> None:
    good = replace(measured(0.97, 0.93), history=history(FALLING, [0.5, 0.4, 0.35]))
    assert diagnose([good]) == []
    assert diagnose([]) == []


def test_a_run_that_is_reused_for_two_configurations_counts_once() -> None:
    bad, fine = measured(0.98, 0.58, seed=1), measured(0.9, 0.89)
    finding = found("overfitting", bad, replace(bad, factors={"batchnorm": "frozen"}), fine)
    assert finding is not None
    assert finding.run_ids == (bad.run_id,)
    assert finding.examined == 2


names = ["epoch", "phase", "fit/loss", "fit/accuracy", "val/accuracy", "learning_rate"]
numbers = st.one_of(st.floats(allow_nan=True, allow_infinity=True), st.floats(0, 1), st.integers(0, 3).map(float))
metrics = [
    "best/train_accuracy", "best/val_accuracy", "best/fit_accuracy", "gap/mode", "gap/generalization", "best/epoch",
]  # fmt: skip


@settings(max_examples=150, deadline=None)
@given(
    st.dictionaries(st.sampled_from(metrics), numbers),
    st.lists(st.dictionaries(st.sampled_from(names), numbers), max_size=8),
    st.sampled_from(["FINISHED", "FAILED", "RUNNING"]),
    st.dictionaries(st.sampled_from(["a", "b"]), st.integers(0, 5)),
)
def test_missing_numbers_break_nothing(
    values: Mapping[str, float], epochs: History, status: str, counts: Mapping[str, int]
) -> None:
    record = replace(
        trial(status=status, factors={"batchnorm": "train"}, history=epochs, class_counts=counts), metrics=values
    )
    findings = diagnose([record, trial()])
    for finding, text in zip(findings, describe(findings), strict=True):
        assert finding.symptom.size >= finding.rule.limit
        assert not any(math.isnan(value) for value in finding.remedy.values() if isinstance(value, float))
        assert not {"nan", "nan%"} & set(f"{text.text} {text.override}".replace(",", " ").split())
