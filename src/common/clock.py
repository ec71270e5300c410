"""Measure the parts of a trial's time, and how long a command runs."""

import contextlib
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

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


def process_age() -> float:
    """Return how long this process has run, s, by /proc (proc(5)); 0 where there is none."""
    with contextlib.suppress(OSError, ValueError, IndexError):
        began = int(Path("/proc/self/stat").read_text("utf-8").rpartition(")")[2].split()[19])
        return time.clock_gettime(time.CLOCK_BOOTTIME) - began / os.sysconf("SC_CLK_TCK")
    return 0.0
