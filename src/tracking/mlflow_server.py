"""MLflow's server over PostgreSQL: both run in one folder, on this machine alone, and end together."""

import os
import secrets
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import psutil

from src.common.errors import ThawError
from src.common.files import atomic_write
from src.tracking.postgres import Cluster, last_line, running_cluster

HOST = "127.0.0.1"
_DRIVER = "+psycopg2"
PASSWORD = "MLFLOW_AUTH_ADMIN_PASSWORD"  # noqa: S105 - the variable's name
_SECRET = "MLFLOW_FLASK_SERVER_SECRET_KEY"  # noqa: S105
_STARTS_WITHIN = 120.0
_INDEX = "CREATE INDEX IF NOT EXISTS thaw_tags_value ON tags USING hash (value)"
"""Without it, a search for a trial's key reads that tag of every run."""
_AUTH = """[mlflow]
# Whoever has an account trains and labels in every experiment; only its owner and admin may delete one.
default_permission = EDIT
database_uri = {uri}
admin_username = admin
"""


@dataclass(frozen=True)
class ServerSettings:
    """The settings of MLflow's server.

    Attributes:
        folder: of the database, the artifacts and the logs.
        port: on 127.0.0.1; 0 takes a free one.
        artifacts: where artifacts are kept: a folder or a URI such as s3://BUCKET; None: in `folder`.
        needs_login: whether every request needs a user's name and password.
        workers: processes that answer requests.
    """

    folder: Path
    port: int = 0
    artifacts: str | None = None
    needs_login: bool = False
    workers: int = 2


@dataclass(frozen=True)
class StoreServer:
    """A running server: MLflow's process, whose group holds its workers, over a cluster of PostgreSQL."""

    uri: str
    process: "subprocess.Popen[bytes]"
    cluster: Cluster
    log: Path

    def wait(self) -> None:
        """Wait until one of the two ends.

        Raises:
            ThawError: that is so.
        """
        while True:
            if self.process.poll() is not None:
                raise ThawError(f"MLflow's server has ended: {last_line(self.log)}; see {self.log}")
            if self.cluster.process.poll() is not None:
                raise ThawError(f"PostgreSQL has ended: {last_line(self.cluster.log)}; see {self.cluster.log}")
            time.sleep(0.2)


@contextmanager
def store_server(settings: ServerSettings) -> Iterator[StoreServer]:
    """Run MLflow's server over a cluster of PostgreSQL in the folder of `settings`, until the block is left.

    Raises:
        ThawError: one of the two does not start.
    """
    settings.folder.mkdir(parents=True, exist_ok=True)
    with running_cluster(settings.folder) as cluster:
        cluster.make_databases(("mlflow", "auth"))
        with mlflow_server(settings, cluster) as server:
            yield server


@contextmanager
def mlflow_server(settings: ServerSettings, cluster: Cluster) -> Iterator[StoreServer]:
    """Run MLflow's server over a running `cluster` until the block is left.

    Raises:
        ThawError: it does not start.
    """
    port, log = settings.port or free_port(), settings.folder / "mlflow.log"
    artifacts = settings.artifacts or str((settings.folder / "artifacts").absolute())
    command = [
        sys.executable, "-m", "mlflow", "server", "--backend-store-uri", cluster.uri("mlflow", _DRIVER), "--host", HOST,
        "--artifacts-destination", artifacts, "--port", str(port), "--workers", str(settings.workers),
        "--uvicorn-opts", "--timeout-graceful-shutdown 5",
        *(("--app-name", "basic-auth") if settings.needs_login else ()),
    ]  # fmt: skip
    with log.open("wb") as messages:
        process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=messages, stderr=messages, start_new_session=True,
            env=_environment(settings, cluster),
        )  # fmt: skip
    try:
        server = StoreServer(f"http://{HOST}:{port}", process, cluster, log)
        _await_answer(server)
        cluster.execute("mlflow", _INDEX)
        yield server
    finally:
        _end_group(process)


def free_port() -> int:
    """Return a port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        return int(probe.getsockname()[1])


def _environment(settings: ServerSettings, cluster: Cluster) -> Mapping[str, str]:
    """Return the variables of MLflow's server: passwords come from this process' own, and stay there."""
    passed = {name: value for name, value in os.environ.items() if not name.startswith("MLFLOW_TRACKING_")}
    quiet = {"MLFLOW_DISABLE_TELEMETRY": "true", "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"}
    if not settings.needs_login:
        return passed | quiet
    if not passed.get(PASSWORD):
        raise ThawError(f"{PASSWORD} is not set: it is the password of the user admin, of 12 characters or more")
    users = settings.folder / "auth.ini"
    atomic_write(users, _AUTH.format(uri=cluster.uri("auth", _DRIVER)))
    return {_SECRET: secrets.token_hex(32)} | passed | quiet | {"MLFLOW_AUTH_CONFIG_PATH": str(users.absolute())}


def _await_answer(server: StoreServer) -> None:
    end = time.monotonic() + _STARTS_WITHIN
    while server.process.poll() is None and time.monotonic() < end:
        with suppress(OSError, urllib.error.URLError), urllib.request.urlopen(f"{server.uri}/health", timeout=2):  # noqa: S310
            return
        time.sleep(0.1)
    raise ThawError(f"MLflow's server does not start: {last_line(server.log)}; see {server.log}")


def _end_group(process: "subprocess.Popen[bytes]") -> None:
    """End the server and its workers, which answer what they were asked, within 10 s."""
    with suppress(psutil.NoSuchProcess, ProcessLookupError):
        workers = psutil.Process(process.pid).children(recursive=True)
        os.killpg(process.pid, signal.SIGTERM)
        psutil.wait_procs(workers, timeout=10)
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
