"""The configuration of a run's trial, read from the store."""

from collections.abc import Mapping

import mlflow
import yaml
from mlflow.entities import Run as FoundRun

from src.common.errors import ThawError
from src.config import TrialConfig, parse
from src.tracking.artifacts import fetch


def logged_configuration(client: mlflow.MlflowClient, run: FoundRun) -> TrialConfig:
    """Return the configuration of a run's trial, without its store and its threads, which are of another process.

    Raises:
        ThawError: its file is gone, or is of an earlier version.
    """
    content = fetch(client, run.info.run_id, "config.yaml")
    plain = yaml.safe_load(content) if content else None
    if not isinstance(plain, Mapping):
        raise ThawError(f"run {run.info.run_id}: its config.yaml cannot be had; its images are not known")
    tracking = {**plain.get("tracking", {}), "uri": None}
    runtime = {**plain.get("runtime", {}), "threads": None}
    return parse({**plain, "tracking": tracking, "runtime": runtime})
