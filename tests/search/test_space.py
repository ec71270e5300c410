"""A search's space: what Hydra's overrides are read as, and that points are written so that Hydra reads them again."""

import math
from collections.abc import Sequence
from typing import Any

import pytest
from hydra.core.global_hydra import GlobalHydra
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Quote, QuotedString, Transformer
from hypothesis import given
from hypothesis import strategies as st

from src.common.errors import ThawError
from src.common.project import CONF
from src.search.space import Choices, Dimension, Integers, Reals, Space
from tests.conftest import Compose

WRITABLE = st.text(st.characters(codec="utf-8"), max_size=8)
SINGLE = (
    st.integers(-(10**9), 10**9)
    | st.floats(allow_nan=False)
    | st.booleans()
    | st.none()
    | st.from_regex(r"[a-z][a-z0-9_ -]{0,6}[a-z]", fullmatch=True)
    | st.builds(QuotedString, WRITABLE, st.sampled_from(Quote))
)
VALUES = SINGLE | st.lists(SINGLE, max_size=3) | st.dictionaries(st.from_regex("[a-z]{1,4}", fullmatch=True), SINGLE)


def read(text: str) -> Any:
    return OverridesParser.create().parse_override(text).value()


def space_of(*overrides: str) -> Space:
    return Space.of(OverridesParser.create().parse_overrides(list(overrides)))


def words(*texts: str) -> Choices:
    return Choices("key", texts, texts)


def numbers(*values: Any, texts: Sequence[str] | None = None) -> Choices:
    return Choices("key", values, tuple(texts or map(str, values)))


@pytest.mark.parametrize(
    ("value", "dimension"),
    [
        ("interval(0.1,0.6)", Reals("key", 0.1, 0.6)),
        ("interval(1.0,5.0)", Reals("key", 1.0, 5.0)),
        ("interval(0,0.5)", Reals("key", 0.0, 0.5)),
        ("float(interval(1,5))", Reals("key", 1.0, 5.0)),
        ("tag(log, interval(1e-6,1e-3))", Reals("key", 1e-6, 1e-3, log=True)),
        ("interval(start=0.5, end=2.5)", Reals("key", 0.5, 2.5)),
        ("interval(1,5)", Integers("key", 1, 5)),
        ("int(interval(0.5,3.9))", Integers("key", 0, 3)),
        ("tag(log, interval(1,100))", Integers("key", 1, 100, log=True)),
        ("int(tag(log, interval(1.0,100.0)))", Integers("key", 1, 100, log=True)),
        ("range(1,5)", numbers(1, 2, 3, 4)),
        ("range(0,10,4)", numbers(0, 4, 8)),
        ("range(10,0,-4)", numbers(2, 6, 10)),
        ("range(0.5,2,0.5)", numbers(0.5, 1.0, 1.5)),
        ("float(range(1,3))", numbers(1.0, 2.0)),
        ("shuffle(range(1,4))", numbers(1, 2, 3)),
        ("8,4,16", numbers(4, 8, 16)),
        ("2,1,2", numbers(1, 2)),
        ("0.5,1e-3", numbers(0.001, 0.5)),
        ("0.5,0,1", numbers(0.0, 0.5, 1.0, texts=["0", "0.5", "1"])),
        ("none,light", words("none", "light")),
        ("choice(light,none)", words("light", "none")),
        ("choice(light)", words("light")),
        ("a,b,a", words("a", "b")),
        ("shuffle(b,a,c)", words("b", "a", "c")),
        ("0,2,all", words("0", "2", "all")),
        ("true,false", words("True", "False")),
        ("null,0.1", words("null", "0.1")),
        ("1.0,nan", words("1.0", "nan")),
        ("'1',1", words("'1'", "1")),
        ("3 blocks,all", words(r"3\ blocks", "all")),
        ("'a, b', \"it's\"", words("'a, b'", '"it\'s"')),
        ("[1,2],{a:1}", words("[1,2]", "{a:1}")),
        ("${other},c", words(r"$\{other\}", "c")),
    ],
)
def test_what_a_sweep_is_read_as(value: str, dimension: Dimension) -> None:
    (found,) = space_of(f"key={value}").dimensions
    assert found == dimension
    assert [type(each) for each in found.values or ()] == [type(each) for each in dimension.values or ()]


def test_a_glob_stands_for_the_groups_files(composed: Compose) -> None:
    parser = OverridesParser.create(config_loader=GlobalHydra.instance().config_loader())  # of the fixture
    (found,) = Space.of(parser.parse_overrides(["augment=glob(*,exclude=none)"])).dimensions
    assert found.values == tuple(sorted(path.stem for path in CONF.glob("augment/*.yaml") if path.stem != "none"))


@pytest.mark.parametrize(
    ("overrides", "told"),
    [
        ([], "nothing to search"),
        (["a=1", "b='x,y'"], "nothing to search: give KEY=interval"),
        (["a=1,2", "a=3"], "nothing to search"),
        (["a=interval(0.6,0.1)"], r"a=interval\(0.6,0.1\): the start has to be below the end"),
        (["a=interval(2,2)"], "below the end"),
        (["a=int(interval(0.1,0.9))"], "below the end"),
        (["a=interval(nan,1)"], "finite"),
        (["a=interval(0,inf)"], "finite"),
        (["a=tag(log,interval(0,1.0))"], "above 0"),
        (["a=tag(log,interval(-3,5))"], "above 0"),
        (["a=tag(lgo,interval(1,5))"], "tag 'lgo'"),
        (["a=tag(log,choice(1,2))"], "tag 'log'"),
        (["a=range(5,1)"], "no value"),
        (["a=range(1,5,0)"], "zero"),
        (["a=range(0,1,1e-9)"], "more than 10000 values"),
        (["a=1,interval(2,3)"], "a sweep within a sweep"),
        (["a=glob(*)"], "ConfigLoader"),
    ],
)
def test_what_cannot_be_searched_is_told_in_a_line(overrides: list[str], told: str) -> None:
    with pytest.raises(ThawError, match=told) as error:
        space_of(*overrides)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("overrides", "size"),
    [
        (["a=1,2,3"], 3),
        (["a=1,2,3", "b=x,y", "c=7"], 6),
        (["a=interval(1,5)", "b=x,y"], 10),
        (["a=tag(log,interval(1,5))"], 5),
        (["a=1,1.0,1"], 1),
        (["a=interval(1.0,5.0)"], None),
        (["a=1,2", "b=interval(0,0.5)"], None),
    ],
)
def test_size_counts_points(overrides: list[str], size: int | None) -> None:
    space = space_of(*overrides)
    assert space.size == size
    if size is not None:
        points = [space.overrides(point) for point in space.points()]
        assert len({tuple(point) for point in points}) == len(points) == size


def test_of_two_overrides_for_a_key_the_later_counts() -> None:
    space = space_of("a=1", "b=1,2", "c=5", "a=x,y", "b=7", "c=6")
    assert space.fixed == ("b=7", "c=6")
    assert space.dimensions == (Choices("a", ("x", "y"), ("x", "y")),)


def test_what_does_not_vary_stays_as_it_was_given_and_comes_first() -> None:
    fixed = ["~tracking", "+new='a, b'", "data=folder", "list=[1, 2]", "empty="]
    space = space_of("augment@here=none,light", *fixed, "++deep.er=1,2")
    assert space.overrides({"augment@here": "light", "++deep.er": 2}) == [*fixed, "augment@here=light", "++deep.er=2"]


@given(st.lists(VALUES, min_size=2, max_size=5))
def test_choices_are_read_again_as_the_values_they_were(values: list[Any]) -> None:
    given_text = ",".join(Transformer.str(value) for value in values)
    (found,) = space_of(f"key={given_text}").dimensions
    assert found.values is not None
    again = [read(f"key={found.text(value)}") for value in found.values]
    alone = [read(f"key={Transformer.str(value)}") for value in values]
    assert {repr(each) for each in again} <= {repr(each) for each in alone}
    assert all(each in again for each in alone)


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_reals_are_read_again_exactly(value: float) -> None:
    space = Space((), (Reals("key", -math.inf, math.inf),))
    again = read(*space.overrides({"key": value}))
    assert isinstance(again, float)
    assert math.copysign(1, again) == math.copysign(1, value)
    assert again == value


@given(st.integers(-100, 100), st.integers(1, 100), st.floats(-1000, 1000))
def test_the_nearest_point_lies_within_the_ends(start: int, width: int, value: float) -> None:
    space = Space((), (Reals("x", start / 7, start / 7 + width), Integers("n", start, start + width)))
    nearest = space.nearest({"x": value, "n": value})
    assert start / 7 <= nearest["x"] <= start / 7 + width
    assert start <= nearest["n"] <= start + width
    assert nearest["x"] == pytest.approx(min(max(value, start / 7), start / 7 + width), rel=1e-5)
    assert [type(each) for each in nearest.values()] == [float, int]
