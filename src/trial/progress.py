"""The progress of a trial, on the terminal and in its run."""

import time
from collections.abc import Callable, Mapping

from src.common import events
from src.common.metrics import METRICS, Metric
from src.tracking import schema
from src.trial.context import TrialContext

LogMetrics = Callable[[Mapping[str, float], int], object]
"""Logs metrics at a step."""


class ProgressLogger:
    """Shows on the terminal what the schedule does, and logs its metrics."""

    def __init__(self, context: TrialContext, log: LogMetrics) -> None:
        self.context, self.log, self.terminal = context, log, context.terminal

    def __call__(self, event: events.Event, /) -> None:
        """Show and log an event."""
        match event:
            case events.PhaseBegan():
                self._phase_begins(event)
            case events.EpochsReused(records):
                for record in records:
                    self.log(record.metrics, record.epoch)
                self.terminal.note(f"{self.phase.name}: epochs known from an earlier trial: {len(records)}")
                self._at(records[-1].epoch + 1)
            case events.Advanced() if event.activity == events.TRAINING:
                self.terminal.count(event.done, event.total)
            case events.Advanced():
                self.terminal(event)
                if event.done == event.total:
                    self._at(self.next_epoch)
            case events.EpochRecord():
                self.context.leases.check()
                self.log(event.metrics, event.epoch)
                line = _epoch_line(event, METRICS[self.context.plan.trial.objective])
                self.terminal.note(f"{self._place(event.epoch)}   {line}")
                self._at(event.epoch + 1)
            case events.PhaseEnded():
                for epoch, values in event.train.items():
                    self.log(values, epoch)
                self.context.clock.add(f"phase/{event.name}", time.perf_counter() - self.began - self._computing())
            case events.Waiting():
                self.terminal.note(f"{self.phase.name}: {event.text}")
            case events.Warned() | events.Noted():
                self.terminal(event)

    def _phase_begins(self, phase: events.PhaseBegan) -> None:
        self.phase, self.began = phase, time.perf_counter() - self._computing()
        depth = self.context.plan.depths[phase.name]
        self.terminal.note(f"phase {phase.name}: {depth.describe(len(self.context.plan.table))}")
        self._at(phase.first_epoch)

    def _computing(self) -> float:
        """Return the seconds that features took so far: they are a part of their own."""
        return self.context.clock.parts.get("features", 0.0)

    def _at(self, epoch: int) -> None:
        self.next_epoch = epoch
        self.terminal.bar(self._place(epoch), lines=False)

    def _place(self, epoch: int) -> str:
        number = min(epoch - self.phase.first_epoch + 1, self.phase.epochs)
        return f"{self.phase.name} {number}/{self.phase.epochs}"


def _epoch_line(record: events.EpochRecord, judged: Metric) -> str:
    def value(split: str, measure: str) -> float:
        return record.metrics[schema.of_split(split, measure)]

    objective = "" if judged.objective == "accuracy" else f", {judged.words} {value(schema.VAL, judged.objective):.3f}"
    fit, val = (f"{split} {value(split, 'accuracy'):.3f} (loss {value(split, 'loss'):.3f}"
                for split in (schema.FIT, schema.VAL))  # fmt: skip
    return f"{fit})   {val}{objective})   rate {record.metrics[schema.LEARNING_RATE]:.1e}   {record.seconds:.1f} s"
