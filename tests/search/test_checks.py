"""What is composed of a sweep before it begins."""

from collections.abc import Callable, Sequence

import pytest
from hydra import compose
from hydra.core.config_loader import ConfigLoader
from hydra.core.global_hydra import GlobalHydra
from hydra.errors import HydraException
from omegaconf import DictConfig

from src.search.checks import uncomposable

Check = Callable[[Sequence[Sequence[str]]], list[int]]


@pytest.fixture
def composes(monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """The jobs that are composed, as they are."""
    jobs = list[list[str]]()
    real = type(loader()).load_sweep_config

    def load(self: ConfigLoader, config: DictConfig, job: list[str]) -> DictConfig:
        jobs.append(job)
        return real(self, config, job)

    monkeypatch.setattr(type(loader()), "load_sweep_config", load)
    return jobs


def loader() -> ConfigLoader:
    return GlobalHydra.instance().config_loader()


@pytest.fixture
def check() -> Check:
    config = compose("config", ["backbone=lenet5"], return_hydra_config=True)
    return lambda jobs: sorted(uncomposable(loader(), config, jobs))


@pytest.mark.usefixtures("composed")
def test_a_thousand_seeds_are_in_order_where_one_is(check: Check, composes: list[list[str]]) -> None:
    jobs = [["backbone=lenet5", f"unfrozen={depth}", f"seed={seed}"] for depth in ("1", "all") for seed in range(500)]
    assert check(jobs) == []
    assert composes == jobs[:1]


@pytest.mark.usefixtures("composed")
@pytest.mark.parametrize(
    "values",
    [
        ("backbone=lenet5", "backbone=no_such"),
        ("optimizer=adam", "optimizer=${no_such"),
        ("seed=1", "seed=${no_such"),
        ("seed=1", "+seed=1"),
        ("hydra.job.chdir=true", "hydra.job.chdir=maybe"),
    ],
    ids=lambda values: values[1],
)
def test_what_may_break_alone_is_composed(check: Check, values: tuple[str, str]) -> None:
    assert check([[value] for value in values]) == [1]


@pytest.mark.usefixtures("composed")
def test_a_key_is_of_the_files_beside_it(check: Check) -> None:
    """`schedule=post` has no phase of feature extraction."""
    epochs = ("schedule.feature_extraction.epochs=1", "schedule.feature_extraction.epochs=2")
    jobs = [[schedule, each] for schedule in ("schedule=two_phase", "schedule=post") for each in epochs]
    assert check(jobs) == [2, 3]


@pytest.mark.usefixtures("composed")
def test_where_none_composes_the_first_error_is_raised(check: Check) -> None:
    with pytest.raises(HydraException, match="no_such"):
        check([["backbone=no_such"], ["backbone=neither"]])
