"""Print a trial's progress: bars on a terminal, plain lines elsewhere, and a short table at the end."""

import signal
from collections.abc import Mapping
from types import TracebackType
from typing import Any, Self

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeRemainingColumn
from rich.table import Table
from rich.text import Text

from src.common.errors import Interrupted, one_line, printable
from src.common.events import Advanced, Event, Noted, Waiting, Warned
from src.common.metrics import METRICS, Metric
from src.tracking import schema

_PERCENT_OF_A_LINE = 25


_SWEEP_BARS: list[Progress] = []
_WARNED: set[str] = set()
"""What the trials of a sweep in this process have warned of: they read the same photos."""


def share_bars(bars: Progress | None) -> None:
    """Let the trials of a sweep in this process draw below the sweep's own bar; None: no longer."""
    _SWEEP_BARS[:] = [bars] if bars else []


class TextOutput(Console):
    """A console that ends the command, as a signal does, when its output is closed."""

    def on_broken_pipe(self) -> None:
        """Raise :class:`Interrupted`; rich's own is an exit with status 1."""
        raise Interrupted(signal.SIGPIPE)


class Notices:
    """Shows lines on standard error: notes where they are `shown`, warnings in any case."""

    def __init__(self, shown: bool) -> None:
        self.shown, self._notes = shown, TextOutput(stderr=True, highlight=False, soft_wrap=True)

    def __call__(self, event: Event, /) -> None:
        """Show `event`; see :mod:`src.common.events`."""
        match event:
            case Warned():
                self.warn(event.text)
            case Noted() | Waiting():
                self.note(event.text)

    def note(self, text: str) -> None:
        """Print a line on what goes on, if notes are shown."""
        if self.shown:
            self._notes.print(Text(printable(text)))

    def warn(self, text: str) -> None:
        """Print a line in any case."""
        self._notes.print(Text(f"warning: {one_line(text, 1000)}", style="yellow"))


class Terminal(Notices):
    """Progress and notes go to standard error, the result to standard output. A context manager.

    A trial within a sweep leaves notes and result to the sweep, and shows a bar only if it lends one.
    """

    def __init__(self, progress: bool, *, in_sweep: bool = False) -> None:
        super().__init__(progress and not in_sweep)
        self._out = TextOutput(highlight=False)
        self._in_sweep = in_sweep
        self._shared_bars = _SWEEP_BARS[0] if in_sweep and _SWEEP_BARS else None
        self._bars = self._shared_bars or Progress(
            TextColumn("{task.description}", markup=False), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn(),
            console=self._notes, transient=True, disable=not (self.shown and self._notes.is_terminal),
        )  # fmt: skip
        self._bar: TaskID | None = None
        self._title = ""
        self._percent_shown = 0

    def __enter__(self) -> Self:
        if self._shared_bars is None:
            self._bars.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._shared_bars is None:
            self._bars.stop()
        elif self._bar is not None:
            self._bars.remove_task(self._bar)

    def __call__(self, event: Event, /) -> None:
        """Show `event`; see :mod:`src.common.events`."""
        if isinstance(event, Advanced):
            if event.activity != self._title:
                self.bar(event.activity)
            self.count(event.done, event.total)
        else:
            super().__call__(event)

    def warn(self, text: str) -> None:
        """Print a line in any case; the same line of a sweep's trials once."""
        if self._in_sweep and text in _WARNED:
            return
        _WARNED.add(text)
        super().warn(text)

    def bar(self, title: str, *, lines: bool = True) -> None:
        """Begin a bar, in place of the last; :meth:`count` moves it, or prints `lines` without a terminal."""
        if self._bar is not None:
            self._bars.remove_task(self._bar)
        self._title, self._percent_shown = title, 0 if lines else 100
        self._bar = self._bars.add_task(title, total=None)

    def count(self, done: int, total: int) -> None:
        """Show that `done` of the bar's `total` is done; without a terminal, print a line at each quarter."""
        if self._bar is None:
            return
        self._bars.update(self._bar, completed=done, total=total)
        percent = 100 * done // max(total, 1)
        if self._bars.disable and percent >= self._percent_shown + _PERCENT_OF_A_LINE:
            self._percent_shown = percent - percent % _PERCENT_OF_A_LINE
            self.note(f"{self._title}: {done} of {total}")

    def result(self, numbers: Mapping[str, Any], places: Mapping[str, str]) -> None:
        """Print the short table: accuracies, gaps, times, and where the run is."""
        if self._in_sweep:
            return
        table = Table(show_header=False, box=None, pad_edge=False)
        for label, cells in _rows(numbers):
            table.add_row(label, cells)
        for label, place in places.items():
            table.add_row(label, Text(printable(place), overflow="fold"))
        self._out.print(table)


def _splits(name: str, numbers: Mapping[str, Any]) -> str:
    """Return the metric `name` on each split that has it."""
    names = {split: schema.best(split, name) for split in (schema.FIT, schema.TRAIN, schema.VAL)}
    names[schema.TEST] = schema.of_split(schema.TEST, name)
    known = {split: numbers.get(metric_name) for split, metric_name in names.items()}
    return "   ".join(f"{split} {value:.3f}" for split, value in known.items() if value is not None)


def _baselines(numbers: Mapping[str, Any], judged: Metric) -> str:
    """Return what predicting without looking reaches on validation, and whether the trial does better."""
    accuracy = METRICS["accuracy"]
    if accuracy.baseline not in numbers:
        return ""
    text = f"largest class {numbers[accuracy.baseline]:.3f}, chance {numbers[schema.CHANCE]:.3f}"
    if judged is not accuracy:
        text += f" ({judged.words} {numbers[judged.baseline]:.3f})"
    return text + "   val is not better" * judged.is_no_better(numbers)


def _rows(numbers: Mapping[str, Any]) -> list[tuple[str, str]]:
    mode, generalization = numbers[schema.GAP_MODE], numbers[schema.GAP_GENERALIZATION]
    times = {name.rsplit("/", 1)[-1]: numbers[name] for name in schema.parts_of_time(numbers)}
    judged = METRICS[numbers.get("objective", "accuracy")]
    scores = [(metric.short, _splits(name, numbers)) for name, metric in METRICS.items()]
    return [
        *((label, text) for label, text in [*scores, ("baseline", _baselines(numbers, judged))] if text),
        ("gap", f"mode {mode:+.3f} (fit − train)   generalization {generalization:+.3f} (train − val)"),
        ("best epoch", f"{int(numbers[schema.BEST_EPOCH])} (counted over all phases, from 0)"),
        ("trained", f"{int(numbers[schema.TRAINABLE]):,} parameters"),
        ("seconds", "   ".join(f"{name} {value:.1f}" for name, value in times.items())),
    ]
