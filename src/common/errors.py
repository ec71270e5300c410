"""Errors that the user can fix; their messages have a line or two."""

import signal
from collections.abc import Iterable
from difflib import get_close_matches

TIME_IS_UP = "the time is up"


class ThawError(Exception):
    """Bad input or a failing surrounding. Its text says what, where, and what would do.

    `is_reported` is set once the user has read it.
    """

    is_reported = False


class DownloadError(ThawError):
    """Weights that a trial asks for cannot be downloaded."""


class Interrupted(BaseException):
    """A signal asked the process to end; like KeyboardInterrupt, no ``except Exception`` may swallow it."""

    def __init__(self, signal_number: int) -> None:
        super().__init__(TIME_IS_UP if signal_number == signal.SIGALRM else f"ended by signal {signal_number}")
        self.signal_number = signal_number


def one_line(text: object, limit: int = 500) -> str:
    r"""Return `text` on one line: white space folded, unprintable characters escaped, cut to `limit` characters.

    File and class names may hold control characters, which a terminal obeys.

    >>> one_line("a\n  b\x1b[31m")
    'a b\\x1b[31m'
    """
    safe = printable(" ".join(str(text).split()))
    return safe if len(safe) <= limit else safe[: limit - 1] + "…"


def printable(text: str) -> str:
    """Return `text` with every character escaped that a terminal would obey or an encoding refuse."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """Return the hint that follows an unknown `word`.

    >>> did_you_mean("dropuot", ["dropout", "seed"])
    "did you mean 'dropout'?"
    >>> did_you_mean("x", ["dropout", "seed"])
    'known: dropout, seed'
    """
    names = list(known)
    lowered = {name.lower(): name for name in reversed(names)}
    close = get_close_matches(word.lower(), lowered, n=1)
    return f"did you mean {lowered[close[0]]!r}?" if close else "known: " + ", ".join(names)
