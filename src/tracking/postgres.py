"""A PostgreSQL cluster of its own in a folder, behind a socket that only its user may open: it needs no password."""

import os
import pwd
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from src.common.errors import ThawError, one_line

USER = "thaw"
_PROGRAMS = ("initdb", "postgres")
_DEBIAN = Path("/usr/lib/postgresql")
_UNPRIVILEGED = ("postgres", "nobody")
_STARTS_WITHIN = 60.0
"""Seconds: after a crash, PostgreSQL replays its log first."""


class Cluster:
    """A running cluster.

    Attributes:
        process: the postmaster.
        sockets: folder of its socket.
        log: what it says.
    """

    def __init__(self, process: "subprocess.Popen[bytes]", sockets: Path, log: Path) -> None:
        self.process, self.sockets, self.log = process, sockets, log

    def uri(self, database: str, driver: str = "") -> str:
        """Return the URI of a database, as PostgreSQL's tools read it; with `driver`, as SQLAlchemy does."""
        return f"postgresql{driver}://{USER}@/{database}?host={self.sockets}"

    def make_databases(self, names: Sequence[str]) -> None:
        """Make those of the databases `names` that are missing, once the cluster accepts connections.

        Raises:
            ThawError: it ends before it does.
        """
        with self._cursor("postgres") as cursor:
            for name in names:
                cursor.execute("SELECT 1 FROM pg_database WHERE datname = %s", (name,))
                if cursor.fetchone() is None:
                    cursor.execute(f'CREATE DATABASE "{name}"')

    def execute(self, database: str, statement: str) -> None:
        """Execute a statement in a database."""
        with self._cursor(database) as cursor:
            cursor.execute(statement)

    @contextmanager
    def _cursor(self, database: str) -> Iterator[Any]:
        """Yield a cursor whose statements take effect one by one."""
        connection = self._connection(database)
        connection.autocommit = True
        with closing(connection), connection.cursor() as cursor:
            yield cursor

    def _connection(self, database: str) -> Any:
        import psycopg2

        end = time.monotonic() + _STARTS_WITHIN
        while True:
            try:
                return psycopg2.connect(host=str(self.sockets), user=USER, dbname=database)
            except psycopg2.OperationalError as error:
                if self.process.poll() is not None or time.monotonic() > end:
                    raise ThawError(f"PostgreSQL does not start: {last_line(self.log)}; see {self.log}") from error
                time.sleep(0.05)


def check_installed() -> None:
    """Check that PostgreSQL and its driver are installed.

    Raises:
        ThawError: one is missing; the text says how to install it.
    """
    _programs()
    try:
        import psycopg2  # noqa: F401
    except ImportError as error:
        raise ThawError("PostgreSQL's driver is missing; install it: pip install -e .[server]") from error


@contextmanager
def running_cluster(folder: Path) -> Iterator[Cluster]:
    """Run the cluster of `folder`, which is made if it is missing; it is shut down when the block is left.

    PostgreSQL refuses to run as root, which runs it as the system's user postgres, or nobody.

    Raises:
        ThawError: PostgreSQL is not installed, may not use the folder, or runs there already.
    """
    check_installed()
    data, log = folder / "data", folder / "postgres.log"
    if not data.exists():
        _make(data)
    with TemporaryDirectory(prefix="thaw-") as sockets, log.open("wb") as messages:
        _hand_over(Path(sockets))
        command = [str(_programs() / "postgres"), "-D", str(data), "-k", sockets, "-c", "listen_addresses="]
        process: subprocess.Popen[bytes] = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=messages, stderr=messages, start_new_session=True, cwd="/",
            **_account(),
        )  # fmt: skip
        try:
            yield Cluster(process, Path(sockets), log)
        finally:
            _shut_down(process)


def last_line(log: Path) -> str:
    """Return the last line of a log that says what went wrong, else the last one."""
    lines = [line for line in log.read_text("utf-8", "replace").splitlines() if line.strip()]
    wrong = [line for line in lines if "FATAL" in line or "rror" in line]
    return one_line((wrong or lines or ["it says nothing"])[-1], 300)


def _make(data: Path) -> None:
    """Make a cluster under another name, and rename it once it is whole."""
    unfinished = data.with_name(data.name + ".unfinished")
    shutil.rmtree(unfinished, ignore_errors=True)
    unfinished.mkdir(mode=0o700, parents=True)
    _hand_over(unfinished)
    command = [
        str(_programs() / "initdb"),
        "-D",
        str(unfinished),
        "-U",
        USER,
        "--auth=trust",
        "--encoding=UTF8",
        "--locale=C",
    ]
    made = subprocess.run(command, capture_output=True, text=True, check=False, cwd="/", **_account())
    if made.returncode:
        said = [line for line in made.stderr.splitlines() if "error" in line or "FATAL" in line]
        raise ThawError(f"{data}: {one_line(' '.join(said) or made.stderr, 300)}; choose another folder: --folder")
    unfinished.rename(data)


def _programs() -> Path:
    """Return the folder of PostgreSQL's programs: on PATH, or where Debian has them, the latest version."""
    debian = sorted(_DEBIAN.glob("*/bin"), key=lambda folder: float(folder.parent.name), reverse=True)
    for path in (None, *map(str, debian)):
        programs = [shutil.which(program, path=path) for program in _PROGRAMS]
        if programs[0] and all(programs):
            return Path(programs[0]).parent
    raise ThawError("PostgreSQL is missing; install it: apt install postgresql")


def _account() -> dict[str, Any]:
    """Return the arguments of a subprocess by which root runs it as another user."""
    if os.geteuid():
        return {}
    names = {entry.pw_name: entry for entry in pwd.getpwall()}
    user = next(names[name] for name in _UNPRIVILEGED if name in names)
    return {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": []}


def _hand_over(folder: Path) -> None:
    """Make `folder` that of the user who runs PostgreSQL, and closed to others."""
    folder.chmod(0o700)
    if account := _account():
        os.chown(folder, account["user"], account["group"])


def _shut_down(process: "subprocess.Popen[bytes]") -> None:
    """End the cluster: connections are closed; one that does not end within 20 s is ended as by a crash."""
    for number in (signal.SIGINT, signal.SIGQUIT):
        process.send_signal(number)
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            continue
        return
    process.kill()
    process.wait()
