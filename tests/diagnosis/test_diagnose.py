"""Each rule fired and not fired, and what is made of missing numbers."""

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from src.common.project import CONF
from src.data.duplicates import NearDuplicates, Pair
from src.diagnosis.diagnose import Finding, diagnose
from src.diagnosis.rules import RULES
from src.verdict.trials import TrialRecord
from tests.conftest import Compose
from tests.verdict.studies import trial

History = list[dict[str, float]]


def measured(train: float, val: float, fit: float | None = None, **more: Any) -> TrialRecord:
    fit = train if fit is None else fit
    metrics = {
        "best/train_accuracy": train, "best/val_accuracy": val, "best/fit_accuracy": fit,
        "gap/mode": fit - train, "gap/generalization": train - val,
    }  # fmt: skip
    return replace(trial(**more), metrics=metrics)


def history(*phases: Sequence[float], of: str = "fit/loss", rate: float = 0.003) -> History:
    rows = [(phase, value) for phase, values in enumerate(phases) for value in values]
    return [
        {"epoch": float(k), "phase": float(phase), of: value, "learning_rate": rate * 0.1**phase}
        for k, (phase, value) in enumerate(rows)
    ]


def ending(*phases: Sequence[float], **more: Any) -> TrialRecord:
    """The best epoch is the best of the last phase; of equal ones the first."""
    best = sum(map(len, phases[:-1])) + int(np.argmax(phases[-1]))
    return replace(trial(history=history(*phases, of="val/accuracy"), **more), metrics={"best/epoch": float(best)})


def parted(kept: int, fit: Sequence[float], val: Sequence[float], **more: Any) -> TrialRecord:
    epochs = [
        {"epoch": float(k), "fit/accuracy": one, "val/accuracy": other}
        for k, (one, other) in enumerate(zip(fit, val, strict=True))
    ]
    record = measured(fit[kept], val[kept], history=epochs, **more)
    return replace(record, metrics={**record.metrics, "best/epoch": float(kept)})


def slow(train: float, *losses: float) -> TrialRecord:
    return replace(measured(train, train), history=history([3.0, 2.0, 1.5], losses))


def found(name: str, *records: TrialRecord) -> Finding | None:
    return next((finding for finding in diagnose(records) if finding.name == name), None)


RISING = [0.50, 0.52, 0.54, 0.57, 0.56, 0.61]
FALLING = [2.0, 1.2, 0.8, 0.6, 0.5]

IMBALANCE, LEAKAGE = "class_weights=balanced", "data.near_duplicates=drop"

FIRED: list[tuple[str, TrialRecord, str, str]] = [
    (
        "overfitting", measured(0.98, 0.58), "augment=light",
        "98.0 % on the training photos and 58.0 % on validation, both in inference mode, 40.0 points "
        "apart.",
    ),
    (
        "overfitting", measured(0.98, 0.58, factors={"augment": "light"}), "augment=strong", "98.0 %",
    ),
    (
        "overfitting", measured(0.98, 0.58, factors={"augment": "strong"}), "dropout=0.5", "98.0 %",
    ),
    (
        "overfitting", measured(0.98, 0.58, factors={"augment": "strong", "dropout": 0.5}), "unfrozen=0", "98.0 %",
    ),
    (
        "overfitting", measured(0.98, 0.58, depth=0, factors={"augment": "strong", "dropout": 0.5}), "", "98.0 %",
    ),
    (
        "underfitting", measured(0.63, 0.60, overrides=("unfrozen=154",), whole=True), "epochs=20",
        "Of the training photos",
    ),
    (
        "underfitting", measured(0.63, 0.60, depth=0, overrides=("unfrozen=all",), factors={"schedule": "head_only"}),
        "schedule=two_phase unfrozen=all", "Of the training photos",
    ),
    (
        "underfitting", measured(0.63, 0.60), "unfrozen=all",
        "Of the training photos themselves no more than 63.0 % were read right at any epoch",
    ),
    (
        "fit and validation part", parted(0, (0.47, 0.84, 0.97), (0.40, 0.36, 0.38)), "augment=light",
        "From the last phase's epoch 1, which was kept, to epoch 3 fit went from 47.0 % to 97.0 % and validation from "
        "40.0 % to 38.0 %: the network can fit, and what it learns is of no use to other photos.",
    ),
    (
        "fit and validation part", parted(0, (0.47, 0.84, 0.97), (0.40, 0.36, 0.38), factors={"batchnorm": "train"}),
        "batchnorm=inference", "From the last phase's epoch 1",
    ),
    (
        "BatchNorm mismatch", measured(0.60, 0.28, 1.0, factors={"batchnorm": "train"}), "batchnorm=inference",
        "The same training photos are read 100.0 % in training mode and 60.0 % in inference, 40.0 "
        "points apart.",
    ),
    (
        "rate too high: diverges", trial(history=history([2.0, 1.0, 1.9])), "learning_rate=0.001",
        "In phase 1 fit/loss went from 1 up to 1.9, at a rate of 0.003.",
    ),
    (
        "rate too high: diverges", trial(history=history(FALLING, [0.5, math.nan]), status="FAILED", val=None),
        "fine_tune_learning_rate=0.0001",
        "In phase 2 fit/loss went from 0.5 up to no number, at a rate of 0.0003.",
    ),
    (
        "rate too high: diverges", trial(history=history([math.nan]), status="FAILED", val=None),
        "learning_rate=0.001",
        "In phase 1 fit/loss was no number from the first epoch on, at a rate of 0.003.",
    ),
    (
        "rate too high: diverges", trial(history=history([math.nan], rate=math.nan), status="FAILED", val=None), "",
        "In phase 1 fit/loss was no number from the first epoch on.",
    ),
    (
        "rate too high: oscillates", trial(history=history([2.0, 1.5, 1.7, 1.4, 1.6, 1.3])), "learning_rate=0.001",
        "In phase 1 fit/loss rose at 2 of 5 steps from one epoch to the next, at a rate of 0.003.",
    ),
    (
        "rate too low", slow(0.6, 1.50, 1.45, 1.40, 1.36), "fine_tune_learning_rate=0.0009",
        "Over the 4 epochs of the last phase fit/loss fell at every one, but from 1.5 to 1.36 only, with "
        "60.0 % on the training photos, at a rate of 0.0003.",
    ),
    (
        "fine-tuning undoes", trial(history=history([0.5, 0.6, 0.58], [0.4, 0.52], of="val/accuracy")),
        "fine_tune_learning_rate=3e-05",
        "The last phase undoes what came before: validation was 60.0 % at the best before it and 52.0 % at the best in "
        "it, 8.0 points less, at a rate of 0.0003.",
    ),
    (
        "ended too soon", ending([0.4, 0.5], RISING), "fine_tune_epochs=12",
        "The last of the last phase's 6 epochs was the best, and validation rose by 7.0 points in the phase's second "
        "half, while it fell by no more than 1.0 points from one epoch to the next.",
    ),
    (
        "ended too soon", ending([0.3, 0.4, 0.5, 0.6]), "epochs=8",
        "The last of the last phase's 4 epochs was the best, and validation rose by 20.0 points in the phase's second "
        "half, while it never fell from one epoch to the next.",
    ),
    (
        "ended too soon", ending(RISING, factors={"schedule": "post"}), "fine_tune_epochs=12", "The last of",
    ),
]  # fmt: skip

NOT_FIRED: list[tuple[str, TrialRecord]] = [
    ("overfitting", measured(0.80, 0.70)),
    ("underfitting", measured(0.85, 0.60)),
    ("underfitting", measured(0.60, 0.28, 1.0, factors={"batchnorm": "train"})),  # it does learn, in training mode
    ("underfitting", parted(0, (0.47, 0.84, 0.97), (0.40, 0.36, 0.38))),  # it does learn, after the kept epoch
    ("fit and validation part", parted(2, (0.47, 0.84, 0.97), (0.40, 0.36, 0.41))),
    ("fit and validation part", parted(0, (0.47, 0.84, 0.97), (0.40, 0.36, 0.41))),  # the loss rose, accuracy too
    ("fit and validation part", parted(0, (0.67, 0.84, 0.90), (0.40, 0.36, 0.38))),
    ("BatchNorm mismatch", measured(0.98, 0.90, 1.0, factors={"batchnorm": "train"})),
    ("BatchNorm mismatch", measured(0.60, 0.28, 1.0, factors={"batchnorm": "inference"})),
    (
        "BatchNorm mismatch",
        measured(0.98, 0.90, 0.7, factors={"batchnorm": "train"}),
    ),  # Dropout's gap has the other sign
    ("rate too high: diverges", trial(history=history(FALLING, [0.7, 0.6]))),
    ("rate too high: diverges", trial(history=history([0.5, 0.01, 0.05]))),  # next to no loss at all
    ("rate too high: oscillates", trial(history=history([2.0, 1.5, 1.7, 1.4, 1.3, 1.2]))),
    ("rate too high: oscillates", trial(history=history([2.0, 1.5, 1.7]))),  # too few epochs
    ("rate too low", slow(0.6, 1.5, 1.2, 0.9, 0.7)),
    ("rate too low", slow(0.95, 1.50, 1.45, 1.40, 1.36)),
    ("rate too low", slow(0.6, 1.50, 1.45, 1.46, 1.36)),
    ("rate too low", slow(0.6, 1.50, 1.45)),
    ("fine-tuning undoes", trial(history=history([0.5, 0.6], [0.4, 0.59], of="val/accuracy"))),
    ("fine-tuning undoes", trial(history=history([0.6, 0.5], of="val/accuracy"))),
    ("fine-tuning undoes", trial(history=history([0.6], [0.2], of="val/accuracy"), status="RUNNING")),
    ("ended too soon", ending([*RISING, 0.60])),
    ("ended too soon", ending(RISING, status="KILLED")),
    ("ended too soon", ending([0.4], [0.5, 0.6, 0.7])),  # too few epochs for a trend
    ("ended too soon", ending([0.566, 0.562, 0.562, 0.571, 0.571, 0.575], val_images=226)),  # two photos
    ("ended too soon", ending([0.36, 0.47, 0.46, 0.49, 0.45, 0.43, 0.48, 0.47, 0.47, 0.50])),  # swings of 4 points
    ("ended too soon", ending([0.50, 0.50, 0.55, 0.55, 0.55, 0.60], val_images=20)),  # one photo
]


@pytest.mark.parametrize(("name", "record", "override", "text"), FIRED)
def test_fired(name: str, record: TrialRecord, override: str, text: str) -> None:
    finding = found(name, record)
    assert finding is not None
    assert finding.text.startswith(text)
    assert finding.override == override
    assert finding.run_ids == (record.run_id,)
    assert finding.source


BESIDE = {"data.": ["data=folder", "data.root=x"]}
"""What a remedy's trial has besides, by how the remedy begins."""


def value_of(trial: object, key: str) -> str:
    """A setting of a trial's configuration, as it is typed."""
    for part in key.split("."):
        trial = trial[part] if isinstance(trial, Mapping) else getattr(trial, part)
    return str(trial)


@pytest.mark.parametrize(
    "override", sorted({override for _, _, override, _ in FIRED if override} | {IMBALANCE, LEAKAGE})
)
def test_every_remedy_can_be_typed_and_arrives(composed: Compose, override: str) -> None:
    beside = [word for start, words in BESIDE.items() if override.startswith(start) for word in words]
    trial = composed(*override.split(), *beside)
    for key, value in (word.split("=") for word in override.split()):
        is_choice = (CONF / key).is_dir()  # of a file's settings
        assert trial != composed(*beside) if is_choice else value_of(trial, key) == value


@pytest.mark.parametrize(("name", "record"), NOT_FIRED)
def test_not_fired(name: str, record: TrialRecord) -> None:
    assert found(name, record) is None


@pytest.mark.parametrize(
    ("counts", "factors", "fires"),
    [
        ({"oak": 90, "elm": 30}, {}, True),
        ({"oak": 89, "elm": 30}, {}, False),
        ({"oak": 90, "elm": 30}, {"class_weights": "balanced"}, False),
        ({"oak": 90}, {}, False),
        ({}, {}, False),
    ],
)
def test_imbalance(counts: dict[str, int], factors: dict[str, str], fires: bool) -> None:
    finding = found("class imbalance", trial(factors=factors, class_counts=counts))
    assert (finding is not None) == fires
    if finding:
        assert finding.text.startswith("oak has 90 training photos and elm 30, 3.0 to 1. Accuracy counts photos,")
        assert "objective=balanced_accuracy" in finding.text
        assert finding.override == IMBALANCE


def near(pairs: int, photos: int, *named: Pair) -> TrialRecord:
    return trial(near_duplicates=NearDuplicates(pairs, photos, named))


def test_leakage() -> None:
    pairs = [Pair(0, 1, "a.jpg", "b.jpg", "train", "val"), Pair(2, 3, "c.jpg", "d.jpg", "val", "test")]
    finding = found("leakage suspected", near(1200, 3, *pairs))
    assert finding is not None
    assert finding.text.startswith("1,200 near-equal pairs across splits, with 3 photos of validation or test: ")
    assert "a.jpg and b.jpg; c.jpg and d.jpg." in finding.text
    assert finding.override == LEAKAGE
    assert found("leakage suspected", near(0, 0)) is None


def test_the_worst_of_many_trials_speaks_for_them() -> None:
    records = [measured(0.9, 0.7, depth=2), measured(0.98, 0.5, depth=11, seed=1), measured(0.9, 0.85, depth=0)]
    finding = found("overfitting", *records)
    assert finding is not None
    assert finding.run_ids == ("11-1", "2-0")
    assert finding.text.endswith(" apart. In 2 of 3 trials; the numbers are of 11 layers, seed 1 (run 11-1).")


@pytest.mark.parametrize(
    ("recommended", "extent"),
    [
        ("11-1", " In 2 of 3 trials; the numbers are of the recommended one, 11 layers, seed 1 (run 11-1)."),
        ("2-0", " In 2 of 3 trials, the recommended one among them; the numbers are of 11 layers, seed 1 (run 11-1)."),
        ("0-0", " In 2 of 3 trials, not in the recommended one; the numbers are of 11 layers, seed 1 (run 11-1)."),
    ],
)
def test_it_is_told_whether_the_recommended_trial_is_concerned(recommended: str, extent: str) -> None:
    records = [measured(0.9, 0.7, depth=2), measured(0.98, 0.5, depth=11, seed=1), measured(0.9, 0.85, depth=0)]
    assert diagnose(records, recommended)[0].text.endswith(extent)


def test_a_remedy_that_was_tried_is_told_and_not_offered() -> None:
    factors = ({"augment": "none"}, {"augment": "light"})
    finding = found(
        "overfitting", *(measured(0.98, val, factors=f) for f, val in zip(factors, (0.5, 0.9), strict=True))
    )
    assert finding is not None
    assert finding.override == ""
    assert finding.note == (
        "This study tried it at 2 layers: augment=light has 90.0 % (1 trial) on validation, against 50.0 % (1 trial) "
        "without."
    )


def test_remedies_that_fight_say_so() -> None:
    low, undone = slow(0.6, 1.50, 1.45, 1.40, 1.36), trial(0, history=history([0.6], [0.4, 0.5], of="val/accuracy"))
    notes = {each.name: each.note for each in diagnose([low, undone])}
    assert notes["rate too low"] == (
        "“fine-tuning undoes” asks for fine_tune_learning_rate=3e-05, the other way: each remedy is for the trial that "
        "its numbers are of."
    )
    assert "“rate too low” asks for fine_tune_learning_rate=0.0009, the other way" in notes["fine-tuning undoes"]


def test_what_still_gains_most_ended_soonest() -> None:
    some, more = ending(RISING), ending([*RISING[:-1], 0.7], seed=1)
    finding = found("ended too soon", some, more)
    assert finding is not None
    assert finding.run_ids == (more.run_id, some.run_id)
    assert finding.size == pytest.approx(0.15)


def test_a_good_trial_has_no_finding() -> None:
    good = replace(measured(0.97, 0.93), history=history(FALLING, [0.5, 0.4, 0.35]))
    assert diagnose([good]) == []
    assert diagnose([]) == []


def test_every_rule_is_tested_both_ways() -> None:
    both = {row[0] for row in FIRED} & {row[0] for row in NOT_FIRED} | {"class imbalance", "leakage suspected"}
    assert both == {rule.name for rule in RULES}


names = ["epoch", "phase", "fit/loss", "val/accuracy", "learning_rate"]
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
def test_whatever_is_missing_nothing_breaks(
    values: Mapping[str, float], epochs: History, status: str, counts: Mapping[str, int]
) -> None:
    record = replace(
        trial(status=status, factors={"batchnorm": "train"}, history=epochs, class_counts=counts), metrics=values
    )
    for finding in diagnose([record, trial()]):
        assert finding.text
        assert "nan" not in re.findall(r"\w+", f"{finding.text} {finding.override}")
        assert finding.size >= next(rule.limit for rule in RULES if rule.name == finding.name)


def test_a_run_that_answers_two_configurations_is_told_once() -> None:
    bad, fine = measured(0.98, 0.58, seed=1), measured(0.9, 0.89)
    finding = found("overfitting", bad, replace(bad, factors={"batchnorm": "frozen"}), fine)
    assert finding is not None
    assert finding.run_ids == (bad.run_id,)
    assert "In 1 of 2 trials" in finding.text
