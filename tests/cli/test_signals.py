"""Signals that ask a process to end, in moments when Python drops what a handler raises."""

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from src.common.project import PROJECT

SCRIPT = """
import signal, time
from src.cli.entry import run_entry

class Held:
    def __del__(self):
        signal.raise_signal(signal.{name})

def main():
    held = Held()
    del held
    time.sleep(30)

run_entry(main)
"""


def run(script: str, folder: Path) -> subprocess.CompletedProcess[str]:
    """Run a script in a process of its own."""
    return subprocess.run(
        [sys.executable, "-c", script], cwd=folder, env={"PYTHONPATH": str(PROJECT)}, capture_output=True, text=True,
        timeout=60, check=False,
    )  # fmt: skip


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_within_a_finalizer_ends_the_command(number: signal.Signals, tmp_path: Path) -> None:
    done = run(SCRIPT.format(name=number.name), tmp_path)
    assert (done.returncode, done.stderr) == (128 + number, f"thaw: stopped by {number.name}\n")


BROKEN_LOCK = """
import signal, threading
from src.cli.entry import run_entry

def main():
    lock = threading.Lock()
    with lock:
        lock.release()  # as where a signal comes while a condition takes its lock again
        signal.raise_signal(signal.SIGINT)

run_entry(main)
"""


def test_a_signal_that_breaks_a_lock_ends_the_command(tmp_path: Path) -> None:
    done = run(BROKEN_LOCK, tmp_path)
    assert (done.returncode, done.stderr) == (128 + signal.SIGINT, "thaw: stopped by SIGINT\n")


SWALLOWED = """
import contextlib, signal, time
from src.cli.entry import run_entry

def main():
    with contextlib.suppress(BaseException):
        signal.raise_signal(signal.SIGTERM)
    time.sleep(30)

run_entry(main)
"""


def test_a_signal_that_an_except_clause_drops_ends_the_command(tmp_path: Path) -> None:
    done = run(SWALLOWED, tmp_path)
    assert (done.returncode, done.stderr) == (128 + signal.SIGTERM, "thaw: stopped by SIGTERM\n")


SLOW_START = """
import threading, time

start, delays = threading.Timer.start, [0.5]

def started_late(timer):
    start(timer)
    time.sleep(delays.pop() if delays else 0)

threading.Timer.start = started_late
"""


def test_a_signal_that_comes_again_before_the_hook_ends_is_not_lost(tmp_path: Path) -> None:
    done = run(SLOW_START + SCRIPT.format(name="SIGTERM"), tmp_path)
    assert (done.returncode, done.stderr) == (128 + signal.SIGTERM, "thaw: stopped by SIGTERM\n")


def test_what_else_a_finalizer_raises_is_told(tmp_path: Path) -> None:
    script = SCRIPT.format(name="SIGINT").replace("signal.raise_signal(signal.SIGINT)", "1 / 0").replace("30", "0")
    done = run(script, tmp_path)
    assert done.returncode == 0
    assert "ZeroDivisionError" in done.stderr
