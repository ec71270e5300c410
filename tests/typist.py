"""A process that types commands: what is slow to import is imported once, and each command is a fork of it.

Each command has its own folder, arguments, standard streams, signals and exit status, as in a shell.
"""

import contextlib
import importlib
import itertools
import json
import math
import os
import runpy
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

PROJECT = Path(__file__).parents[1]
LIGHT = ("src.cli.composition:prepare", "tests.typist:compose_once")
"""What every command does first: it reads Hydra's plugins, and fills the tables of Hydra's parsers."""
HEAVY = (
    *LIGHT, "src.tracking.environment:package_versions", "src.trial.run", "src.search.sweep",
    "src.reporting.study_report", "mlflow.keras", "mlflow.store.tracking.sqlalchemy_store", "alembic.command",
    "matplotlib.backends.backend_agg", "src.auditing.run_audit", "sklearn.linear_model", "sklearn.model_selection",
)  # fmt: skip
"""What a command that trains does first: it takes seconds."""


def compose_once() -> None:
    """Compose the configuration: the parsers learn a grammar as they read, which takes a command half a second."""
    from hydra import compose, initialize_config_dir

    with initialize_config_dir(str(PROJECT / "conf"), version_base="1.3"):
        compose("config", ["data=folder", "data.root='/a b'", "seed=1", "learning_rate=1e-3"])


@dataclass(frozen=True)
class Typed:
    """What came of a command; `seconds` of a processor's time."""

    status: int
    out: str
    err: str
    seconds: float = 0.0

    @property
    def said(self) -> str:
        """All that it printed."""
        return self.out + self.err


@dataclass(frozen=True)
class Started:
    """A command that runs as the process `pid`, the leader of a group of its own."""

    typist: "Typist"
    pid: int
    out: Path
    err: Path

    def wait(self, seconds: float | None = None) -> Typed:
        """Return what came of it; after `seconds`, it and the processes that it started are killed."""
        status, used = self.typist.ask({"wait": self.pid, "seconds": seconds}).split()
        self.typist.running.discard(self.pid)
        out, err = (path.read_text("utf-8", "replace") for path in (self.out, self.err))
        return Typed(int(status), out, err, float(used))

    @property
    def is_running(self) -> bool:
        """Return whether it has not ended yet (Linux: proc(5))."""
        return "State:\tZ" not in Path(f"/proc/{self.pid}/status").read_text()


class Typist:
    """Types commands after the `imports` (MODULE or MODULE:FUNCTION); closed by :meth:`close`."""

    def __init__(self, folder: Path, *, imports: tuple[str, ...] = LIGHT, **environment: str) -> None:
        self.folder, self.imports, self.environment = folder, imports, environment
        self.process: subprocess.Popen[str] | None = None
        self.running: set[int] = set()
        self.count = itertools.count()

    def __call__(self, *arguments: str, cwd: Path, closed: tuple[int, ...] = (), **environment: str) -> Typed:
        """Run ``python -m ARGUMENTS``, or the script that they begin with, in the folder `cwd`.

        Standard streams that are `closed` (1: output, 2: errors) are pipes whose other end has been closed.
        """
        return self.start(*arguments, cwd=cwd, closed=closed, **environment).wait()

    def start(self, *arguments: str, cwd: Path, closed: tuple[int, ...] = (), **environment: str) -> Started:
        """Start a command as :meth:`__call__` does, and return at once."""
        number = next(self.count)
        out, err = self.folder / f"{number}.out", self.folder / f"{number}.err"
        for path in (out, err):  # to be read from the start
            path.touch()
        places = {"cwd": str(cwd), "out": str(out), "err": str(err)}
        pid = int(self.ask({"argv": arguments, "env": environment, "closed": closed, **places}))
        self.running.add(pid)
        return Started(self, pid, out, err)

    def close(self) -> None:
        """End the process."""
        if self.process is not None:
            assert self.process.stdin is not None
            self.process.stdin.close()
            self.process.wait(timeout=60)

    def kill(self) -> None:
        """End the process and the commands that it runs."""
        for pid in [*self.running, *([self.process.pid] if self.process else [])]:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(pid, signal.SIGKILL)
        if self.process is not None:
            self.process.wait(timeout=60)
        self.process, self.running = None, set()

    def ask(self, order: object) -> str:
        """Return the line by which the process answers `order`."""
        try:
            self.process = self.process or subprocess.Popen(
                [sys.executable, "-m", "tests.typist", *self.imports], cwd=PROJECT, text=True, start_new_session=True,
                env=_as_users_have_it() | self.environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            )  # fmt: skip
            assert self.process.stdin is not None
            assert self.process.stdout is not None
            self.process.stdin.write(json.dumps(order) + "\n")
            self.process.stdin.flush()
            return self.process.stdout.readline()
        except BaseException:  # a test that took too long, among others: its command must not meet the next one
            self.kill()
            raise


_SET_BY_THAW = {"HYDRA_FULL_ERROR", "KERAS_BACKEND", "PYTHONUNBUFFERED"}


def _as_users_have_it() -> dict[str, str]:
    """The environment without what Thaw itself sets when a command runs in this process."""
    return {name: value for name, value in os.environ.items() if name not in _SET_BY_THAW}


def _serve() -> None:
    """Take orders, a line of JSON each, and answer with process ids, or with exit statuses and seconds."""
    for item in sys.argv[1:]:
        module, _, function = item.partition(":")
        imported = importlib.import_module(module)
        if function:
            getattr(imported, function)()
    for line in sys.stdin:
        order = json.loads(line)
        if "wait" in order:
            print(*_ended(**order), flush=True)
            continue
        child = os.fork()
        if child == 0:
            os.setsid()
            _become(order)
            return
        print(child, flush=True)


def _ended(wait: int, seconds: float | None) -> tuple[int, float]:
    """Return the exit status of the process `wait`, killed after `seconds`, and the seconds that it used."""
    end = math.inf if seconds is None else time.monotonic() + seconds
    while True:
        pid, status, used = os.wait4(wait, 0 if end == math.inf else os.WNOHANG)
        if pid:
            return os.waitstatus_to_exitcode(status), used.ru_utime + used.ru_stime
        if time.monotonic() > end:
            os.killpg(wait, signal.SIGKILL)
            end = math.inf
        time.sleep(0.005)


def _become(order: dict[str, object]) -> None:
    """Run an order as the command that it is; its SystemExit or exception ends this process."""
    for path, number, flags in (
        (os.devnull, 0, os.O_RDONLY),
        (str(order["out"]), 1, os.O_WRONLY | os.O_CREAT | os.O_TRUNC),
        (str(order["err"]), 2, os.O_WRONLY | os.O_CREAT | os.O_TRUNC),
    ):
        opened = os.open(path, flags, 0o644)
        os.dup2(opened, number)
        os.close(opened)
    for stream in list(order["closed"]):  # type: ignore[call-overload]
        reading, writing = os.pipe()
        os.close(reading)
        os.dup2(writing, stream)
        os.close(writing)
    sys.stderr = os.fdopen(2, "w", 1, errors="backslashreplace", closefd=False)  # the old one may take it for a file
    os.chdir(str(order["cwd"]))
    os.environ |= {str(name): str(value) for name, value in dict(order["env"]).items()}  # type: ignore[call-overload]
    module, *arguments = list(order["argv"])  # type: ignore[call-overload]
    sys.argv = [module, *arguments]
    if module.endswith(".py"):
        runpy.run_path(module, run_name="__main__")
    else:
        runpy.run_module(module, run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    _serve()
