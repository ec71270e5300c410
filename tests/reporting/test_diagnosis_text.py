"""The diagnosis in words: a heading, what to do first, the numbers, and whose they are."""

import re
from dataclasses import fields, replace

import pytest

from src.common.project import PROJECT
from src.diagnosis.diagnose import diagnose
from src.diagnosis.rules import RULES
from src.reporting.diagnosis_text import FindingText, describe, describe_rule, heading
from src.verdict.trials import TrialRecord
from tests.diagnosis.examples import FIRED, history, measured, slow
from tests.verdict.studies import grid, trial

STUDY = [measured(0.9, 0.7, depth=2), measured(0.98, 0.5, depth=11, seed=1), measured(0.9, 0.85, depth=0)]


def described(name: str, *records: TrialRecord, recommended: str | None = None) -> FindingText:
    (text,) = [each for each in describe(diagnose(records), recommended) if each.name == name]
    return text


@pytest.mark.parametrize(("name", "record", "text"), [(name, record, text) for name, record, _, text in FIRED])
def test_a_finding_says_what_to_do_and_then_the_numbers(name: str, record: TrialRecord, text: str) -> None:
    assert described(name, record).text.startswith(text)


def test_batchnorm_may_cause_a_part_of_what_diverges_in_training_mode() -> None:
    texts = {"BatchNorm may cause a part" in described(*row[:2]).text for row in FIRED if row[0] == "diverging_curves"}
    assert texts == {True, False}


def test_only_accuracy_is_said_to_count_photos() -> None:
    texts = [described(*row[:2]).text for row in FIRED if row[0] == "class_imbalance"]
    assert ["Accuracy counts photos" in text for text in texts] == [True, False]


def test_scores_are_those_of_the_objective() -> None:
    record = trial(objective="macro_f1", history=history([0.5, 0.6], [0.4, 0.52], of="val/macro_f1"))
    assert "Validation macro F1 was 0.600 at best before the last phase and 0.520 at best in it, 0.080 less" in (
        described("fine_tuning_hurts", record).text
    )


def test_headings_are_short_and_differ() -> None:
    headings = [heading(rule) for rule in RULES]
    assert len(set(headings)) == len(RULES)
    assert all(len(each.split()) <= 5 and each[0].isupper() for each in headings)


def test_the_document_names_the_rules_and_what_a_finding_has() -> None:
    page = (PROJECT / "docs" / "sweeps.md").read_text("utf-8")
    (names,) = re.findall(r"eleven rules to every trial: `([^`]+)`", page)
    assert names.split() == [rule.name for rule in RULES]
    (keys,) = re.findall(r"each of the `findings` has (.+), worst first", page)
    assert len(re.findall(r"`(\w+)`", keys)) == 6
    assert set(re.findall(r"`(\w+)`", keys)) <= {field.name for field in fields(FindingText)}


def test_rules_state_what_they_measure_and_their_limit() -> None:
    texts = {rule.name: describe_rule(rule) for rule in RULES}
    assert all(len(text.meaning) > 20 and re.match(r"\d", text.limit) and text.source for text in texts.values())
    limits = {name: texts[name].limit for name in ("overfitting", "underfitting", "diverging_loss", "leakage")}
    assert limits == {
        "overfitting": "15.0 points", "underfitting": "20.0%", "diverging_loss": "1.5×", "leakage": "1 pair",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("recommended", "extent"),
    [
        (None, "2 of 3 trials show this; the numbers are from 11 layers, seed 1 (run 11-1)."),
        ("11-1", "2 of 3 trials show this; the numbers are from the recommended one, 11 layers, seed 1 (run 11-1)."),
        (
            "2-0",
            "2 of 3 trials show this, the recommended one included; the numbers are from 11 layers, seed 1 (run 11-1).",
        ),
        (
            "0-0",
            "2 of 3 trials show this, but not the recommended one; the numbers are from 11 layers, seed 1 (run 11-1).",
        ),
    ],
)
def test_it_says_which_trials_are_concerned(recommended: str | None, extent: str) -> None:
    assert described("overfitting", *STUDY, recommended=recommended).text.endswith(f" inference mode. {extent}")


def test_one_trial_of_several() -> None:
    assert "1 of 2 trials shows this; the numbers" in described("overfitting", *STUDY[1:]).text


def test_the_scores_of_a_remedy_that_was_tried_take_its_place() -> None:
    without, with_it = {2: (0.5, 0.6), 11: (0.1, 0.1)}, {2: (0.7, 0.72), 11: (0.9, 0.9)}
    records = [*grid(without, factors={"dropout": 0.2, "augment": "strong"}),
               *grid(with_it, factors={"dropout": 0.5, "augment": "strong"})]  # fmt: skip
    overfit = {"best/train_accuracy": 0.98, "best/val_accuracy": 0.5, "gap/generalization": 0.48}
    text = described("overfitting", replace(records[0], metrics=overfit), *records[1:])
    assert text.text.startswith("Compare with the trials of this study that have dropout=0.5. Accuracy is 98.0%")
    assert text.note == "Validation accuracy at 2 layers: 71.0% (2 trials) with dropout=0.5, 55.0% (2 trials) without."
    assert text.override == ""


def test_another_depth_that_was_tried_is_named_without_its_own() -> None:
    records = [measured(0.6, 0.6), trial(11, 0, 0.7, whole=True)]
    assert described("underfitting", *records).note == (
        "Validation accuracy: 70.0% (1 trial) with unfrozen=all, 60.0% (1 trial) without."
    )


def test_opposite_remedies_name_each_other() -> None:
    low, hurt = slow(0.6, 1.50, 1.45, 1.40, 1.36), trial(0, history=history([0.6], [0.4, 0.5], of="val/accuracy"))
    assert described("slow_training", low, hurt).note == (
        "“Fine-tuning hurts” asks for the opposite change, fine_tune_learning_rate=3e-05: each remedy is for the trial "
        "that its numbers are from."
    )
    assert "“Training is slow” asks for" in described("fine_tuning_hurts", low, hurt).note
