"""Signals that ask a process to end. Ctrl-C, `kill` and a closed terminal differ only in the exit status.

A closed pipe is such a signal too, SIGPIPE, and ends a command silently.
"""

import os
import signal
import sys
import threading
import time
import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import NoReturn

from src.cli.streams import discard
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
def hidden_interrupts_show() -> Iterator[None]:
    """Raise the :class:`Interrupted` that an error hides: locks and archives that it breaks into fail when closed."""
    try:
        yield
    except (RuntimeError, ValueError) as error:
        hidden: BaseException | None = error
        while hidden is not None and not isinstance(hidden, Interrupted):
            hidden = hidden.__context__
        if hidden is None:
            raise
        raise hidden from None


@contextmanager
def closed_pipe_ends_quietly() -> Iterator[None]:
    """End the command as Unix tools do, with SIGPIPE's status, if the block's output is closed."""
    try:
        with closed_pipe_interrupts():
            yield
    except Interrupted as stop:
        sys.exit(end_of(stop))


@contextmanager
def time_limit(seconds: float) -> Iterator[None]:
    """Raise :class:`Interrupted` by SIGALRM in the block after `seconds`, as a signal from outside would."""
    sender = _Sender()
    signal.signal(signal.SIGALRM, sender)
    signal.setitimer(signal.ITIMER_REAL, max(seconds, _SOON))
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, signal.SIG_IGN)
        over = Interrupted(signal.SIGALRM)
        sender.raised = lambda: over


def raise_interrupted() -> None:
    """Raise :class:`Interrupted` on the first signal, then let the run close."""
    _handle(_SENDER)
    sys.unraisablehook = _drop_quietly


def received(stop: Interrupted) -> None:
    """Say that `stop` has arrived where the command ends: the signal is not sent again."""
    _SENDER.raised = lambda: stop


def end_of(stop: Interrupted) -> int:
    """Say by which signal the command ends, unless nobody reads what it prints; return its exit status."""
    received(stop)
    if stop.signal_number == signal.SIGPIPE:
        discard(1, 2)
    else:
        _print_signal(stop.signal_number)
    return 128 + stop.signal_number


def _call_after(parent: int, end: Callable[[], None]) -> None:
    """Call `end` within a second after the process `parent`, which started this one, has ended."""

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(1)
        end()

    threading.Thread(target=watch, daemon=True).start()


def outlived(work: Callable[[], int]) -> int:
    """Return the status of `work`, which runs in a process that ends in order also when this one is killed."""
    parent = os.getpid()
    child = os.fork()
    if not child:
        os.setsid()  # Ctrl-C goes to the parent alone, which asks this process to end
        _call_after(parent, lambda: os.kill(os.getpid(), signal.SIGTERM))
        return work()
    try:
        return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    except BaseException:
        os.kill(child, signal.SIGTERM)
        os.waitpid(child, 0)
        raise


class _Sender:
    """Raises :class:`Interrupted` until one arrives: finalizers, callbacks from C and wide ``except`` clauses drop it.

    While a run closes, one more signal is ignored, as of an impatient Ctrl-C; the next ends the process.
    """

    def __init__(self) -> None:
        self.raised: Callable[[], Interrupted | None] = lambda: None
        self.ignored = 0

    def __call__(self, number: int, frame: FrameType | None) -> None:
        if self.raised() is not None:
            self.ignored += 1
            if self.ignored > 1:
                _leave(number, frame)
            return
        stop = Interrupted(number)
        self.raised = weakref.ref(stop, lambda _: self._send_soon(number))
        self.ignored = 0
        try:
            raise stop
        finally:
            del stop  # its traceback holds this frame

    def _send_soon(self, number: int) -> None:
        """Send this process the signal again in a moment."""
        timer = threading.Timer(_SOON, self._send, (number,))
        timer.daemon = True
        timer.start()

    def _send(self, number: int) -> None:
        if self.raised() is None:
            os.kill(os.getpid(), number)


_SENDER = _Sender()


def _drop_quietly(unraisable: "sys.UnraisableHookArgs") -> None:
    """Tell what Python drops, as it does, but for an interruption, which is sent again."""
    if not isinstance(unraisable.exc_value, Interrupted):
        sys.__unraisablehook__(unraisable)


def _handle(handler: Callable[[int, FrameType | None], None]) -> None:
    for number in ENDING:
        if signal.getsignal(number) is not signal.SIG_IGN:  # as under nohup
            signal.signal(number, handler)


def _leave(number: int, _frame: FrameType | None) -> NoReturn:
    _print_signal(number)
    os._exit(128 + number)


def _print_signal(number: int) -> None:
    print(f"thaw: stopped by {signal.Signals(number).name}", file=sys.stderr, flush=True)
