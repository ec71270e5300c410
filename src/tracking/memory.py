"""What MLflow remembers of trials: the run that answers a key, and the runs whose process died."""

import contextlib
from collections import defaultdict
from typing import Any

import mlflow
from mlflow.entities import Run as FoundRun
from mlflow.entities import RunTag
from mlflow.exceptions import MlflowException

from src.tracking.workplace import Workplace

KEY_TAG, STUDY_KEY_TAG, WORKPLACE_TAG = "trial_key", "study_key", "workplace"
_PER_EPOCH = ("fit/loss", "fit/accuracy", "val/loss", "val/accuracy", "learning_rate", "phase")


class TrialMemory:
    """The finished runs of a store, in whichever experiment, by trial key."""

    def __init__(self, client: mlflow.MlflowClient) -> None:
        self.client = client

    def finished(self, key: str) -> FoundRun | None:
        """The run that first finished the trial `key`, if one has."""
        found = self._search(f"tags.{KEY_TAG} = '{key}' and attributes.status = 'FINISHED'", 1)
        return found[0] if found else None

    def summary(self, run: FoundRun) -> dict[str, Any]:
        """What the run's summary.json held, out of the store's own tables: artifacts may have been moved."""
        return {
            "run_id": run.info.run_id,
            "trial_key": run.data.tags[KEY_TAG],
            "status": run.info.status,
            "data_fingerprint": run.data.tags.get("data_fingerprint"),
            **run.data.metrics,
            "history": self.history(run.info.run_id),
        }

    def history(self, run_id: str) -> list[dict[str, float]]:
        """What each epoch of a run left, in their order."""
        epochs: dict[int, dict[str, float]] = defaultdict(dict)
        for name in _PER_EPOCH:
            for metric in self.client.get_metric_history(run_id, name):
                epochs[metric.step][name] = metric.value
        return [values | {"epoch": epoch} for epoch, values in sorted(epochs.items())]

    def close_dead(self, workplace: Workplace, mine: str = "") -> int:
        """Mark as KILLED what reads RUNNING though its process, once of this workplace, is gone; return how many.

        `mine` is the key that the caller has claimed: any other run of it is dead.
        """
        running = self._search(f"tags.{WORKPLACE_TAG} = '{workplace.id}' and attributes.status = 'RUNNING'", 1000)
        keys = {run.info.run_id: run.data.tags.get(KEY_TAG) or run.data.tags.get(STUDY_KEY_TAG) for run in running}
        dead = [run_id for run_id, key in keys.items() if key and (key == mine or workplace.is_free(key))]
        for run_id in dead:
            with contextlib.suppress(MlflowException):  # another process may close it at the same time
                self.client.log_batch(run_id, tags=[RunTag("error", "its process ended without a word")])
                self.client.set_terminated(run_id, "KILLED")
        return len(dead)

    def _search(self, query: str, most: int) -> list[FoundRun]:
        experiments = [found.experiment_id for found in self.client.search_experiments()]
        return list(self.client.search_runs(experiments, query, max_results=most, order_by=["start_time ASC"]))
