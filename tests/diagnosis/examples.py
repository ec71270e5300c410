"""Trials that each rule fires for, and trials that it does not fire for."""

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from src.data.duplicates import NearDuplicates, Pair
from src.diagnosis.remedies import Settings
from src.verdict.trials import TrialRecord
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


def diverged(kept: int, fit: Sequence[float], val: Sequence[float], **more: Any) -> TrialRecord:
    epochs = [
        {"epoch": float(k), "fit/accuracy": one, "val/accuracy": other}
        for k, (one, other) in enumerate(zip(fit, val, strict=True))
    ]
    record = measured(fit[kept], val[kept], history=epochs, **more)
    return replace(record, metrics={**record.metrics, "best/epoch": float(kept)})


def slow(train: float, *losses: float) -> TrialRecord:
    return replace(measured(train, train), history=history([3.0, 2.0, 1.5], losses))


def near_duplicates(pairs: int, photos: int, *examples: Pair) -> TrialRecord:
    return trial(near_duplicates=NearDuplicates(pairs, photos, examples))


RISING = [0.50, 0.52, 0.54, 0.57, 0.56, 0.61]
FALLING = [2.0, 1.2, 0.8, 0.6, 0.5]

DIVERGED = (0, (0.47, 0.84, 0.97), (0.40, 0.36, 0.38))
PAIRS = (Pair(0, 1, "a.jpg", "b.jpg", "train", "val"), Pair(2, 3, "c.jpg", "d.jpg", "val", "test"))

FIRED: list[tuple[str, TrialRecord, Settings, str]] = [
    (
        "overfitting", measured(0.98, 0.58), {"augment": "light"},
        "Use light augmentation. Accuracy is 98.0% on the training photos and 58.0% on validation photos, 40.0 points "
        "less, both in inference mode.",
    ),
    (
        "overfitting", measured(0.98, 0.58, factors={"augment": "light"}), {"augment": "strong"},
        "Use strong augmentation.",
    ),
    (
        "overfitting", measured(0.98, 0.58, factors={"augment": "strong"}), {"dropout": 0.5}, "Raise dropout to 0.5.",
    ),
    (
        "overfitting", measured(0.98, 0.58, factors={"augment": "strong", "dropout": 0.5}), {"unfrozen": 0},
        "Keep the whole backbone frozen. Accuracy is",
    ),
    (
        "overfitting", measured(0.98, 0.58, depth=0, factors={"augment": "strong", "dropout": 0.5}), {},
        "Add training photos: augmentation and dropout are in use and the backbone is frozen. Accuracy is 98.0%",
    ),
    (
        "underfitting", measured(0.63, 0.60, overrides=("unfrozen=154",), whole=True), {"epochs": 20},
        "Train for 20 epochs. No epoch",
    ),
    (
        "underfitting", measured(0.63, 0.60, depth=0, overrides=("unfrozen=all",), factors={"schedule": "head_only"}),
        {"schedule": "two_phase", "unfrozen": "all"}, "Train in two phases and unfreeze all layers. No epoch",
    ),
    (
        "underfitting", measured(0.63, 0.60), {"unfrozen": "all"},
        "Unfreeze all layers. No epoch classified more than 63.0% of the training photos correctly, so new photos "
        "cannot be expected to do better.",
    ),
    (
        "diverging_curves", diverged(*DIVERGED), {"augment": "light"},
        "Use light augmentation. From epoch 1 of the last phase, which was kept, to epoch 3, accuracy went from 47.0% "
        "to 97.0% in training (fit) and from 40.0% to 38.0% on validation: what the network learns there does not "
        "carry over to other photos.",
    ),
    (
        "diverging_curves", diverged(*DIVERGED, factors={"batchnorm": "train"}), {"batchnorm": "inference"},
        "Run BatchNorm in inference mode. From epoch 1",
    ),
    (
        "batchnorm_mismatch", measured(0.60, 0.28, 1.0, factors={"batchnorm": "train"}), {"batchnorm": "inference"},
        "Run BatchNorm in inference mode. Accuracy on the same training photos is 100.0% in training mode and 60.0% in "
        "inference mode, 40.0 points less.",
    ),
    (
        "diverging_loss", trial(history=history([2.0, 1.0, 1.9])), {"learning_rate": 0.001},
        "Lower the learning rate to 0.001. In phase 1 the training loss (fit/loss) rose from 1 to 1.9, at a learning "
        "rate of 0.003.",
    ),
    (
        "diverging_loss", trial(history=history(FALLING, [0.5, math.nan]), status="FAILED", val=None),
        {"fine_tune_learning_rate": 0.0001},
        "Lower the learning rate of fine-tuning to 0.0001. In phase 2 the training loss (fit/loss) reached 0.5 and "
        "then stopped being a finite number, at a learning rate of 0.0003.",
    ),
    (
        "diverging_loss", trial(history=history([math.nan]), status="FAILED", val=None), {"learning_rate": 0.001},
        "Lower the learning rate to 0.001. In phase 1 the training loss (fit/loss) was not a finite number from the "
        "first epoch on, at a learning rate of 0.003.",
    ),
    (
        "diverging_loss", trial(history=history([math.nan], rate=math.nan), status="FAILED", val=None), {},
        "Lower the learning rate. In phase 1 the training loss (fit/loss) was not a finite number from the first epoch "
        "on.",
    ),
    (
        "oscillating_loss", trial(history=history([2.0, 1.5, 1.7, 1.4, 1.6, 1.3])), {"learning_rate": 0.001},
        "Lower the learning rate to 0.001. In phase 1 the training loss (fit/loss) rose at 2 of 5 steps from one epoch "
        "to the next, at a learning rate of 0.003.",
    ),
    (
        "slow_training", slow(0.6, 1.50, 1.45, 1.40, 1.36), {"fine_tune_learning_rate": 0.0009},
        "Raise the learning rate of fine-tuning to 0.0009. Over the 4 epochs of the last phase the training loss "
        "(fit/loss) fell at every epoch, but only from 1.5 to 1.36, at a learning rate of 0.0003. Accuracy on the "
        "training photos is 60.0%.",
    ),
    (
        "fine_tuning_hurts", trial(history=history([0.5, 0.6, 0.58], [0.4, 0.52], of="val/accuracy")),
        {"fine_tune_learning_rate": 3e-05},
        "Lower the learning rate of fine-tuning to 3e-05. Validation accuracy was 60.0% at best before the last phase "
        "and 52.0% at best in it, 8.0 points less, at a learning rate of 0.0003.",
    ),
    (
        "ended_too_soon", ending([0.4, 0.5], RISING), {"fine_tune_epochs": 12},
        "Fine-tune for 12 epochs. The last of the last phase's 6 epochs was the best: validation accuracy rose by 7.0 "
        "points in the phase's second half, and fell by at most 1.0 points from one epoch to the next.",
    ),
    (
        "ended_too_soon", ending([0.3, 0.4, 0.5, 0.6]), {"epochs": 8},
        "Train for 8 epochs. The last of the last phase's 4 epochs was the best: validation accuracy rose by 20.0 "
        "points in the phase's second half, and never fell from one epoch to the next.",
    ),
    (
        "ended_too_soon", ending(RISING, factors={"schedule": "post"}), {"fine_tune_epochs": 12},
        "Fine-tune for 12 epochs. The last of",
    ),
    (
        "class_imbalance", trial(class_counts={"oak": 90, "elm": 30}), {"class_weights": "balanced"},
        "Use balanced class weights. The largest class, oak, has 90 training photos and the smallest, elm, 30: 3.0 to "
        "1. Accuracy counts photos, so large classes decide it; objective=balanced_accuracy gives each class the same "
        "weight.",
    ),
    (
        "class_imbalance", trial(class_counts={"oak": 90, "elm": 30}, objective="macro_f1"),
        {"class_weights": "balanced"},
        "Use balanced class weights. The largest class, oak, has 90 training photos and the smallest, elm, 30: 3.0 to "
        "1.",
    ),
    (
        "leakage", near_duplicates(1200, 3, *PAIRS), {"data.near_duplicates": "drop"},
        "Leave out near-duplicates. 1,200 pairs of near-duplicates are in different splits and make 3 photos of "
        "validation or test too easy: a.jpg and b.jpg; c.jpg and d.jpg. The setting leaves out",
    ),
    (
        "leakage", near_duplicates(1, 1), {"data.near_duplicates": "drop"},
        "Leave out near-duplicates. 1 pair of near-duplicates is in different splits and makes 1 photo of validation "
        "or test too easy. The setting leaves out",
    ),
]  # fmt: skip
"""Rule, trial, remedy, and what the text begins with."""

NOT_FIRED: list[tuple[str, TrialRecord]] = [
    ("overfitting", measured(0.80, 0.70)),
    ("underfitting", measured(0.85, 0.60)),
    ("underfitting", measured(0.60, 0.28, 1.0, factors={"batchnorm": "train"})),  # it does learn, in training mode
    ("underfitting", diverged(0, (0.47, 0.84, 0.97), (0.40, 0.36, 0.38))),  # it does learn, after the kept epoch
    ("diverging_curves", diverged(2, (0.47, 0.84, 0.97), (0.40, 0.36, 0.41))),
    ("diverging_curves", diverged(0, (0.47, 0.84, 0.97), (0.40, 0.36, 0.41))),  # the loss rose, accuracy too
    ("diverging_curves", diverged(0, (0.67, 0.84, 0.90), (0.40, 0.36, 0.38))),
    ("batchnorm_mismatch", measured(0.98, 0.90, 1.0, factors={"batchnorm": "train"})),
    ("batchnorm_mismatch", measured(0.60, 0.28, 1.0, factors={"batchnorm": "inference"})),
    ("batchnorm_mismatch", measured(0.98, 0.90, 0.7, factors={"batchnorm": "train"})),  # Dropout's gap is negative
    ("diverging_loss", trial(history=history(FALLING, [0.7, 0.6]))),
    ("diverging_loss", trial(history=history([0.5, 0.01, 0.05]))),  # next to no loss at all
    ("oscillating_loss", trial(history=history([2.0, 1.5, 1.7, 1.4, 1.3, 1.2]))),
    ("oscillating_loss", trial(history=history([2.0, 1.5, 1.7]))),  # too few epochs
    ("slow_training", slow(0.6, 1.5, 1.2, 0.9, 0.7)),
    ("slow_training", slow(0.95, 1.50, 1.45, 1.40, 1.36)),
    ("slow_training", slow(0.6, 1.50, 1.45, 1.46, 1.36)),
    ("slow_training", slow(0.6, 1.50, 1.45)),
    ("fine_tuning_hurts", trial(history=history([0.5, 0.6], [0.4, 0.59], of="val/accuracy"))),
    ("fine_tuning_hurts", trial(history=history([0.6, 0.5], of="val/accuracy"))),
    ("fine_tuning_hurts", trial(history=history([0.6], [0.2], of="val/accuracy"), status="RUNNING")),
    ("ended_too_soon", ending([*RISING, 0.60])),
    ("ended_too_soon", ending(RISING, status="KILLED")),
    ("ended_too_soon", ending([0.4], [0.5, 0.6, 0.7])),  # too few epochs for a trend
    ("ended_too_soon", ending([0.566, 0.562, 0.562, 0.571, 0.571, 0.575], val_images=226)),  # two images
    ("ended_too_soon", ending([0.36, 0.47, 0.46, 0.49, 0.45, 0.43, 0.48, 0.47, 0.47, 0.50])),  # swings of 4 points
    ("ended_too_soon", ending([0.50, 0.50, 0.55, 0.55, 0.55, 0.60], val_images=20)),  # one image
    ("class_imbalance", trial(class_counts={"oak": 89, "elm": 30})),
    ("class_imbalance", trial(class_counts={"oak": 90, "elm": 30}, factors={"class_weights": "balanced"})),
    ("class_imbalance", trial(class_counts={"oak": 90})),
    ("class_imbalance", trial(class_counts={"oak": 90, "elm": 0})),
    ("class_imbalance", trial()),
    ("leakage", near_duplicates(0, 0)),
]
