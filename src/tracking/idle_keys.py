"""Find idle keys: keys that a trial does not read, and that its name and parameters leave out.

The same function serves a trial's key, the configuration that its run keeps, and runs of earlier versions, which logged
all keys.
"""

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Self

from mlflow.entities import Run as FoundRun

from src.common.override import override_key
from src.config import PHASE_KEYS, PRECISION, AugmentConfig, changes_numbers
from src.tracking import schema

Value = str | int | float | bool | list[object]
"""A setting, as YAML has it; null is left out."""

_OF_EARLIER: dict[str, Value] = {PRECISION: "float32"}
"""What runs of earlier versions do not say, since they had no choice."""

_AUGMENTS = tuple(name for name in AugmentConfig.model_fields if name != "views")


def idle_keys(configuration: Mapping[str, Value], *, backbone_trains: bool) -> set[str]:
    """Return the dotted keys that a trial does not read, of its `configuration` as `flatten` gives it.

    >>> sorted(idle_keys({"epochs": 15, "schedule.a.epochs": 3, "batchnorm": "train"}, backbone_trains=False))
    ['batchnorm', 'epochs']
    """
    idle = {name for name in PHASE_KEYS if name in configuration and not _is_in_a_phase(name, configuration)}
    idle |= {
        name for name in configuration
        if name.endswith(".plateau_factor") and name.replace("plateau_factor", "plateau_patience") not in configuration
    }  # fmt: skip
    if not any(configuration.get(f"augment.{name}") for name in _AUGMENTS):
        idle |= {name for name in configuration if name.startswith("augment.")}
    if not backbone_trains and configuration.get("batchnorm") in {"inference", "frozen", "train"}:
        idle.add("batchnorm")  # these differ only where the backbone trains
    if "image_size" in configuration:
        idle |= {"weights.image_size"} & set(configuration)
    return idle


def _is_in_a_phase(name: str, configuration: Mapping[str, Value]) -> bool:
    """Return whether a phase has the value of the key `name`; True where no phase is known."""
    phases = [key for key in configuration if key.startswith("schedule.")]
    values = [configuration[key] for key in phases if key.endswith(f".{PHASE_KEYS[name]}")]
    return not phases or configuration[name] in values


@dataclass(frozen=True)
class ReadKeys:
    """The keys that a run's trial reads; none where the run ended before it was described.

    Attributes:
        configuration: the keys that it reads, with their values.
        idle: the keys that its run has and the trial does not read; runs of earlier versions have such.
    """

    configuration: Mapping[str, Value]
    idle: frozenset[str] = frozenset()

    @classmethod
    def of(cls, run: FoundRun) -> Self:
        """Return what the trial of `run` reads."""
        configuration = schema.CONFIGURATION.read(run.data.tags)
        return cls({**_OF_EARLIER, **configuration}) if configuration is not None else cls._of_parameters(run)

    @classmethod
    def _of_parameters(cls, run: FoundRun) -> Self:
        """Return what the trial of a `run` of an earlier version reads: that logged its whole configuration."""
        logged = {name: _value(text) for name, text in run.data.params.items() if changes_numbers(name)}
        idle = idle_keys(logged, backbone_trains=_backbone_trains(run))
        if logged.get("unfrozen") == schema.DEPTH.read(run.data.tags):  # as it trains, not as it was typed
            idle.discard("unfrozen")
        read = {name: value for name, value in logged.items() if name not in idle}
        return cls(_OF_EARLIER | read if read else read, frozenset(idle))

    @property
    def is_known(self) -> bool:
        """Return whether the trial's phases are known, so that a key that is not there is not read."""
        return any(name.startswith("schedule.") for name in self.configuration)

    @property
    def reads_depth(self) -> bool:
        """Return whether `unfrozen` decides the trial's depth; a schedule may fix it."""
        return "unfrozen" in self.configuration or not (self.is_known or "unfrozen" in self.idle)

    def followed(self, typed: Sequence[str]) -> tuple[str, ...]:
        """Return the overrides (or the words of a command) `typed` for the trial, as it follows them."""
        depth = self.configuration.get("unfrozen")
        return followed(typed, self._idle_of(typed), None if depth is None else str(depth))

    def _idle_of(self, typed: Sequence[str]) -> set[str]:
        """Return the keys of the overrides `typed` that the trial does not read."""
        overrides = [line for line in typed if "=" in line or line.startswith("~")]  # a command has other words as well
        keys = {override_key(line) for line in overrides if not line.endswith("=null")}
        may_be_idle = {key for key in keys if key in {*PHASE_KEYS, "batchnorm"} or ("." in key and key[:6] != "hydra.")}
        unread = {
            key for key in may_be_idle if not any(f"{name}.".startswith(f"{key}.") for name in self.configuration)
        }
        return {*self.idle, *(unread if self.is_known else ())}


def _value(text: str) -> Value:
    """Return the value that an earlier version wrote as `text`."""
    try:
        value: Value = json.loads(text)
    except ValueError:
        return text
    return value if isinstance(value, int | float | list) else text


def _backbone_trains(run: FoundRun) -> bool:
    """Return whether a phase of the trial of `run`, of an earlier version, trains variables of the backbone."""
    phases = schema.DEPTH_TEXT.every(run.data.tags).values()
    depth = run.data.metrics.get(schema.DEPTH_CANONICAL, schema.DEPTH.read(run.data.tags) or 0)
    return any("backbone parameters train" in text for text in phases) if phases else depth > 0


def followed(typed: Sequence[str], idle: Collection[str], depth: str | None) -> tuple[str, ...]:
    """Return the overrides `typed` without `idle` keys, and with `depth` for `unfrozen` where it is known.

    >>> followed(["schedule=head_only", "unfrozen=11", "epochs=3"], {"unfrozen"}, None)
    ('schedule=head_only', 'epochs=3')
    >>> followed(["unfrozen=1", "fine_tune_epochs=3"], {"fine_tune_epochs"}, "0")
    ('unfrozen=0',)
    """
    read = [line for line in typed if override_key(line) not in idle]
    return tuple(f"unfrozen={depth}" if depth and override_key(line) == "unfrozen" else line for line in read)
