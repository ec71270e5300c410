"""Commands that tests start as processes, and what they wait for."""

import os
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

StartProcess = Callable[[Sequence[str], Path, dict[str, str]], subprocess.Popen[str]]


@contextmanager
def started_processes() -> Iterator[StartProcess]:
    """Yield a function that starts a command in a folder, with more environment; all are killed in the end."""
    started = list[subprocess.Popen[str]]()

    def start(words: Sequence[str], folder: Path, environment: dict[str, str]) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            words, cwd=folder, env=os.environ | environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        started.append(process)
        return process

    try:
        yield start
    finally:
        for process in started:
            process.kill()
            process.wait()


def wait_for(happened: Callable[[], object], seconds: float = 120, every: float = 0.1) -> None:
    """Return once `happened` returns what counts as true; it is asked `every` so often, and for `seconds` at most."""
    end = time.monotonic() + seconds
    while not happened():
        assert time.monotonic() < end, f"it did not happen in {seconds:g} seconds"
        time.sleep(every)
