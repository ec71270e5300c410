"""A process that types commands: what is slow to import is imported once, and each command is a fork of it.

Each command has its own folder, arguments, standard streams, signals and exit status, as in a shell.
"""

import json
import os
import runpy
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from src.common.project import PROJECT


@dataclass(frozen=True)
class Typed:
    """What came of a command."""

    status: int
    out: str
    err: str

    @property
    def said(self) -> str:
        """All that it printed."""
        return self.out + self.err


class Typist:
    """Types commands one after the other; closed by :meth:`close`."""

    def __init__(self, folder: Path, **environment: str) -> None:
        self.folder = folder
        self.process = subprocess.Popen(
            [sys.executable, "-m", "tests.typist"], cwd=PROJECT, env=_as_users_have_it() | environment, text=True,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE,
        )  # fmt: skip

    def __call__(self, *arguments: str, cwd: Path, **environment: str) -> Typed:
        """Run ``python -m ARGUMENTS`` in the folder `cwd`."""
        out, err = self.folder / "stdout", self.folder / "stderr"
        order = {"argv": arguments, "cwd": str(cwd), "env": environment, "out": str(out), "err": str(err)}
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(json.dumps(order) + "\n")
        self.process.stdin.flush()
        status = int(self.process.stdout.readline())
        return Typed(status, out.read_text("utf-8", "replace"), err.read_text("utf-8", "replace"))

    def close(self) -> None:
        """End the process."""
        assert self.process.stdin is not None
        self.process.stdin.close()
        self.process.wait(timeout=60)


def _as_users_have_it() -> dict[str, str]:
    """The environment without what Thaw itself sets when a command runs in this process."""
    return {name: value for name, value in os.environ.items() if name not in {"HYDRA_FULL_ERROR", "KERAS_BACKEND"}}


def _serve() -> None:
    """Take orders, a line of JSON each, and answer with exit statuses."""

    from src.cli.composition import prepare

    prepare()  # reads Hydra's plugins; each command does it again, in a moment

    for line in sys.stdin:
        order = json.loads(line)
        child = os.fork()
        if child == 0:
            _become(order)
            return
        print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)


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
    os.chdir(str(order["cwd"]))
    os.environ |= {str(name): str(value) for name, value in dict(order["env"]).items()}  # type: ignore[call-overload]
    module, *arguments = list(order["argv"])  # type: ignore[call-overload]
    sys.argv = [module, *arguments]
    runpy.run_module(module, run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    _serve()
