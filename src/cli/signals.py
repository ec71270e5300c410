"""Signals that ask a process to end. Ctrl-C, `kill` and a closed terminal differ only in the exit status.

A closed pipe is such a signal too, SIGPIPE, and ends a command silently.
"""

import os
import signal
import sys
import threading
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import NoReturn

from src.common.errors import Interrupted

_SOON = 0.01
ENDING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def leave_at_once() -> None:
    """End on a signal without a traceback: for the time before anything is open that would have to be closed."""
    _handle(_leave)


@contextmanager
def closed_pipe_interrupts() -> Iterator[None]:
    """Raise :class:`Interrupted` where the block prints, also its last line, to a closed pipe."""
    try:
        try:
            yield
        finally:
            print(end="", flush=True)
    except BrokenPipeError as error:
        raise Interrupted(signal.SIGPIPE) from error


@contextmanager
def closed_pipe_ends_quietly() -> Iterator[None]:
    """End the command as Unix tools do, with SIGPIPE's status, if the block's output is closed."""
    try:
        with closed_pipe_interrupts():
            yield
    except Interrupted as stop:
        discard(1, 2)
        sys.exit(128 + stop.signal_number)


def discard(*outputs: int) -> None:
    """Send nowhere what is still to be printed to `outputs` (1, 2): Python would complain of it when it ends."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    for output in outputs:
        os.dup2(nowhere, output)


def raise_interrupted() -> None:
    """Raise :class:`Interrupted` on the first signal, then let the run close."""
    _handle(_interrupt)
    sys.unraisablehook = _signal_again


def _handle(handler: Callable[[int, FrameType | None], None]) -> None:
    for number in ENDING:
        if signal.getsignal(number) is not signal.SIG_IGN:  # as under nohup
            signal.signal(number, handler)


def _leave(number: int, _frame: FrameType | None) -> NoReturn:
    print(f"thaw: stopped by {signal.Signals(number).name}", file=sys.stderr, flush=True)
    os._exit(128 + number)


def _interrupt(number: int, frame: FrameType | None) -> None:
    if any(within.f_code is _signal_again.__code__ for within, _ in traceback.walk_stack(frame)):
        _send_soon(number)  # Python drops what is raised there, too
        return
    _handle(_Closing())
    raise Interrupted(number)


def _signal_again(unraisable: "sys.UnraisableHookArgs") -> None:
    """Send a signal again that came within a finalizer: Python drops what is raised there."""
    if not isinstance(unraisable.exc_value, Interrupted):
        sys.__unraisablehook__(unraisable)
        return
    _handle(_interrupt)
    _send_soon(unraisable.exc_value.signal_number)


def _send_soon(number: int) -> None:
    """Send this process a signal in a moment."""
    timer = threading.Timer(_SOON, os.kill, (os.getpid(), number))
    timer.daemon = True
    timer.start()


class _Closing:
    """While a run closes: one more signal is ignored, as of an impatient Ctrl-C; the next ends the process."""

    def __init__(self) -> None:
        self.seen = 0

    def __call__(self, number: int, frame: FrameType | None) -> None:
        self.seen += 1
        if self.seen > 1:
            _leave(number, frame)
