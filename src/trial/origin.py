"""The origin of a trial's configuration."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from src.common.override import override_key
from src.common.shell import TRAIN
from src.tracking import schema


@dataclass(frozen=True)
class Origin:
    """The words after `python -m src.train`, and the file of each group of conf/."""

    arguments: tuple[str, ...] = ()
    groups: Mapping[str, str] = field(default_factory=dict)

    @property
    def keys(self) -> frozenset[str]:
        """Return the keys that were typed."""
        return frozenset(override_key(word) for word in self.arguments)

    def tags(self) -> dict[str, str]:
        """Return what a run says of it."""
        groups = [schema.GROUP.at(group).of(choice) for group, choice in self.groups.items()]
        typed = schema.ARGUMENTS.of(self.arguments) | schema.COMMAND.of((*TRAIN, *self.arguments))
        return typed | {name: text for group in groups for name, text in group.items()}
