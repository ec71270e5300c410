"""Measure the parts of a trial's time."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from src.tracking.schema import TIME_TOTAL, seconds


@dataclass
class Clock:
    """A trial's time, seconds by part."""

    parts: dict[str, float] = field(default_factory=dict)
    started: float = field(default_factory=time.perf_counter)

    @contextmanager
    def part(self, name: str) -> Iterator[None]:
        """Time the block as (more of) part `name`."""
        began = time.perf_counter()
        try:
            yield
        finally:
            self.add(name, time.perf_counter() - began)

    def add(self, name: str, spent: float) -> None:
        """Add `spent` seconds to the part `name`."""
        self.parts[name] = self.parts.get(name, 0.0) + spent

    def metrics(self) -> dict[str, float]:
        """Return the parts and the total, by the names in MLflow."""
        total = time.perf_counter() - self.started
        return {seconds(name): spent for name, spent in self.parts.items()} | {TIME_TOTAL: total}
