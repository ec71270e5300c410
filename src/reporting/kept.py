"""Figures that a trial left in the store, fetched while they are still at their place."""

import contextlib
import tempfile
from pathlib import Path

import mlflow
from mlflow.exceptions import MlflowException

from src.files import write_whole

_PNG = b"\x89PNG\r\n\x1a\n"


def fetch_figure(client: mlflow.MlflowClient, run_id: str, name: str, to: Path) -> bool:
    """Copy the artifact figures/NAME.png of a run to the file `to`; say whether it was there.

    Artifact places are stored absolute: those of runs made elsewhere, or before a folder was moved, may be gone.
    """
    with tempfile.TemporaryDirectory() as folder, contextlib.suppress(MlflowException, OSError):
        artifact = f"figures/{name}.png"
        if artifact not in {found.path for found in client.list_artifacts(run_id, "figures")}:
            return False
        content = Path(client.download_artifacts(run_id, artifact, folder)).read_bytes()
        if content.startswith(_PNG):
            write_whole(to, content)
            return True
    return False
