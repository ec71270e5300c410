"""Open the MLflow store: the project's own, or any server."""

import logging
import os
import re
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Literal, TypeVar
from urllib.parse import unquote, urlsplit

from src.common.errors import ThawError, one_line
from src.common.files import exclusive_lock, folder_name
from src.common.shell import shell_word
from src.config import TrackingConfig
from src.tracking.mlflow_internals import create_database

os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
os.environ.setdefault("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")
os.environ.setdefault("MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT", "true")
os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "2")
os.environ.setdefault("MLFLOW_HTTP_REQUEST_TIMEOUT", "30")

import mlflow
from mlflow.exceptions import MlflowException
from requests import RequestException

warnings.filterwarnings("ignore", message=".*Any type hint is inferred as AnyType")  # of MLflow's own type hints
for noisy in ("mlflow", "alembic"):
    logging.getLogger(noisy).setLevel(logging.CRITICAL)  # errors are raised, and reported once


# urllib3's words
_ABORTED = "Connection aborted"
_UNANSWERED = re.compile(
    rf"Max retries exceeded.*Caused by .*?(\[Errno -?\d+\] [^\")]+|timed out|{_ABORTED})|(Read timed out)"
)
_STATUS = re.compile(r"too many (\d{3}) error|failed with error code (\d{3})|^(\d{3}) (?:Client|Server) Error")
_REFUSED = {
    401: "it does not know the user or the password (401): set MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD",
    403: "the user may not do this (403): ask who administers the server",
}
_FAILS = "it fails (error {}): its log says why, a full disk or a database that is down; or a proxy before it does"
_WEB_PAGE = re.compile(r"<(!doctype|html)", re.IGNORECASE)
_FIRST_ANSWER = 8
"""Seconds."""
_DATABASES = ("sqlite", "postgresql", "mysql", "mssql")
_FILES = {"", "file", "sqlite"}
FAILURES = (MlflowException, RequestException)
"""What a call of a server raises: the tracking API's, and that of proxied artifacts."""

StoreKind = Literal["file", "database", "server"]
T = TypeVar("T")


def store_kind(uri: str) -> StoreKind:
    """Return whether a store is a file on this host, a database's server, or MLflow's, which may not answer.

    >>> store_kind("mlruns"), store_kind("postgresql+psycopg2://host/thaw"), store_kind("https://host")
    ('file', 'database', 'server')
    """
    scheme = urlsplit(uri).scheme
    return "file" if scheme in _FILES else "server" if scheme.startswith("http") else "database"


def sqlite_uri(path: Path) -> str:
    """Return the URI of a database file, with few characters encoded: MLflow does not always decode %XX."""
    return "sqlite:///" + str(path).replace("%", "%25").replace("?", "%3F")


def tracking_uri(config: TrackingConfig, project: Path) -> str:
    """Return `tracking.uri`, else MLFLOW_TRACKING_URI, else the project's own mlflow.db."""
    default = sqlite_uri(project / "mlflow.db")
    return config.uri or os.environ.get("MLFLOW_TRACKING_URI") or default


def how_to_compare(uri: str, project: Path) -> str:
    """Return the command or address that shows the store at `uri` in MLflow's UI."""
    if store_kind(uri) == "server":
        return public_uri(uri)
    if uri.startswith("sqlite") and _database_file(uri) == project / "mlflow.db":
        return "mlflow ui   (in the project's folder), then http://127.0.0.1:5000"
    return public_uri(f"mlflow ui --backend-store-uri {shell_word(uri)}")


def open_store(config: TrackingConfig, project: Path) -> tuple[mlflow.MlflowClient, str]:
    """Return a client of the store that `config` names and the id of its experiment; both are made if missing.

    Raises:
        ThawError: the server does not answer, the store cannot be written, or the experiment was deleted.
    """
    uri = tracking_uri(config, project)
    try:
        if urlsplit(uri).scheme == "sqlite":
            _create_database(uri, project)
        client = mlflow.MlflowClient(uri)
        with brief_calls(_FIRST_ANSWER):
            return client, over_new_connection(lambda: _experiment(client, config.experiment, uri, project))
    except ThawError:
        raise
    except Exception as error:  # drivers, parsers and servers fail in their own ways: this store is not to be had
        raise ThawError(f"MLflow at {public_uri(uri)}: {store_reason(error)}; set tracking.uri=") from error


def existing_store(uri: str | None, project: Path) -> mlflow.MlflowClient:
    """Return a client of the store `uri`, else MLFLOW_TRACKING_URI, else the project's own; make none.

    Raises:
        ThawError: there is none, or it does not answer.
    """
    store = uri or os.environ.get("MLFLOW_TRACKING_URI") or sqlite_uri(project / "mlflow.db")
    if urlsplit(store).scheme == "sqlite" and not _database_file(store).exists():
        raise ThawError(f"{public_uri(store)}: no such store; train first, or give --tracking-uri")
    try:
        client = mlflow.MlflowClient(store)
        with brief_calls(_FIRST_ANSWER):
            over_new_connection(lambda: client.search_experiments(max_results=1))
    except Exception as error:
        raise ThawError(f"MLflow at {public_uri(store)}: {store_reason(error)}; give --tracking-uri") from error
    return client


def store_option(client: mlflow.MlflowClient, project: Path) -> tuple[str, ...]:
    """Return the words that name a client's store to a command; none where the command finds it by itself."""
    default = os.environ.get("MLFLOW_TRACKING_URI") or sqlite_uri(project / "mlflow.db")
    return () if client.tracking_uri == default else ("--tracking-uri", public_uri(str(client.tracking_uri)))


@contextmanager
def as_default_store(client: mlflow.MlflowClient) -> Iterator[None]:
    """Make the store of `client` MLflow's default for the block: some of its calls find models in no other."""
    before = mlflow.get_tracking_uri()
    mlflow.set_tracking_uri(client.tracking_uri)
    try:
        yield
    finally:
        mlflow.set_tracking_uri(before)


@contextmanager
def brief_calls(seconds: int) -> Iterator[None]:
    """Let each call of a server in the block answer within `seconds`, without a second try."""
    limits = {"MLFLOW_HTTP_REQUEST_TIMEOUT": str(seconds), "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "0"}
    before = {name: os.environ[name] for name in limits}
    os.environ.update(limits)
    try:
        yield
    finally:
        os.environ.update(before)


def over_new_connection(call: Callable[[], T]) -> T:
    """Return what `call` returns; call again where the server closed the connection.

    A server closes connections that are idle for some seconds, also one that a client is about to use.
    """
    try:
        return call()
    except FAILURES as error:
        if _ABORTED not in str(error):
            raise
    return call()


@contextmanager
def refusals_as_errors() -> Iterator[None]:
    """Report in a line what a store refuses during the block.

    Raises:
        ThawError: in place of MLflow's own error.
    """
    try:
        yield
    except FAILURES as error:
        raise ThawError(f"MLflow fails: {store_reason(error)}; mend that and run it again") from error


def store_reason(error: BaseException) -> str:
    """Return the reason of a store's failure in one line, without SQL and passwords."""
    text = str(getattr(error, "strerror", None) or error or type(error).__name__)
    if unanswered := _UNANSWERED.search(text):
        return f"it does not answer ({unanswered[1] or 'timed out'})"
    status = next((int(number) for match in _STATUS.finditer(text) for number in match.groups() if number), 200)
    if status in _REFUSED or status >= 500:
        return _REFUSED.get(status, _FAILS.format(status))
    if _WEB_PAGE.search(text):
        return "what answers is a web page, as of a proxy or a login, and no MLflow server"
    plain = re.sub(r"^\(raised as a result of [^)]*\)", "", re.split(r"\[SQL:|\(Background", text)[0])
    return one_line(public_uri(plain), 300)


def _create_database(uri: str, project: Path) -> None:
    """Make the SQLite store once, under another name until it is whole: processes that start at once may not race."""
    path = _database_file(uri)
    if path.exists():
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    with exclusive_lock(path.with_name(f".{path.name}.lock")):
        if path.exists():
            return
        unfinished = path.with_name(path.name + ".unfinished")
        unfinished.write_bytes(b"")  # fails at once where SQLAlchemy would retry for minutes
        try:
            create_database(unfinished, sqlite_uri(unfinished), _artifact_root(uri, project))
            with unfinished.open("rb+") as file:
                os.fsync(file.fileno())
            unfinished.rename(path)
        except BaseException:
            unfinished.unlink(missing_ok=True)
            raise


def _database_file(uri: str) -> Path:
    return Path(unquote(uri.removeprefix("sqlite:///")))


def _artifact_root(uri: str, project: Path) -> str:
    """mlruns/ beside a SQLite file, as MLflow has it when it is started there; else the project's."""
    is_file = urlsplit(uri).scheme == "sqlite"
    beside = _database_file(uri).resolve().parent if is_file else project
    return (beside / "mlruns").as_uri()


def _experiment(client: mlflow.MlflowClient, name: str, uri: str, project: Path) -> str:
    experiment = client.get_experiment_by_name(name)
    if experiment is not None and experiment.lifecycle_stage == "deleted":
        raise ThawError(f"MLflow experiment {name!r} was deleted: restore it, or set tracking.experiment=")
    if experiment is not None and not experiment.experiment_id:
        raise ThawError(f"what answers at {public_uri(uri)} is no MLflow server; set tracking.uri=")
    if experiment is not None:
        return str(experiment.experiment_id)
    served = not uri.startswith(_DATABASES)  # a server knows its own place for artifacts
    root = None if served else f"{_artifact_root(uri, project)}/{folder_name(name)}"
    try:
        return str(client.create_experiment(name, artifact_location=root))
    except MlflowException:
        experiment = client.get_experiment_by_name(name)  # another process may just have made it
        if experiment is None:
            raise
        return str(experiment.experiment_id)


def public_uri(text: str) -> str:
    """Return `text` with dots in place of the password of a URI."""
    return re.sub(r"://([^:/@\s]+):[^@/\s]+@", r"://\1:…@", text)
