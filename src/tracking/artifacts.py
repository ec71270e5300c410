"""Files that a run left in the store, fetched while they are still at their place."""

from pathlib import Path
from tempfile import TemporaryDirectory

import mlflow
from mlflow.exceptions import MlflowException


def fetch(client: mlflow.MlflowClient, run_id: str, artifact: str) -> bytes | None:
    """Return the content of the file `artifact` of a run, or None where it cannot be had."""
    try:
        artifact_uri = client.get_run(run_id).info.artifact_uri
    except MlflowException:
        return None
    return fetch_from(client, artifact_uri, artifact)


def fetch_from(client: mlflow.MlflowClient, artifact_uri: str, artifact: str) -> bytes | None:
    """Return the content of the file `artifact` of the run whose artifacts are at `artifact_uri`, or None.

    Artifact places are stored absolute: those of runs made elsewhere, or before a folder was moved, may be gone.
    """
    uri = f"{artifact_uri}/{artifact}"
    try:
        with TemporaryDirectory() as folder:
            path = mlflow.artifacts.download_artifacts(uri, dst_path=folder, tracking_uri=client.tracking_uri)
            return Path(path).read_bytes()
    except Exception:  # each kind of store has errors of its own
        return None
