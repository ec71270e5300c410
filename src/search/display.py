"""Print a sweep's progress: a line for each trial, a bar over all, and a table at the end."""

import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import TracebackType
from typing import Self

from rich.progress import BarColumn, Progress, TextColumn
from rich.table import Table
from rich.text import Text

from src.cli.job_results import JobResult
from src.common.errors import TIME_IS_UP, one_line, printable
from src.common.metrics import METRICS, Metric
from src.reporting.terminal import Notices, TextOutput, share_bars

_MOST_ROWS = 40


@dataclass
class SweepProgress:
    """The state of a sweep's trials so far. `total` is None if the number of trials is not known."""

    total: int | None
    labels: dict[int, str] = field(default_factory=dict)
    results: dict[int, JobResult] = field(default_factory=dict)
    began: float = field(default_factory=time.monotonic)

    def add(self, result: JobResult) -> None:
        """Record that one trial has ended."""
        self.results[result.number] = result

    def counts(self) -> Counter[str]:
        """Return the number of trials by how they ended."""
        return Counter(result.status for result in self.results.values())

    def failures(self) -> Counter[str]:
        """Return how many trials failed and were killed; one that the time ended was neither."""
        ended = [result.status for result in self.results.values() if result.error != TIME_IS_UP]
        return Counter(status for status in ended if status in ("failed", "killed"))

    def best(self) -> JobResult | None:
        """Return the result with the highest score."""
        scored = [result for result in self.results.values() if result.score is not None]
        return max(scored, key=lambda result: result.score or 0.0, default=None)

    def remaining_seconds(self) -> float | None:
        """Return the estimated time of the remaining trials by the trained ones, s; None before one was trained."""
        trained = self.counts()["finished"] + self.counts()["failed"]
        if not trained or self.total is None:
            return None
        return (time.monotonic() - self.began) / trained * (self.total - len(self.results))

    def line(self) -> str:
        """Return the state of the sweep in one line."""
        done, counts, best, remaining = len(self.results), self.counts(), self.best(), self.remaining_seconds()
        of = f" of {self.total}" if self.total is not None else ""
        parts = [f"{done}{of} trial{'s' * ((self.total or done) != 1)} done"]
        statuses = ("reused", "failed", "killed", "skipped")
        guesses = sum(result.baseline is not None for result in self.results.values())
        parts += [f"{counts[status]} {status}" for status in statuses if counts[status]]
        parts += [f"{guesses} not better than the largest class"] if guesses else []
        parts += [f"{self.total - done} left"] if self.total is not None and self.total > done else []
        parts += [f"best {best.score:.3f} ({self.labels[best.number]})"] if best else []
        parts += [f"about {_duration(remaining)} left"] if remaining else []
        return ", ".join(parts)


class SweepDisplay(Notices):
    """Shows a sweep's progress: lines and a bar on standard error, the table on standard output. A context manager."""

    def __init__(
        self, sweep_progress: SweepProgress, name: str, progress: bool, judged: Metric = METRICS["accuracy"]
    ) -> None:
        super().__init__(progress)
        self.sweep_progress, self.name, self.judged = sweep_progress, name, judged
        self._bars = Progress(
            BarColumn(), TextColumn("{task.description}", markup=False), console=self._notes, transient=True,
            disable=not (progress and self._notes.is_terminal),
        )  # fmt: skip
        self._bar = self._bars.add_task("", total=sweep_progress.total)

    def __enter__(self) -> Self:
        self.note(f"study {self.name}")
        self._bars.start()
        self._move()
        share_bars(self._bars)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        share_bars(None)
        self._bars.stop()

    def ended(self, result: JobResult) -> None:
        """Show that one trial has ended; always if it failed or was killed."""
        self.sweep_progress.add(result)
        ending = _ending(result, self.judged)
        line = Text(printable(f"{_place(self.sweep_progress)}  {self.sweep_progress.labels[result.number]}: {ending}"))
        if result.error:
            self._notes.print(line, style="red")
        elif self.shown:
            self._notes.print(line)
        self._move()

    def table(self) -> None:
        """Print the table of all trials (or, of many, the failures and the best), and the counts."""
        out = TextOutput(highlight=False)
        if self.sweep_progress.results:
            out.print(_table(self.sweep_progress, self.judged))
        out.print(Text(printable(self.sweep_progress.line())), soft_wrap=True)

    def result(self, verdict: Sequence[str], places: Mapping[str, str]) -> None:
        """Print the verdict, and where to look."""
        out = TextOutput(highlight=False)
        for text in verdict:
            out.print(Text(one_line(text, 2000)), soft_wrap=True)
        for label, place in places.items():
            out.print(Text(printable(f"{label:<8} {place}")), soft_wrap=True)

    def _move(self) -> None:
        self._bars.update(self._bar, completed=len(self.sweep_progress.results), description=self.sweep_progress.line())


def _place(sweep_progress: SweepProgress) -> str:
    of = "" if sweep_progress.total is None else f"/{sweep_progress.total}"
    return f"{len(sweep_progress.results)}{of}"


def _ending(result: JobResult, judged: Metric) -> str:
    guess = "" if result.baseline is None else f" (not better than the largest class, {result.baseline:.3f})"
    match result.status:
        case "finished":
            return f"{judged.on_validation} {result.score:.3f}{guess}, {_duration(result.seconds)}"
        case "reused":
            return f"{judged.on_validation} {result.score:.3f}{guess}, reused from run {result.run_id[:8]}"
        case "failed" | "killed":
            return f"{result.status.upper()}: {one_line(result.error)}"
        case "skipped":
            return result.status


def _table(sweep_progress: SweepProgress, judged: Metric) -> Table:
    table = Table("trial", "status", judged.on_validation, "seconds", box=None, pad_edge=False)
    for result in _rows(sweep_progress):
        score = "" if result.score is None else f"{result.score:.3f}"
        status = Text(f"{result.status}: {one_line(result.error, 300)}" if result.error else result.status)
        label = Text(printable(sweep_progress.labels[result.number]), overflow="fold")
        table.add_row(label, status, score, f"{result.seconds:.1f}")
    return table


def _rows(sweep_progress: SweepProgress) -> Sequence[JobResult]:
    """Return all results in the jobs' order; of many, the failures and the best ones."""
    results = sorted(sweep_progress.results.values(), key=lambda result: result.number)
    if len(results) <= _MOST_ROWS:
        return results
    failed = [result for result in results if result.error]
    best = sorted((result for result in results if result.score is not None), key=lambda result: -(result.score or 0.0))
    return best[:10] + failed


def _duration(seconds: float) -> str:
    """Return seconds for people.

    >>> _duration(4.2), _duration(90), _duration(7500)
    ('4 s', '90 s', '125 min')
    """
    return f"{seconds:.0f} s" if seconds < 120 else f"{seconds / 60:.0f} min"
