"""What a composed configuration is told to be, before it is a trial's."""

from collections.abc import Callable

import pytest
from hydra import compose

from src.cli.composition import idle


@pytest.mark.parametrize(
    ("overrides", "told"),
    [
        (["schedule=post", "epochs=5"], ["epochs=5 changes nothing: no phase of this schedule reads it, but see "]),
        (["schedule=post", "fine_tune_epochs=5", "learning_rate=0.01", "unfrozen=11"], []),
        (
            ["schedule=head_only", "unfrozen=11", "fine_tune_epochs=5", "seed=1"],
            ["unfrozen=11 ", "fine_tune_epochs=5 "],
        ),
        (["schedule=gradual", "unfrozen=11", "epochs=3", "fine_tune_learning_rate=0.1"], []),
        (["unfrozen=2", "epochs=3", "fine_tune_epochs=5", "learning_rate=1", "fine_tune_learning_rate=1"], []),
        (["experiment=from_scratch", "fine_tune_learning_rate=1"], ["fine_tune_learning_rate=1 "]),
    ],
)
def test_what_no_phase_reads_is_told(composed: Callable[..., object], overrides: list[str], told: list[str]) -> None:
    lines = idle(compose("config", overrides), overrides)
    assert [line.startswith(start) for line, start in zip(lines, told, strict=True)] == [True] * len(told)


def test_the_key_that_works_is_named(composed: Callable[..., object]) -> None:
    (line,) = idle(compose("config", ["schedule=post", "epochs=5"]), ["schedule=post", "epochs=5"])
    assert line.endswith("schedule.fine_tuning.epochs")
