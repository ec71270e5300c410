"""A sweep's overrides: in which order they vary, and what they are called."""

import hashlib
import shlex
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

from hydra.core.config_loader import ConfigLoader
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override, QuotedString

from src.common.depth_choice import DepthChoice
from src.common.errors import ThawError
from src.common.override import override_key, override_value
from src.config import changes_numbers, section_of

_OUTERMOST_FIRST = (
    ("backbone", "weights", "data", "image_size", "runtime"),
    ("augment",),
    (
        "batchnorm", "seed", "schedule", "batch_size", "optimizer", "objective", "monitor", "class_weights",
        "label_smoothing",
    ),
    ("dropout", "learning_rate", "epochs"),
)  # fmt: skip
"""Keys by how much frozen work trials with different values cannot share: all of it, the features, the head."""

_LONGEST_NAME = 200


@dataclass(frozen=True)
class Axes:
    """A sweep's overrides by key, ordered so that successive trials share as much work as possible.

    Attributes:
        overrides: of the command line and, where that does not name them, of `hydra.sweeper.params`.
    """

    overrides: tuple[Override, ...]

    @classmethod
    def read(cls, loader: ConfigLoader, params: Mapping[str, Any], arguments: Sequence[str]) -> Self:
        """Parse them.

        Raises:
            HydraException: what Hydra cannot read.
            ThawError: the objective varies: scores by one metric are not compared with scores by another.
        """
        parser = OverridesParser.create(config_loader=loader)
        given = parser.parse_overrides([*(f"{key}={value}" for key, value in params.items()), *arguments])
        by_key = {plain_key(override): override for override in given}
        if "objective" in by_key and by_key["objective"].is_sweep_override():
            values = _values(by_key["objective"])
            raise ThawError(
                f"objective={values}: a study has one objective; to compare what is monitored, vary monitor"
            )
        return cls(tuple(sorted(by_key.values(), key=_rank)))

    @property
    def varied(self) -> dict[str, str]:
        """Return the values of each key that varies."""
        return {plain_key(override): _values(override) for override in self.overrides if override.is_sweep_override()}

    @property
    def depths(self) -> tuple[DepthChoice, ...]:
        """Return the depths that it varies; values that are no depth are left out."""
        asked = [override for override in self.overrides if plain_key(override) == "unfrozen"]
        depths = [
            _depth(value) for override in asked if override.is_discrete_sweep() for value in override.sweep_iterator()
        ]
        return tuple(depth for depth in depths if depth is not None)

    @property
    def fixed(self) -> list[str]:
        """Return the overrides that do not vary but change numbers."""
        still = [override for override in self.overrides if not override.is_sweep_override()]
        return [str(override.input_line) for override in still if changes_numbers(plain_key(override))]

    @property
    def name(self) -> str:
        """Return the default name of a study: the keys that it varies and fixes, with their values."""
        lines = [str(override.input_line) for override in self.overrides if changes_numbers(plain_key(override))]
        name = " ".join(lines) or "one trial"
        if len(name) <= _LONGEST_NAME:
            return name
        digest = hashlib.blake2b(name.encode("utf-8", "surrogateescape"), digest_size=4).hexdigest()
        return f"{name[: _LONGEST_NAME - 10]}… {digest}"


def plain_key(override: Override) -> str:
    """Return the key that an override sets, without `+`, `++`, `~` or a package."""
    return override_key(str(override.input_line))


def that_change_numbers(job: Iterable[str]) -> tuple[str, ...]:
    """Return those of a job's overrides that can change its numbers."""
    return tuple(line for line in job if changes_numbers(override_key(line)))


def frozen_work(job: Iterable[str]) -> tuple[str, ...]:
    """Return those of a job's overrides without which no frozen work is shared.

    >>> frozen_work(["backbone=resnet50", "unfrozen=2", "image_size=96"])
    ('backbone=resnet50', 'image_size=96')
    """
    return tuple(line for line in job if section_of(override_key(line)) in _OUTERMOST_FIRST[0])


def label(job: Sequence[str], varied: Sequence[str] | None = None) -> str:
    """Return a job's overrides as text: those of `varied` keys, or all that can change its numbers.

    >>> label(["unfrozen=2", "seed=0", "tracking.uri=x"]), label(["unfrozen=2", "seed=0"], ["unfrozen"])
    ('unfrozen=2 seed=0', 'unfrozen=2')
    """
    shown = [line for line in that_change_numbers(job) if varied is None or override_key(line) in varied]
    return shlex.join(shown) or "the defaults"


def _values(override: Override) -> str:
    return override_value(str(override.input_line))


def _depth(value: object) -> DepthChoice | None:
    """Return the depth that an element of a sweep stands for; None where it is none, which is its trial's failure."""
    try:
        return DepthChoice.read(value.text if isinstance(value, QuotedString) else value)
    except ValueError:
        return None


def _rank(override: Override) -> int:
    section = section_of(plain_key(override))
    if plain_key(override).startswith("schedule.fine_tuning"):
        return len(_OUTERMOST_FIRST)
    return next((rank for rank, keys in enumerate(_OUTERMOST_FIRST) if section in keys), len(_OUTERMOST_FIRST))
