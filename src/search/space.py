"""The search space: Hydra's overrides read as dimensions, and a point of the space written as overrides."""

import itertools
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Generic, Self, TypeVar

from hydra.core.override_parser.overrides_parser import OverridesParser, create_functions
from hydra.core.override_parser.types import Glob, IntervalSweep, Override, QuotedString, RangeSweep, Sweep, Transformer

from src.common.errors import ThawError, one_line

_MOST_CHOICES = 10_000


Number = TypeVar("Number", int, float)


@dataclass(frozen=True)
class _Interval(Generic[Number]):
    """The numbers from `start` to `end`, both included; with `log`, each order of magnitude is equally likely."""

    key: str
    start: Number
    end: Number
    log: bool = False

    @property
    def ends(self) -> tuple[Number, Number]:
        """Return the least and the greatest."""
        return self.start, self.end


class Reals(_Interval[float]):
    """An interval of real numbers."""

    @property
    def values(self) -> None:
        """Return None: real numbers cannot be listed."""

    def nearest(self, value: float) -> float:
        """Return `value` with six significant digits, on which machines agree, within the ends."""
        return min(max(float(f"{value:.6g}"), self.start), self.end)

    def text(self, value: float) -> str:
        """Return `value` as Hydra reads it, exactly."""
        return repr(float(value))


class Integers(_Interval[int]):
    """An interval of integers."""

    @property
    def values(self) -> range:
        """Return all values."""
        return range(self.start, self.end + 1)

    def nearest(self, value: int) -> int:
        """Return `value` as a plain integer within the ends."""
        return min(max(int(value), self.start), self.end)

    def text(self, value: int) -> str:
        """Return `value` as Hydra reads it."""
        return str(int(value))


@dataclass(frozen=True)
class Choices:
    """Some values: numbers in ascending order, or else text in the order given.

    Attributes:
        values: all int, all float, or all str; no two alike.
        texts: the same values as Hydra reads them.
    """

    key: str
    values: tuple[int, ...] | tuple[float, ...] | tuple[str, ...]
    texts: tuple[str, ...]

    @property
    def ends(self) -> tuple[Any, Any]:
        """Return the first and the last value."""
        return self.values[0], self.values[-1]

    def nearest(self, value: Any) -> Any:
        """Return `value` itself."""
        return value

    def text(self, value: Any) -> str:
        """Return `value` as Hydra reads it: quoted and escaped where it has to be."""
        return self.texts[self.values.index(value)]


Dimension = Reals | Integers | Choices


@dataclass(frozen=True)
class Space:
    """The dimensions of a search, and the overrides that it keeps fixed.

    Attributes:
        fixed: the overrides that are no sweeps, as given.
        dimensions: one for each key that varies; at least one.
    """

    fixed: tuple[str, ...]
    dimensions: tuple[Dimension, ...]

    @classmethod
    def of(cls, overrides: Iterable[Override]) -> Self:
        """Return the space of `overrides` as Hydra's parser gives them. Of two for one key the later counts.

        Raises:
            ThawError: a sweep that has no values or cannot be read, or no sweep at all.
        """
        last = {override.get_key_element(): override for override in overrides}.values()
        fixed = tuple(str(override.input_line) for override in last if not override.is_sweep_override())
        dimensions = tuple(_dimension(override) for override in last if override.is_sweep_override())
        if not dimensions:
            raise ThawError("nothing to search: give KEY=interval(a,b) or KEY=a,b")
        return cls(fixed, dimensions)

    @property
    def size(self) -> int | None:
        """Return the number of points; None if a dimension is continuous."""
        sizes = [len(dimension.values) for dimension in self.dimensions if dimension.values is not None]
        return math.prod(sizes) if len(sizes) == len(self.dimensions) else None

    def points(self) -> Iterator[dict[str, Any]]:
        """Yield every point of a finite space, by key; the last key varies fastest."""
        keys = [dimension.key for dimension in self.dimensions]
        for values in itertools.product(*(dimension.values or () for dimension in self.dimensions)):
            yield dict(zip(keys, values, strict=True))

    def ends(self) -> Iterator[dict[str, Any]]:
        """Yield the points where every dimension has its first value, and its last."""
        for index in (0, -1):
            yield {dimension.key: dimension.ends[index] for dimension in self.dimensions}

    def nearest(self, values: Mapping[str, Any]) -> dict[str, Any]:
        """Return the point at `values`, which an oracle has calculated, or next to them."""
        return {dimension.key: dimension.nearest(values[dimension.key]) for dimension in self.dimensions}

    def overrides(self, values: Mapping[str, Any]) -> list[str]:
        """Return a point as Hydra's overrides, the fixed ones first; keys of no dimension are left out."""
        point = {dimension.key: dimension.text(values[dimension.key]) for dimension in self.dimensions}
        return [*self.fixed, *(f"{key}={text}" for key, text in point.items())]


def _interval(start: int | float, end: int | float) -> IntervalSweep:
    """Return an interval with the ends as the user wrote them: Hydra's own makes floats of both."""
    return IntervalSweep(start=start, end=end)


def _read(override: Override) -> Any:
    """Return the values of the sweep `override`, with the ends of intervals as they were written."""
    functions = create_functions()
    functions.functions["interval"] = _interval
    return OverridesParser(functions).parse_override(str(override.input_line)).value()


def _dimension(override: Override) -> Dimension:
    sweep = _read(override)
    tags: set[str] = sweep.tags if isinstance(sweep, Sweep) else set()
    if isinstance(sweep, IntervalSweep) and tags <= {"log"}:
        return _numbers(override, sweep)
    if tags:
        raise _error(override, f"nothing is known of the tag {min(tags)!r}; known: tag(log, interval(a,b))")
    return _choices(override, _elements(override, sweep))


def _numbers(override: Override, sweep: IntervalSweep) -> Reals | Integers:
    start, end, log = sweep.start, sweep.end, "log" in sweep.tags
    assert start is not None
    assert end is not None
    if not math.isfinite(end - start):
        raise _error(override, "the ends have to be finite numbers")
    if start >= end:
        raise _error(override, "the start has to be below the end")
    if log and start <= 0:
        raise _error(override, "a log scale starts above 0")
    if isinstance(start, int) and isinstance(end, int):
        return Integers(override.get_key_element(), start, end, log)
    return Reals(override.get_key_element(), float(start), float(end), log)


def _elements(override: Override, sweep: Any) -> Sequence[Any]:
    """Return the values of a choice, a range or a glob in the order written."""
    try:
        if isinstance(sweep, Glob):
            elements: Iterable[Any] = override.sweep_iterator()
        else:
            elements = sweep.range() if isinstance(sweep, RangeSweep) else sweep.list
        listed = list(itertools.islice(elements, _MOST_CHOICES + 1))
    except Exception as error:  # Hydra's range() and glob() raise what comes
        raise _error(override, one_line(error)) from error
    if not listed:
        raise _error(override, "there is no value in it")
    if len(listed) > _MOST_CHOICES:
        raise _error(override, f"more than {_MOST_CHOICES} values; give KEY=interval(a,b)")
    if any(isinstance(element, Sweep | Glob) for element in listed):
        raise _error(override, "a sweep within a sweep; give one interval, one range or single values")
    return listed


def _choices(override: Override, elements: Sequence[Any]) -> Choices:
    key, texts = override.get_key_element(), [Transformer.str(element) for element in elements]
    kind = _number_type(elements)
    if kind is not None:
        numbers = dict(sorted((kind(element), text) for element, text in zip(elements, texts, strict=True)))
        return Choices(key, tuple(numbers), tuple(numbers.values()))
    plain = [element.text if isinstance(element, QuotedString) else element for element in elements]
    words = tuple({repr(value): text for value, text in zip(plain, texts, strict=True)}.values())
    return Choices(key, words, words)


def _number_type(elements: Sequence[Any]) -> type[int] | type[float] | None:
    """Return the type of number that holds all `elements`; None if some are no finite numbers."""
    types = {type(element) for element in elements}
    if types == {int}:
        return int
    return float if types <= {int, float} and all(math.isfinite(element) for element in elements) else None


def _error(override: Override, what: str) -> ThawError:
    return ThawError(f"{one_line(override.input_line, 200)}: {what}")
