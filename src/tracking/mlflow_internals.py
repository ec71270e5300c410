"""All that Thaw uses of MLflow beyond its documented API; `tests/test_internals.py` says what an upgrade changed."""

import contextlib
import sqlite3
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import mlflow
    from mlflow.entities.metric import MetricWithRunId
    from mlflow.models import ModelSignature

_MOST_VALUES = 10**8
"""Of one metric of a study: more than any has."""


def create_database(path: Path, uri: str, artifact_root: str) -> None:
    """Make the SQLite store `uri` in the file `path`, which a crash of the system may leave damaged.

    A client makes one too, but puts the default experiment's files where it runs.
    """
    from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore

    with _without_flushes(path):
        SqlAlchemyStore(uri, artifact_root).engine.dispose()


@contextlib.contextmanager
def _without_flushes(path: Path) -> Iterator[None]:
    """Let new connections to the SQLite file `path` not wait for the disk: a new store has hundreds of commits."""
    from sqlalchemy import Engine, event

    def connected(connection: Any, _record: object) -> None:
        if isinstance(connection, sqlite3.Connection):
            ((_, _, file),) = connection.execute("PRAGMA database_list").fetchall()
            if Path(file) == path.resolve():
                connection.execute("PRAGMA synchronous=OFF")

    event.listen(Engine, "connect", connected)
    try:
        yield
    finally:
        event.remove(Engine, "connect", connected)


def delete_artifacts(client: "mlflow.MlflowClient", run_id: str, under: str) -> None:
    """Remove a run's files `under`, which a client can only add to; what a store does not delete, stays."""
    from mlflow.exceptions import MlflowException
    from mlflow.store.artifact.artifact_repository_registry import get_artifact_repository

    repository = get_artifact_repository(client.get_run(run_id).info.artifact_uri, tracking_uri=client.tracking_uri)
    with contextlib.suppress(NotImplementedError, MlflowException):
        repository.delete_artifacts(under)


def metric_histories(
    client: "mlflow.MlflowClient", run_ids: Sequence[str], name: str
) -> "list[MetricWithRunId] | None":
    """Return all values of a metric of many runs, by one query; None where the store has no such query.

    A client asks run by run, which takes half a minute for 500.
    """
    find = getattr(client._tracking_client.store, "get_metric_history_bulk", None)
    values: list[MetricWithRunId] | None = find(run_ids, name, _MOST_VALUES) if find else None
    return values


def without_enforcement(signature: "ModelSignature") -> "ModelSignature":
    """Return `signature` as that of a model that checks its own input: MLflow then hands it on as it is.

    MLflow makes a table of what a model of a column takes, and so refuses arrays.
    """
    signature._is_signature_from_type_hint = True
    return signature
