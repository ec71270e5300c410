"""A store's server as it is typed."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import psutil

from src.common.project import PROJECT


class TypedServer:
    """`python -m src.server` in a folder, until it is ended; `inside`: the words before it."""

    def __init__(self, folder: Path, *options: str, inside: tuple[str, ...] = (), **environment: str) -> None:
        place = ["--folder", str(folder), "--port", "0", "--workers", "1"]
        command = [*inside, sys.executable, "-m", "src.server", *place, *options]
        passed = {name: value for name, value in os.environ.items() if not name.startswith("MLFLOW_")}
        self.process = subprocess.Popen(
            command, cwd=PROJECT, env=passed | environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        assert self.process.stdout is not None
        said = dict(line.split(maxsplit=1) for line in (self.process.stdout.readline() for _ in range(3)) if line)
        self.uri, self.database = said.get("server", "").split(" ")[0], said.get("database", "").strip()
        self.started = psutil.Process(self.process.pid).children(recursive=True) if said else []

    def end(self, number: int = signal.SIGINT) -> str:
        """End it by a signal, and return what it printed on standard error once all that it started has ended."""
        self.process.send_signal(number)
        _, alive = psutil.wait_procs(self.started, timeout=40)
        assert not alive
        return self.process.communicate(timeout=40)[1]
