"""Where runs are kept: the project's own MLflow store, or any server."""

import logging
import os
from pathlib import Path
from urllib.parse import urlsplit

from filelock import FileLock

from src.config import TrackingConfig
from src.errors import ThawError, one_line

os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "2")
os.environ.setdefault("MLFLOW_HTTP_REQUEST_TIMEOUT", "30")

import mlflow
from mlflow.exceptions import MlflowException

for noisy in ("mlflow", "alembic"):
    logging.getLogger(noisy).setLevel(logging.WARNING)


_DATABASES = ("sqlite", "postgresql", "mysql", "mssql")


def tracking_uri(config: TrackingConfig, project: Path) -> str:
    """`tracking.uri`, else MLFLOW_TRACKING_URI, else the project's own mlflow.db."""
    own = f"sqlite:///{project / 'mlflow.db'}"
    return config.uri or os.environ.get("MLFLOW_TRACKING_URI") or own


def open_store(config: TrackingConfig, project: Path) -> tuple[mlflow.MlflowClient, str]:
    """A client of the store that `config` names, and the id of its experiment, made where they were missing.

    Raises:
        ThawError: the server does not answer, the store cannot be written, or the experiment was deleted.
    """
    uri = tracking_uri(config, project)
    try:
        if urlsplit(uri).scheme == "sqlite":
            _create_database(uri, project)
        client = mlflow.MlflowClient(uri)
        return client, _experiment(client, config.experiment, uri, project)
    except MlflowException as error:
        raise ThawError(f"MLflow at {_without_password(uri)}: {one_line(error, 300)}; set tracking.uri=") from error
    except OSError as error:
        raise ThawError(f"MLflow at {_without_password(uri)}: {error.strerror or error}; set tracking.uri=") from error


def _create_database(uri: str, project: Path) -> None:
    """Make the SQLite store once, under another name until it is whole: processes that start at once may not race."""
    path = Path(uri.removeprefix("sqlite:///"))
    if path.exists():
        return
    from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore

    path.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(path.with_name(f".{path.name}.lock")):
        if path.exists():
            return
        unfinished = path.with_name(path.name + ".unfinished")
        unfinished.unlink(missing_ok=True)
        SqlAlchemyStore(f"sqlite:///{unfinished}", _artifact_root(uri, project)).engine.dispose()
        unfinished.rename(path)


def _artifact_root(uri: str, project: Path) -> str:
    """mlruns/ beside a SQLite file, as MLflow has it when it is started there; else the project's."""
    is_file = urlsplit(uri).scheme == "sqlite"
    beside = Path(uri.removeprefix("sqlite:///")).resolve().parent if is_file else project
    return (beside / "mlruns").as_uri()


def _experiment(client: mlflow.MlflowClient, name: str, uri: str, project: Path) -> str:
    found = client.get_experiment_by_name(name)
    if found is not None and found.lifecycle_stage == "deleted":
        raise ThawError(f"MLflow experiment {name!r} was deleted: restore it, or set tracking.experiment=")
    if found is not None:
        return str(found.experiment_id)
    served = not uri.startswith(_DATABASES)  # a server knows its own place for artifacts
    root = None if served else f"{_artifact_root(uri, project)}/{_folder_name(name)}"
    try:
        return str(client.create_experiment(name, artifact_location=root))
    except MlflowException:
        found = client.get_experiment_by_name(name)  # another process may just have made it
        if found is None:
            raise
        return str(found.experiment_id)


def _folder_name(experiment: str) -> str:
    """A folder for any experiment's name: MLflow takes names that no file system does."""
    return "".join(c if c.isalnum() or c in "-_" else f"%{ord(c):x}" for c in experiment)[:120]


def _without_password(uri: str) -> str:
    parts = urlsplit(uri)
    return uri.replace(f":{parts.password}@", ":…@") if parts.password else uri
