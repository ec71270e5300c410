"""The runs of trials in MLflow: the one that finished a trial key, and those whose process died."""

import time
from collections import defaultdict
from collections.abc import Callable, Container, Iterator, Mapping, Sequence
from enum import Flag, auto
from pathlib import Path
from typing import Any

import mlflow
from mlflow.entities import FileInfo, Metric, Param
from mlflow.entities import Run as FoundRun

from src.common.errors import one_line
from src.common.events import EventHandler, Warned
from src.common.metrics import METRICS
from src.tracking import schema
from src.tracking.locks import LockFolder, known_lock_folder
from src.tracking.mlflow_internals import metric_histories
from src.tracking.mlflow_run import TrialFacts, model_of, run_tags
from src.tracking.outbox import deliver_unsent

MODEL_FOLDER, _MODEL_DESCRIPTION = "model", "MLmodel"
FIGURES_FOLDER, LEARNING_CURVES = "figures", "curves.png"
_RUNNING = "attributes.status = 'RUNNING'"
_PER_EPOCH = (
    *(schema.of_split(schema.FIT, name) for name in ("loss", "accuracy")),
    *(schema.of_split(schema.VAL, name) for name in ("loss", *METRICS)),
    *schema.PER_EPOCH_ONLY,
)
_MOST_REPEATS = 100
"""Runs of one trial that are looked at, the last ones."""


class Artifact(Flag):
    """Files of a trial that are made on demand, from its checkpoint."""

    FIGURES = auto()
    MODEL = auto()


class TrialRuns:
    """The runs of trials in a store, in whichever experiment."""

    def __init__(self, client: mlflow.MlflowClient) -> None:
        self.client = client

    def finished(self, key: str, with_metric: str = "") -> FoundRun | None:
        """Return the run that finished the trial `key` last, if one has.

        `with_metric`: only a run that measured it, which one from before may lack; empty: any.
        """
        return next(iter(self._finished_runs(_finished(key), with_metric)), None)

    def finished_with_model(self, key: str, emit: EventHandler, with_metric: str = "") -> FoundRun | None:
        """Return the run that :meth:`finished` returns, of those whose model can be had; warn where all are gone."""
        kept = self._finished_runs(f"{_finished(key)} and tags.{schema.MODEL} = 'kept'", with_metric)
        run_with_model = next((run for run in kept if self._has_model(run)), None)
        if kept and run_with_model is None:
            name = f"{one_line(kept[0].info.run_name, 100)!r} ({kept[0].info.run_id})"
            emit(Warned(f"the model of the run {name} is not in {kept[0].info.artifact_uri} any more: making it again"))
        return run_with_model

    def artifacts(self, run: FoundRun) -> Artifact:
        """Return the files on demand that the store lists for a run."""
        has_model = schema.MODEL.read(run.data.tags) is not None and self._has_model(run)
        figures = Artifact.FIGURES if self._has_figures(run) else Artifact(0)
        return figures | Artifact.MODEL if has_model else figures

    def _has_figures(self, run: FoundRun) -> bool:
        try:
            names = {Path(entry.path).name for entry in self.client.list_artifacts(run.info.run_id, FIGURES_FOLDER)}
        except Exception:  # each kind of store has errors of its own
            return False
        return LEARNING_CURVES in names

    def _finished_runs(self, query: str, metric: str) -> list[FoundRun]:
        return [run for run in self._search(query, _MOST_REPEATS) if not metric or metric in run.data.metrics]

    def _has_model(self, run: FoundRun) -> bool:
        """Return whether the store lists the files of a run's model; any error means no."""
        try:
            list_folder = self._lister(run.info.run_id)
            entries = {entry.path: entry for entry in list_folder("")}
            folders = [entry.path for entry in entries.values() if entry.is_dir]
            below = [entry for folder in folders for entry in list_folder(folder)]
        except Exception:  # each kind of store has errors of its own
            return False
        files = {path: entry.file_size for path, entry in entries.items()} | {
            entry.path: entry.file_size for entry in below
        }
        return any(path.endswith(_MODEL_DESCRIPTION) for path in entries) and any(
            path.endswith(".keras") and size != 0 for path, size in files.items()
        )

    def _lister(self, run_id: str) -> Callable[[str], list[FileInfo]]:
        """Return what lists a folder of a run's model; runs of earlier versions have it among their own files."""
        model_id = model_of(self.client.get_run(run_id))
        if model_id:
            return lambda folder: list(self.client.list_logged_model_artifacts(model_id, folder or None))
        return lambda folder: list(self.client.list_artifacts(run_id, folder or MODEL_FOLDER))

    def summary(self, run: FoundRun) -> dict[str, Any]:
        """Return the run's summary.json from the store's own tables: artifacts may have been moved."""
        return {
            "run_id": run.info.run_id,
            schema.TRIAL_KEY.name: schema.TRIAL_KEY.read(run.data.tags),
            "status": run.info.status,
            schema.DATA_FINGERPRINT.name: schema.DATA_FINGERPRINT.read(run.data.tags),
            **run.data.metrics,
            "history": self.history(run.info.run_id, run.data.metrics),
        }

    def complete(self, run: FoundRun, facts: TrialFacts, metrics: Mapping[str, float]) -> None:
        """Log what a run of an earlier version, or one that others compare by fewer parameters, does not have.

        `metrics` are of its data, not of its training.
        """
        now, known = int(time.time() * 1000), run.data
        lacking = (
            [Metric(name, value, now, 0) for name, value in metrics.items() if name not in known.metrics],
            [Param(name, text) for name, text in facts.parameter_texts().items() if name not in known.params],
            run_tags({} if schema.CONFIGURATION.read(known.tags) else schema.CONFIGURATION.of(facts.configuration)),
        )
        if any(lacking):
            self.client.log_batch(run.info.run_id, *lacking)

    def history(self, run_id: str, metrics: Container[str] = _PER_EPOCH) -> list[dict[str, float]]:
        """Return what each epoch of a run left, in their order; `metrics`: the names of those that it has."""
        epochs: dict[int, dict[str, float]] = defaultdict(dict)
        for name in (name for name in _PER_EPOCH if name in metrics):
            for metric in self.client.get_metric_history(run_id, name):
                epochs[metric.step][name] = metric.value
        return _in_order(epochs)

    def histories(self, run_ids: Sequence[str]) -> Callable[[str, Container[str]], list[dict[str, float]]]:
        """Return :meth:`history` for many runs: a database is asked once a metric, other stores run by run."""
        epochs: dict[str, dict[int, dict[str, float]]] = defaultdict(lambda: defaultdict(dict))
        for name in _PER_EPOCH:
            recorded = metric_histories(self.client, run_ids, name)
            if recorded is None:
                return self.history
            for metric in recorded:
                epochs[metric.run_id][metric.step][name] = metric.value
        return lambda run_id, _: _in_order(epochs[run_id])

    def close_dead(self, lock_folder: LockFolder | None, mine: str = "") -> int:
        """Mark as KILLED what reads RUNNING though its process is gone; return how many.

        Whether a process is gone is known in `lock_folder`, and in every lock folder that a run names and that is still
        the same one. `mine` is the key that the caller has claimed in `lock_folder`: any other run of it is dead.
        """
        if lock_folder:
            deliver_unsent(self.client, lock_folder.unsent)  # a run's end may be among it
        return sum(self._close_if_dead(run, lock_folder, mine) for run in self._search(_RUNNING, 1000))

    def _close_if_dead(self, run: FoundRun, lock_folder: LockFolder | None, mine: str) -> bool:
        tags = run.data.tags
        key = schema.TRIAL_KEY.read(tags) or schema.STUDY_KEY.read(tags)
        lock_folder_id = schema.LOCK_FOLDER_ID.read(tags)
        is_here = lock_folder is not None and lock_folder.id == lock_folder_id
        where = lock_folder if is_here else known_lock_folder(schema.LOCK_FOLDER_PATH.read(tags) or "", lock_folder_id)
        if not key or where is None or (where.unsent / run.info.run_id).exists():
            return False
        if is_here and key == mine:
            return self._close(run.info.run_id)
        try:
            with where.lock_if_free(key) as is_free:
                return is_free and self._close(run.info.run_id)
        except OSError:  # a read-only folder does not say which processes live
            return False

    def _close(self, run_id: str) -> bool:
        """Close a run whose process is gone, unless it was closed since it was listed."""
        if self.client.get_run(run_id).info.status != "RUNNING":
            return False
        self.client.log_batch(run_id, tags=run_tags(schema.ERROR.of("its process ended without an error message")))
        self.client.set_terminated(run_id, "KILLED")
        return True

    def _search(self, query: str, most: int) -> list[FoundRun]:
        return list(
            self.client.search_runs(all_experiments(self.client), query, max_results=most, order_by=["start_time DESC"])
        )


def _in_order(epochs: Mapping[int, Mapping[str, float]]) -> list[dict[str, float]]:
    return [{**values, "epoch": epoch} for epoch, values in sorted(epochs.items())]


def _finished(key: str) -> str:
    return f"tags.{schema.TRIAL_KEY} = '{key}' and attributes.status = 'FINISHED'"


def all_experiments(client: mlflow.MlflowClient) -> list[str]:
    """Return the ids of every experiment of a store."""
    pages = all_pages(lambda token: client.search_experiments(page_token=token))
    return [experiment.experiment_id for experiment in pages]


def all_pages(search: Callable[[str | None], Any]) -> Iterator[Any]:
    """Yield what a search of MLflow finds, page by page; `search` is given the page's token."""
    page = search(None)
    yield from page
    while page.token:
        page = search(page.token)
        yield from page
