"""What a trial does not read is left out of its commands; what it reads stays, however it was typed."""

import pytest
from mlflow.entities import Metric, Param, Run, RunData, RunInfo, RunTag

from src.config import AugmentConfig
from src.tracking.idle_keys import ReadKeys, Value, idle_keys


def run(parameters: dict[str, str], depth: str) -> Run:
    info = RunInfo("a", "0", "user", "FINISHED", 0, 1, "active", "file:///nowhere", "a")
    tags = [RunTag("depth", depth), RunTag("depth.fine_tuning", "5 of 5 layers, 100 backbone parameters train")]
    metrics = [Metric("depth/canonical", float(depth), 0, 0)]
    return Run(info, RunData(metrics, [Param(*each) for each in parameters.items()], tags))


TWO_PHASES = {"schedule.feature_extraction.unfrozen": "0", "schedule.fine_tuning.unfrozen": "6"}


def test_a_depth_that_was_typed_otherwise_than_it_trains_stays_in_the_command() -> None:
    typed = ["unfrozen=6", "seed=1"]
    assert ReadKeys.of(run({"unfrozen": "5", **TWO_PHASES}, "5")).followed(typed) == ("unfrozen=5", "seed=1")


def test_a_depth_that_no_phase_reads_is_left_out() -> None:
    head_only = {"unfrozen": "11", "schedule.training.unfrozen": "0"}
    assert ReadKeys.of(run(head_only, "0")).followed(["unfrozen=11", "seed=1"]) == ("seed=1",)


@pytest.mark.parametrize("name", sorted(set(AugmentConfig.model_fields) - {"views"}))
def test_every_augmentation_that_is_on_is_read(name: str) -> None:
    off: dict[str, Value] = {f"augment.{key}": 0 for key in AugmentConfig.model_fields}
    assert f"augment.{name}" in idle_keys(off, backbone_trains=True)
    assert f"augment.{name}" not in idle_keys(off | {f"augment.{name}": 0.5}, backbone_trains=True)
