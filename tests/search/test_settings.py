"""What `hydra.sweeper` may hold for a search, and what follows where it holds nothing."""

from typing import Any

import pytest

from src.common.errors import ThawError
from src.search.settings import SearchSettings

GIVEN = {"oracle": "bayesian", "max_trials": None, "batch_size": 1, "seed": 0, "max_epochs": None, "factor": 3}


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"oracle": "grid"}, "hydra.sweeper.oracle=grid: input should be 'random', 'bayesian' or 'hyperband'"),
        ({"max_trials": 0}, "hydra.sweeper.max_trials=0: input should be greater than or equal to 1 (in all"),
        ({"max_trials": -3}, "hydra.sweeper.max_trials=-3: "),
        ({"max_trials": 2.5}, "hydra.sweeper.max_trials=2.5: "),
        ({"batch_size": True}, "hydra.sweeper.batch_size=true: neither true nor false is meant there"),
        ({"batch_size": None}, "hydra.sweeper.batch_size=null: "),
        ({"batch_size": "many"}, "hydra.sweeper.batch_size=many: input should be a valid integer"),
        ({"seed": -1}, "hydra.sweeper.seed=-1: input should be greater than or equal to 0 (of the search"),
        ({"max_epochs": 0}, "hydra.sweeper.max_epochs=0: "),
        ({"factor": 1}, "hydra.sweeper.factor=1: input should be greater than or equal to 2 (hyperband keeps"),
        ({"max_trails": 9}, "unknown key 'hydra.sweeper.max_trails': did you mean 'max_trials'?"),
    ],
)
def test_what_is_no_setting_is_told(given: dict[str, Any], told: str) -> None:
    with pytest.raises(ThawError) as refusal:
        SearchSettings.read(GIVEN | given)
    assert str(refusal.value).startswith(told)
    assert "\n" not in str(refusal.value)


def test_all_that_is_wrong_is_told_at_once() -> None:
    with pytest.raises(ThawError, match=r"max_trials=0: .*; hydra\.sweeper\.factor=1: "):
        SearchSettings.read(GIVEN | {"max_trials": 0, "factor": 1})


@pytest.mark.parametrize(
    ("given", "trials", "epochs"),
    [
        ({}, 20, 10),
        ({"max_trials": 3, "max_epochs": 7}, 3, 7),
        ({"oracle": "random"}, 20, 10),
        ({"oracle": "hyperband"}, None, 10),
        ({"oracle": "hyperband", "max_trials": "5", "max_epochs": 4}, 5, 4),
    ],
)
def test_what_follows_where_nothing_is_given(given: dict[str, Any], trials: int | None, epochs: int) -> None:
    settings = SearchSettings.read(GIVEN | given).completed(10)
    assert (settings.max_trials, settings.max_epochs) == (trials, epochs)
