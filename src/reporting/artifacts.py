"""Files that a trial left in the store, fetched while they are still at their place."""

import contextlib
import tempfile
from pathlib import Path

import mlflow
from mlflow.exceptions import MlflowException


def fetch(client: mlflow.MlflowClient, run_id: str, artifact: str) -> bytes | None:
    """Return the content of the file `artifact` of a run, or None where it is not there.

    Artifact places are stored absolute: those of runs made elsewhere, or before a folder was moved, may be gone.
    """
    with tempfile.TemporaryDirectory() as folder, contextlib.suppress(MlflowException, OSError):
        if artifact in {found.path for found in client.list_artifacts(run_id, str(Path(artifact).parent))}:
            return Path(client.download_artifacts(run_id, artifact, folder)).read_bytes()
    return None
