"""Collect the warnings of decoders with the name of the file, instead of printing them without it."""

import logging
import threading
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from src.common.errors import one_line

_PILLOW = logging.getLogger("PIL")


@contextmanager
def collected_remarks() -> Iterator[Callable[[], list[str]]]:
    """Keep what decoders warn of, in any thread.

    Warnings are a process's, so this is entered once, around all threads.

    Yields:
        A function that returns what was said in the thread that calls it, since it last called.
    """
    said = threading.local()

    def keep(text: object) -> None:
        said.__dict__.setdefault("texts", []).append(one_line(text, 200))

    def take() -> list[str]:
        return list(dict.fromkeys(said.__dict__.pop("texts", [])))

    handler = logging.Handler(logging.WARNING)
    handler.emit = lambda record: keep(record.getMessage())  # type: ignore[method-assign]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        warnings.simplefilter("always", UserWarning)
        warnings.showwarning = lambda message, *_, **__: keep(message)
        _PILLOW.addHandler(handler)
        propagates, _PILLOW.propagate = _PILLOW.propagate, False
        try:
            yield take
        finally:
            _PILLOW.removeHandler(handler)
            _PILLOW.propagate = propagates
