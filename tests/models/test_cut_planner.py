"""The planner: cuts of made-up networks, and that no other choice of stores would do better."""

import itertools
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from src.models.cut import Cut, Tensor
from src.models.cut_planner import Costs, Use, plan_cuts

COSTS = Costs(macs=1000, values=1e9, read=1000, write=1000)


def chain(*places: tuple[int, int]) -> list[Cut]:
    """Cuts of so many values and multiply-accumulates since the one before; first comes the image, of 10 values."""
    macs = list(itertools.accumulate(work for _, work in places))
    named = [Cut((Tensor(f"layer{k}", 0, (size,)),), macs[k], k + 2) for k, (size, _) in enumerate(places)]
    return [Cut((Tensor("image", 0, (10,)),), 0, 1), *named]


def names(uses: Sequence[Use], costs: Costs = COSTS) -> list[str | None]:
    return [cut.name if cut else None for cut in plan_cuts(uses, costs)]


def test_nothing_is_stored_where_all_trains() -> None:
    assert names([Use(chain((10, 0)), 1000)]) == [None]


def test_nothing_is_stored_for_a_single_pass() -> None:
    assert names([Use(chain((1, 1_000_000)), 1)]) == [None]


@pytest.mark.parametrize(("passes", "where"), [(2, None), (50, "layer1:0")])
def test_a_store_pays_off_with_passes(passes: int, where: str | None) -> None:
    assert names([Use(chain((100, 5000), (100, 5000)), passes)], Costs(1000, 1e9, 1000, 10)) == [where]


@pytest.mark.parametrize(("between", "where"), [(100, "layer0:0"), (1000, "layer1:0")])
def test_a_narrower_place_is_taken_where_the_work_repeated_is_less_than_the_bytes(between: int, where: str) -> None:
    assert names([Use(chain((5, 5000), (100, between)), 100)]) == [where]


def test_half_the_bytes_move_the_cut() -> None:
    use = Use(chain((5, 5000), (100, 300)), 1000)
    chosen = [plan_cuts([use], COSTS, kind) for kind in ("float32", "float16")]
    assert [cut.name for (cut,) in chosen if cut] == ["layer0:0", "layer1:0"]


@pytest.mark.parametrize(("passes", "where"), [(1, ["layer0:0"] * 2), (300, ["layer0:0", "layer1:0"])])
def test_depths_share_a_store_until_each_has_passes_enough(passes: int, where: list[str]) -> None:
    cuts = chain((5, 9000), (5, 10))
    assert names([Use(cuts[:2], passes), Use(cuts, passes)]) == where


def test_no_depths_need_no_cuts() -> None:
    assert plan_cuts([]) == []


def seconds(cut: Cut, use: Use, image: Cut) -> float:
    if cut.macs > use.freeze_boundary.macs:
        return float("inf")
    size = cut.width if cut is image else cut.image_bytes()
    end = use.freeze_boundary
    return use.passes * (size / COSTS.read + COSTS.work(end.macs - cut.macs, end.values - cut.values))


def total(stored: Sequence[Cut], uses: Sequence[Use], image: Cut) -> float:
    reading = sum(min(seconds(cut, use, image) for cut in (image, *stored)) for use in uses)
    writing = sum(cut.image_bytes() / COSTS.write for cut in stored)
    furthest = max(stored, key=lambda cut: cut.values, default=None)
    return reading + writing + (10 / COSTS.read + COSTS.work(furthest.macs, furthest.values) if furthest else 0.0)


places = st.lists(st.tuples(st.integers(1, 400), st.integers(1, 3000)), min_size=1, max_size=6)


@given(places, st.lists(st.tuples(st.integers(1, 7), st.integers(1, 20)), min_size=1, max_size=4))
def test_no_other_set_of_stores_does_better(sizes: list[tuple[int, int]], asked: list[tuple[int, int]]) -> None:
    image, *others = cuts = chain(*sizes)
    uses = [Use(cuts[: min(end, len(others)) + 1], passes) for end, passes in asked]
    chosen = {cut for cut in plan_cuts(uses, COSTS) if cut}
    subsets = (some for count in range(len(others) + 1) for some in itertools.combinations(others, count))
    assert total(list(chosen), uses, image) == pytest.approx(min(total(some, uses, image) for some in subsets))
