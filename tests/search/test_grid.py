"""A grid's jobs: the product of all choices, as Hydra's own sweeper has it."""

import pytest
from hydra.core.override_parser.overrides_parser import OverridesParser

from src.common.errors import ThawError
from src.search.grid import combinations, sweep_grid


def jobs(*overrides: str) -> list[list[str]]:
    return combinations(OverridesParser.create().parse_overrides(list(overrides)))


def test_every_combination_is_a_job_and_the_last_key_varies_fastest() -> None:
    assert jobs("a=1,2", "+b='x,y'", "c=range(0,2)") == [
        ["a=1", "+b='x,y'", "c=0"], ["a=1", "+b='x,y'", "c=1"],
        ["a=2", "+b='x,y'", "c=0"], ["a=2", "+b='x,y'", "c=1"],
    ]  # fmt: skip
    assert jobs("a=1,2", "a=3") == [["a=3"]]
    assert jobs("~a", "b=null", "c=[1,2]") == [["~a=null", "b=null", "c=[1,2]"]]
    assert jobs() == [[]]


def test_an_interval_is_no_grid() -> None:
    with pytest.raises(ThawError, match=r"a=interval\(1,2\): a grid takes values; hydra/sweeper=keras_tuner"):
        jobs("a=interval(1,2)")


@pytest.mark.parametrize("size", [0, -1])
def test_a_batch_of_no_jobs_is_refused(size: int) -> None:
    with pytest.raises(ThawError, match=f"hydra.sweeper.max_batch_size={size}: give 1 or more, or null"):
        sweep_grid({}, size, None, None, None, [])  # type: ignore[arg-type]
