"""Measure the parts of a trial's time."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field


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

    def add(self, name: str, seconds: float) -> None:
        """So much more went to part `name`."""
        self.parts[name] = self.parts.get(name, 0.0) + seconds

    def metrics(self) -> dict[str, float]:
        """Return the parts and the total, by the names in MLflow."""
        total = time.perf_counter() - self.started
        return {f"time/{name}": seconds for name, seconds in {**self.parts, "total": total}.items()}
