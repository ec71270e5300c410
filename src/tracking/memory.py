"""What MLflow remembers of trials: the run that answers a key, and the runs whose process died."""

import time
from collections import defaultdict
from collections.abc import Mapping
from typing import Any

import mlflow
from mlflow.entities import Metric, RunTag
from mlflow.entities import Run as FoundRun

from src.metrics import METRICS
from src.tracking.workplace import Workplace

KEY_TAG, STUDY_KEY_TAG, WORKPLACE_TAG, MODEL_TAG = "trial_key", "study_key", "workplace", "model"
_PER_EPOCH = ("fit/loss", "fit/accuracy", "val/loss", *(f"val/{name}" for name in METRICS), "learning_rate", "phase")
_MOST_REPEATS = 100
"""Runs of one trial that are looked at, the last ones."""


class TrialMemory:
    """The finished runs of a store, in whichever experiment, by trial key."""

    def __init__(self, client: mlflow.MlflowClient) -> None:
        self.client = client

    def finished(self, key: str, *, with_model: bool, with_metric: str = "") -> FoundRun | None:
        """Return the run that finished the trial `key` last, if one has.

        Args:
            key: the trial's.
            with_model: only a run that kept its model.
            with_metric: only a run that measured this metric, which one from before may lack; empty: any.
        """
        model = f" and tags.{MODEL_TAG} = 'kept'" if with_model else ""
        found = self._search(f"tags.{KEY_TAG} = '{key}' and attributes.status = 'FINISHED'{model}", _MOST_REPEATS)
        return next((run for run in found if not with_metric or with_metric in run.data.metrics), None)

    def summary(self, run: FoundRun) -> dict[str, Any]:
        """What the run's summary.json held, out of the store's own tables: artifacts may have been moved."""
        return {
            "run_id": run.info.run_id,
            "trial_key": run.data.tags[KEY_TAG],
            "status": run.info.status,
            "data_fingerprint": run.data.tags.get("data_fingerprint"),
            **run.data.metrics,
            "history": self.history(run),
        }

    def complete(self, run: FoundRun, metrics: Mapping[str, float]) -> None:
        """Log those of `metrics` that a run from before does not have: facts of its data, not of its training."""
        lacking = [Metric(name, value, int(time.time() * 1000), 0) for name, value in metrics.items()]
        lacking = [metric for metric in lacking if metric.key not in run.data.metrics]
        if lacking:
            self.client.log_batch(run.info.run_id, metrics=lacking)

    def history(self, run: FoundRun) -> list[dict[str, float]]:
        """Return what each epoch of a run left, in their order."""
        epochs: dict[int, dict[str, float]] = defaultdict(dict)
        for name in (each for each in _PER_EPOCH if each in run.data.metrics):
            for metric in self.client.get_metric_history(run.info.run_id, name):
                epochs[metric.step][name] = metric.value
        return [values | {"epoch": epoch} for epoch, values in sorted(epochs.items())]

    def close_dead(self, workplace: Workplace, mine: str = "") -> int:
        """Mark as KILLED what reads RUNNING though its process, once of this workplace, is gone; return how many.

        `mine` is the key that the caller has claimed: any other run of it is dead.
        """
        query = f"tags.{WORKPLACE_TAG} = '{workplace.id}' and attributes.status = 'RUNNING'"
        return sum(self._close_if_dead(run, workplace, mine) for run in self._search(query, 1000))

    def _close_if_dead(self, run: FoundRun, workplace: Workplace, mine: str) -> bool:
        key = run.data.tags.get(KEY_TAG) or run.data.tags.get(STUDY_KEY_TAG)
        if not key:
            return False
        if key == mine:
            return self._close(run.info.run_id)
        with workplace.claim_if_free(key) as is_free:
            return is_free and self._close(run.info.run_id)

    def _close(self, run_id: str) -> bool:
        """Close a run that nobody works on, unless it was closed since it was listed."""
        if self.client.get_run(run_id).info.status != "RUNNING":
            return False
        self.client.log_batch(run_id, tags=[RunTag("error", "its process ended without a word")])
        self.client.set_terminated(run_id, "KILLED")
        return True

    def _search(self, query: str, most: int) -> list[FoundRun]:
        return list(
            self.client.search_runs(all_experiments(self.client), query, max_results=most, order_by=["start_time DESC"])
        )


def all_experiments(client: mlflow.MlflowClient) -> list[str]:
    """The ids of every experiment of a store."""
    found: list[str] = []
    token = None
    while True:
        page = client.search_experiments(page_token=token)
        found += [each.experiment_id for each in page]
        token = page.token
        if not token:
            return found
