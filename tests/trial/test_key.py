"""Trial keys: everything that can change the numbers, and nothing that cannot."""

from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest

from src.common.depth_choice import DepthChoice
from src.config import CANNOT_CHANGE_NUMBERS, TrialConfig
from src.models.catalog import find_backbone
from src.models.depth import resolve_depth
from src.models.weights import WeightSet
from src.trial.key import COVERED_ELSEWHERE, phase_key, trial_key
from src.trial.plan import Plan
from tests.conftest import Compose
from tests.models.test_depth import TABLE

WEIGHTS = WeightSet("random", None, 1.0, 96, "random")


def key(trial: TrialConfig, side: int = 96, fingerprint: str = "f", weights: WeightSet = WEIGHTS) -> str:
    return trial_key(plan(trial, side, fingerprint, weights))


def plan(trial: TrialConfig, side: int = 96, fingerprint: str = "f", weights: WeightSet = WEIGHTS) -> Plan:
    depths = {
        name: resolve_depth(DepthChoice.read(p.unfrozen), TABLE, trial.batchnorm, "net")
        for name, p in trial.schedule.items()
    }
    dataset: Any = SimpleNamespace(fingerprint=fingerprint)
    return Plan(trial, find_backbone(trial.backbone), weights, side, dataset, tuple(TABLE), depths)


@pytest.mark.parametrize(
    "override",
    [
        "dropout=0.3", "seed=1", "batch_size=16", "batchnorm=frozen", "learning_rate=0.01", "unfrozen=5",
        "fine_tune_learning_rate=1e-5", "epochs=3", "fine_tune_epochs=3", "augment=light", "optimizer=sgd",
        "schedule=head_only", "schedule.fine_tuning.patience=9", "monitor=val_loss", "class_weights=balanced",
        "label_smoothing=0.1", "backbone=mobilenetv3small", "features.dtype=float16",
        "runtime.precision=bfloat16", "runtime.precision=float16",
    ],
)  # fmt: skip
def test_what_can_change_the_numbers_changes_the_key(composed: Compose, override: str) -> None:
    assert key(composed(override)) != key(composed())


@pytest.mark.parametrize(
    "override",
    [
        "tracking.uri=http://elsewhere", "tracking.experiment=other", "tracking.run_name=x",
        "tracking.save_model=false",
        "runtime.cache_dir=/elsewhere", "runtime.threads=7", "runtime.progress=false", "runtime.work_dir=/elsewhere",
        "runtime.images_max_gb=1", "runtime.phases_max_gb=1", "study=x", "force=true", "fail_fast=true",
        "unfrozen=1 block", "unfrozen=block_2",
        "augment.views=3", "weights.path=null", "features.store=false", "features.max_gb=1",
    ],
)  # fmt: skip
def test_what_cannot_change_them_does_not(composed: Compose, override: str) -> None:
    assert key(composed("unfrozen=5", override)) == key(composed("unfrozen=5"))


def test_depths_that_train_the_same_are_the_same_trial(composed: Compose) -> None:
    assert key(composed("unfrozen=0")) == key(composed("unfrozen=1")) != key(composed("unfrozen=2"))


def test_unused_knobs_stay_out(composed: Compose) -> None:
    head_only = ("schedule=head_only",)
    assert key(composed(*head_only, "unfrozen=11")) == key(composed(*head_only, "fine_tune_learning_rate=1"))


def test_data_weights_and_size_are_in(composed: Compose) -> None:
    trial = composed()
    keys = {
        key(trial), key(trial, fingerprint="g"), key(trial, side=128), key(trial, weights=replace(WEIGHTS, digest="d")),
        key(trial, weights=replace(WEIGHTS, alpha=0.5)),
    }  # fmt: skip
    assert len(keys) == 5


def test_the_place_of_the_data_is_not(composed: Compose) -> None:
    assert key(composed("data=folder", "data.root=a")) == key(composed("data=folder", "data.root=b"))


IN_THE_KEY = {
    "backbone", "batchnorm", "dropout", "batch_size", "seed", "schedule", "augment", "optimizer", "monitor",
    "class_weights", "label_smoothing",
}  # fmt: skip


KEYS_BEFORE_THE_OBJECTIVE = {
    (): "e021ed44da3b3e2fcf37338274dcf47c",
    ("unfrozen=5", "monitor=val_loss", "seed=3"): "0898305148b0ab4d649b7796c5d15cb4",
    ("schedule=gradual", "class_weights=balanced", "batchnorm=train", "unfrozen=5"): "e6bbd466fc3e90dfc991fae1acc90e71",
    ("experiment=posts_trap", "optimizer=adamw", "data.fraction=0.5", "dropout=0.4"):
        "525aff8f47dea68d78b7192b2f315ad7",
}  # fmt: skip


@pytest.mark.parametrize("overrides", KEYS_BEFORE_THE_OBJECTIVE)
def test_the_objective_is_not_in_the_keys_of_trials_from_before_there_was_one(
    composed: Compose, overrides: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("src.trial.key.SEMANTICS_VERSION", 4)  # theirs
    monkeypatch.setattr("src.trial.key.version", {"keras": "3.15.0", "tensorflow": "2.21.0"}.__getitem__)
    assert key(composed(*overrides)) == KEYS_BEFORE_THE_OBJECTIVE[overrides]


def test_the_objective_enters_by_the_monitor_alone(composed: Compose) -> None:
    assert key(composed("objective=macro_f1")) == key(composed("monitor=val_macro_f1")) != key(composed())
    assert key(composed("objective=macro_f1", "monitor=val_accuracy")) == key(composed())
    assert key(composed("monitor=null")) == key(composed("monitor=val_accuracy")) == key(composed())


def test_every_key_of_the_schema_is_in_or_said_to_be_elsewhere() -> None:
    """A new key fails here until somebody has thought about where it belongs."""
    assert set(TrialConfig.model_fields) == IN_THE_KEY | set(COVERED_ELSEWHERE) | CANNOT_CHANGE_NUMBERS


def test_what_is_switched_off_stays_out(composed: Compose) -> None:
    head_only = ("schedule=head_only",)
    assert key(composed(*head_only, "batchnorm=train")) == key(composed(*head_only, "batchnorm=frozen"))
    assert key(composed(*head_only, "batchnorm=adapted")) != key(composed(*head_only, "batchnorm=frozen"))
    never = "schedule.fine_tuning.plateau_patience=null"
    assert key(composed(never, "schedule.fine_tuning.plateau_factor=0.5")) == key(composed(never))


def test_a_key_is_the_same_in_every_process(composed: Compose) -> None:
    assert key(composed("seed=5", "schedule=post")) == key(composed("schedule=post", "seed=5"))
    assert len(key(composed())) == 32


def test_a_phase_is_named_by_what_it_starts_from_and_not_by_its_length(composed: Compose) -> None:
    def keys(*overrides: str) -> list[str]:
        return [phase_key(plan(composed(*overrides)), index) for index in (0, 1)]

    head, tail = keys("unfrozen=5")
    assert keys("unfrozen=5", "fine_tune_epochs=99") == [head, tail]
    for same_head in ("unfrozen=2", "fine_tune_learning_rate=1e-5", "schedule.fine_tuning.patience=9"):
        assert keys("unfrozen=5", same_head)[0] == head
        assert keys("unfrozen=5", same_head)[1] != tail
    longer_head, after_it = keys("unfrozen=5", "epochs=3")
    assert longer_head == head
    assert after_it != tail
    for other in ("seed=1", "dropout=0.3", "augment=light"):
        assert not {head, tail} & set(keys("unfrozen=5", other))
