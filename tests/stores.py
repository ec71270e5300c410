"""What a store holds."""

from pathlib import Path

import mlflow
from mlflow.entities import Run


def client_in(folder: Path) -> mlflow.MlflowClient:
    """The client of the store that a folder holds."""
    return mlflow.MlflowClient(f"sqlite:///{folder}/mlflow.db")


def runs_of(client: mlflow.MlflowClient, query: str = "") -> list[Run]:
    """The runs of all experiments that match, as MLflow's search understands `query`."""
    experiments = [each.experiment_id for each in client.search_experiments()]
    return list(client.search_runs(experiments, query, max_results=5000))
