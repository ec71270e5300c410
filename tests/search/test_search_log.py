"""A search run again: without its oracle while the scores are what they were, by it from where they are others."""

import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import get_args

import pytest

from src.common.errors import ThawError
from src.common.metrics import METRICS
from src.search import search_log as module
from src.search.oracles import Search, rationed
from src.search.search_log import SearchLog
from src.search.settings import Kind, SearchSettings
from tests.search.test_oracles import space_of

Score = Callable[[list[str]], float | None]
Went = list[tuple[list[list[str]], list[float | None]]]


def make(folder: Path, kind: Kind = "random", max_trials: int | None = 7, seed: int = 0) -> SearchLog:
    settings = SearchSettings(oracle=kind, max_trials=max_trials, batch_size=2, seed=seed, max_epochs=4, factor=2)
    space = space_of("rate=tag(log,interval(1e-6,1e-3))", "unfrozen=0,2,all", "seed=3")
    return SearchLog(settings, rationed(space) if settings.rations else space, folder, METRICS["accuracy"])


def conduct(search_log: SearchLog, score: Score, most: int = 100) -> Went:
    """The rounds of a search, cut off after `most`."""
    went: Went = []
    while len(went) < most and (jobs := search_log.ask()):
        went.append((jobs, [score(job) for job in jobs]))
        search_log.tell(went[-1][1])
    return went


def by_rate(job: list[str]) -> float:
    rate = next(float(each.removeprefix("rate=")) for each in job if each.startswith("rate="))
    return 1 / (1 + abs(math.log10(rate) + 4))


@pytest.fixture
def oracles(monkeypatch: pytest.MonkeyPatch) -> list[Search]:
    """The oracles that were made."""
    made: list[Search] = []

    def counted(*arguments: object) -> Search:
        made.append(Search(*arguments))  # type: ignore[arg-type]
        return made[-1]

    monkeypatch.setattr(module, "Search", counted)
    return made


@pytest.mark.parametrize("kind", get_args(Kind))
def test_a_finished_search_is_run_again_without_its_oracle(tmp_path: Path, kind: Kind, oracles: list[Search]) -> None:
    first = make(tmp_path, kind)
    went = conduct(first, by_rate)
    assert len(oracles) == 1
    again = make(tmp_path, kind)
    assert conduct(again, by_rate) == went
    assert again.pruned == first.pruned
    assert (first.pruned > 0) is (kind == "hyperband")
    assert len(oracles) == 1


@pytest.mark.parametrize("kind", get_args(Kind))
@pytest.mark.parametrize("cut", [0, 1, 3])
def test_a_search_that_was_cut_off_goes_on_as_if_it_had_not_been(
    tmp_path: Path, kind: Kind, cut: int, oracles: list[Search]
) -> None:
    whole = conduct(make(tmp_path / "whole", kind), by_rate)
    before = conduct(make(tmp_path / "cut", kind), by_rate, cut)
    assert before + conduct(make(tmp_path / "cut", kind), by_rate)[cut:] == whole


@pytest.mark.parametrize("kind", get_args(Kind))
@pytest.mark.parametrize("changed", [0, 2])
def test_another_score_is_another_search_from_there(tmp_path: Path, kind: Kind, changed: int) -> None:
    def otherwise(job: list[str]) -> float | None:
        return None if job in jobs[changed] else 1 - by_rate(job)

    jobs = [jobs for jobs, _ in conduct(make(tmp_path / "one", kind), by_rate)]
    expected = make(tmp_path / "two", kind)
    went = conduct(expected, otherwise)
    found = make(tmp_path / "one", kind)
    assert conduct(found, otherwise) == went
    assert found.pruned == expected.pruned
    assert conduct(make(tmp_path / "one", kind), otherwise) == went


@pytest.mark.parametrize("other", [{"seed": 1}, {"max_trials": 5}, {"kind": "bayesian"}])
def test_another_search_remembers_nothing(tmp_path: Path, other: dict[str, int], oracles: list[Search]) -> None:
    conduct(make(tmp_path), by_rate)
    conduct(make(tmp_path, **other), by_rate)  # type: ignore[arg-type]
    assert len(oracles) == 2


@pytest.mark.parametrize("damage", [b"", b"\xff", b"{}", b"[]", b'{"facts": 1, "rounds": []}', b"null"])
def test_a_damaged_file_is_not_trusted(tmp_path: Path, damage: bytes, oracles: list[Search]) -> None:
    went = conduct(make(tmp_path), by_rate)
    (tmp_path / "course.json").write_bytes(damage)
    assert conduct(make(tmp_path), by_rate) == went
    assert len(oracles) == 2


def test_an_oracle_that_proposes_otherwise_than_before_is_told(tmp_path: Path) -> None:
    went = conduct(make(tmp_path), by_rate, 2)
    kept = json.loads((tmp_path / "course.json").read_text())
    kept["rounds"][0]["jobs"][0][-1] = "unfrozen=99"
    (tmp_path / "course.json").write_text(json.dumps(kept))
    with pytest.raises(ThawError, match="proposes otherwise"):
        conduct(make(tmp_path), by_rate)
    assert conduct(make(tmp_path), by_rate)[:2] == went
