"""Searches as a sweeper meets them: asked, told, asked again; and asked from the start once more."""

import itertools
import math
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, get_args

import pytest
from hydra.core.override_parser.overrides_parser import OverridesParser

from src.common.errors import ThawError
from src.common.metrics import METRICS
from src.search.oracles import Proposal, Search, rationed
from src.search.settings import Kind, SearchSettings
from src.search.space import Space

KINDS: tuple[Kind, ...] = get_args(Kind)
SIX_POINTS = ("unfrozen=0,2,all", "batchnorm=train,inference", "dropout=0.2")
ENDLESS = ("rate=tag(log,interval(1e-6,1e-3))", "dropout=interval(0.1,0.6)", "unfrozen=tag(log,interval(1,100))")


def space_of(*overrides: str) -> Space:
    return Space.of(OverridesParser.create().parse_overrides(list(overrides)))


Score = Callable[[Proposal], float | None]
Ask = tuple[int, list[str], int | None]


@pytest.fixture
def search(tmp_path: Path) -> Callable[..., Search]:
    """Makes searches, each in a folder of its own."""
    folders = (tmp_path / str(number) for number in itertools.count())

    def make(kind: Kind, overrides: Iterable[str], folder: Path | None = None, **changes: Any) -> Search:
        given = {"seed": 0, "max_trials": None, "max_epochs": 9, "factor": 3, "batch_size": 1}
        settings = SearchSettings(oracle=kind, **(given | changes))
        space = space_of(*overrides)
        return Search(
            settings, rationed(space) if settings.rations else space, folder or next(folders), METRICS["accuracy"]
        )

    return make


def conduct(search: Search, score: Score, count: int = 1) -> list[Proposal]:
    """Everything that `search` asks for when asked for `count` trials at a time."""
    asked: list[Proposal] = []
    while batch := search.ask(count):
        assert len(batch) <= count
        for proposal in batch:
            search.tell(proposal, score(proposal))
        asked += batch
    return asked


def plain(proposals: Iterable[Proposal]) -> list[Ask]:
    return [(each.number, each.overrides, each.epochs) for each in proposals]


def values(proposal: Proposal) -> dict[str, Any]:
    return dict(each.split("=", 1) for each in proposal.overrides)


def by_rate(proposal: Proposal) -> float:
    """Best at a rate of 1e-4 and the least dropout."""
    found = {"dropout": 0.1} | values(proposal)
    return math.exp(-((math.log10(float(found["rate"])) + 4) ** 2) - (float(found["dropout"]) - 0.1) ** 2)


def by_nothing(proposal: Proposal) -> float:
    return 0.5


def no_score(proposal: Proposal) -> None:
    return None


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("count", [1, 3])
def test_a_search_is_replayed_from_its_scores(search: Callable[..., Search], kind: Kind, count: int) -> None:
    def with_failures(proposal: Proposal) -> float | None:
        return None if proposal.number % 5 == 1 else by_rate(proposal)

    first = conduct(search(kind, ENDLESS[:1], max_trials=6, max_epochs=3), with_failures, count)
    again = conduct(search(kind, ENDLESS[:1], max_trials=6, max_epochs=3), with_failures, count)
    assert plain(first) == plain(again)
    assert [each.number for each in first] == list(range(6))


@pytest.mark.parametrize("kind", KINDS)
def test_the_order_of_telling_is_none_of_a_searchs_concern(search: Callable[..., Search], kind: Kind) -> None:
    asked = []
    for order in (1, -1):
        each = search(kind, ENDLESS[:1], max_trials=6, max_epochs=3)
        rounds = [each.ask(2)]
        while rounds[-1]:
            for proposal in rounds[-1][::order]:
                each.tell(proposal, by_rate(proposal))
            rounds.append(each.ask(2))
        asked.append([plain(batch) for batch in rounds])
    assert asked[0] == asked[1]


def test_searches_with_neighbouring_seeds_have_nothing_in_common(search: Callable[..., Search]) -> None:
    drawn = [
        override
        for seed in range(5)
        for proposal in conduct(search("random", ENDLESS[:1], seed=seed, max_trials=6), by_nothing)
        for override in proposal.overrides
    ]
    assert len(set(drawn)) == len(drawn) == 30


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("count", [1, 2, 3])
def test_max_trials_bounds_all_trials_together(search: Callable[..., Search], kind: Kind, count: int) -> None:
    found = search(kind, ENDLESS, max_trials=5)
    assert len(conduct(found, by_rate, count)) == 5
    assert found.ask(1) == []


@pytest.mark.parametrize("kind", ["random", "bayesian"])
@pytest.mark.parametrize("count", [1, 2, 3])
@pytest.mark.parametrize("max_trials", [20, None])
def test_a_finite_space_is_searched_once_and_wholly(
    search: Callable[..., Search], kind: Kind, count: int, max_trials: int | None
) -> None:
    asked = conduct(search(kind, SIX_POINTS, max_trials=max_trials), lambda proposal: proposal.number / 10, count)
    expected = itertools.product(["dropout=0.2"], ["unfrozen=0", "unfrozen=2", "unfrozen=all"],
                                 ["batchnorm=train", "batchnorm=inference"])  # fmt: skip
    assert sorted(tuple(each.overrides) for each in asked) == sorted(expected)


def test_a_space_with_rare_points_is_searched_wholly(search: Callable[..., Search]) -> None:
    asked = conduct(search("random", ["n=tag(log,interval(1,60))"]), by_nothing)
    assert sorted(int(values(each)["n"]) for each in asked) == list(range(1, 61))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("score", [None, math.nan, math.inf])
def test_failures_do_not_end_a_search(search: Callable[..., Search], kind: Kind, score: float | None) -> None:
    asked = conduct(search(kind, ENDLESS, max_trials=12), lambda proposal: score, 2)
    assert len({tuple(each.overrides) for each in asked}) == len(asked) == 12


@pytest.mark.parametrize("kind", KINDS)
def test_values_lie_within_their_ends(search: Callable[..., Search], kind: Kind) -> None:
    overrides = ["n=tag(log,interval(2,5))", "x=tag(log,interval(0.1,0.7))"]
    for each in conduct(search(kind, overrides, max_trials=9), lambda each: float(values(each)["n"])):
        assert 2 <= int(values(each)["n"]) <= 5
        assert 0.1 <= float(values(each)["x"]) <= 0.7


def test_bayesian_search_gets_closer_than_its_random_start(search: Callable[..., Search]) -> None:
    scores = [by_rate(each) for each in conduct(search("bayesian", ENDLESS[:2], max_trials=12), by_rate)]
    assert max(scores[6:]) > max(scores[:6])


@pytest.mark.parametrize("count", [1, 2, 3])
@pytest.mark.parametrize(("max_epochs", "factor"), [(1, 3), (9, 3), (10, 3), (5, 2)])
def test_hyperband_promotes_the_same_values_to_more_epochs(
    search: Callable[..., Search], count: int, max_epochs: int, factor: int
) -> None:
    found = search("hyperband", ENDLESS, max_epochs=max_epochs, factor=factor)
    asked = conduct(found, by_rate, count)
    epochs: dict[tuple[str, ...], list[int]] = {}
    for each in asked:
        assert each.overrides[-1] == f"fine_tune_epochs={each.epochs}"
        epochs.setdefault(tuple(each.overrides[:-1]), []).append(each.epochs or 0)
    assert all(each == sorted(set(each)) for each in epochs.values())
    assert max(map(max, epochs.values())) == max_epochs
    assert found.pruned == sum(each[-1] < max_epochs for each in epochs.values())


def test_hyperband_promotes_the_best(search: Callable[..., Search]) -> None:
    asked = conduct(search("hyperband", ENDLESS, max_trials=13), by_rate)
    scores = {epochs: sorted(by_rate(each) for each in asked if each.epochs == epochs) for epochs in (1, 3, 9)}
    assert [len(each) for each in scores.values()] == [9, 3, 1]
    assert scores[3] == scores[1][-3:]
    assert scores[9] == scores[3][-1:]


@pytest.mark.parametrize("count", [1, 3])
def test_hyperband_promotes_in_a_space_smaller_than_its_first_round(search: Callable[..., Search], count: int) -> None:
    found = search("hyperband", SIX_POINTS)
    asked = conduct(found, lambda proposal: proposal.number / 10, count)
    assert Counter(each.epochs for each in asked) == {1: 6, 3: 2, 9: 1}
    assert found.pruned == 5


def test_hyperband_fills_its_rounds_where_trials_failed(search: Callable[..., Search]) -> None:
    def failing(proposal: Proposal) -> float | None:
        return None if proposal.number < 5 else by_rate(proposal)

    found = search("hyperband", ENDLESS, max_trials=13)
    asked = conduct(found, failing)
    assert [each.epochs for each in asked] == [1] * 9 + [3] * 3 + [9]
    assert not {tuple(each.overrides[:-1]) for each in asked[:5]} & {tuple(each.overrides[:-1]) for each in asked[5:]}
    assert found.pruned == 3


def test_hyperband_ends_where_all_fails(search: Callable[..., Search]) -> None:
    found = search("hyperband", ENDLESS)
    assert [each.epochs for each in conduct(found, no_score)] == [1] * 9 + [3] * 5 + [9] * 3
    assert found.pruned == 0


def test_hyperband_takes_the_epochs_over(search: Callable[..., Search]) -> None:
    (proposal,) = search("hyperband", [*ENDLESS, "fine_tune_epochs=7", "seed=3"]).ask(1)
    assert [each for each in proposal.overrides if each.startswith("fine_tune_epochs")] == ["fine_tune_epochs=1"]
    assert proposal.overrides[0] == "seed=3"


def test_hyperband_leaves_no_epochs_to_the_space() -> None:
    with pytest.raises(ThawError, match="fine_tune_epochs: hyperband rations it"):
        rationed(space_of("fine_tune_epochs=3,5", "dropout=0.1,0.2"))


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("kind", KINDS)
def test_a_search_is_silent_and_leaves_kerastuners_files(
    search: Callable[..., Search], kind: Kind, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "sweep" / "oracle"
    conduct(search(kind, SIX_POINTS, max_trials=6, folder=folder), no_score)
    (folder / "notes.txt").touch()
    conduct(search(kind, ENDLESS[:1], max_trials=5, folder=folder), by_nothing)
    assert len(list(folder.glob("trial_*/trial.json"))) == 5
    assert {each.name for each in folder.iterdir() if not each.is_dir()} == {"oracle.json", "notes.txt"}
    assert capfd.readouterr() == ("", "")


def test_importing_starts_no_tensorflow() -> None:
    program = (
        "import sys, src.search.oracles; sys.exit(any(name in sys.modules for name in ('tensorflow', 'keras_tuner')))"
    )
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0
