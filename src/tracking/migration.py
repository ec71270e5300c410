"""Move the runs of one MLflow store to another, with all that they hold, and compare both sides.

A new run has an id of its own. So runs are made first, each with the id of its original, and then filled: wherever a
tag or a text names a run or a model that moves too, it gets the new id. What is interrupted goes on where it ended.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from hashlib import blake2b
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import mlflow
from mlflow.entities import LoggedModel, LoggedModelOutput, Metric, Param
from mlflow.entities import Run as FoundRun

from src.common.events import EventHandler, Noted, Warned
from src.common.predictions import join_trials, pack, split_trials, unpack
from src.tracking import schema
from src.tracking.mlflow_run import model_of, run_tags
from src.tracking.mlflow_store import as_default_store
from src.tracking.trial_runs import TrialRuns, all_experiments, all_pages

_ID = re.compile(rb"\b(?:m-)?[0-9a-f]{32}\b")
_FURTHER = re.compile(r"\.\d+$")
_MOST_METRICS, _MOST_OTHERS = 900, 90
"""A call: below MLflow's limits, of 100 parameters, 100 tags and 1,000 in all."""

_REPORTED_EVERY = 50
_MARKS = (schema.MIGRATED_FROM.name, schema.MIGRATED.name)
Facts = dict[str, Any]


def migrate(source: mlflow.MlflowClient, target: mlflow.MlflowClient, emit: EventHandler) -> list[str]:
    """Copy every run of `source` that has ended to `target`, and return what differs then, a line each."""
    runs = _ended_runs(source, emit)
    copies = _made(source, target, runs)
    models = {run.info.run_id: _made_model(source, target, run, copies) for run in runs if model_of(run)}
    renaming = Renaming.of(copies, list(models.values()))
    for number, run in enumerate(runs, 1):
        new = target.get_run(copies[run.info.run_id])
        if not schema.MIGRATED.read(new.data.tags):
            _Copy(source, target, run, new, models.get(run.info.run_id), renaming).fill()
        if number % _REPORTED_EVERY == 0 or number == len(runs):
            emit(Noted(f"{number} of {len(runs)} runs copied"))
    return [
        f"run {run.info.run_id}, now {copies[run.info.run_id]}: {difference}"
        for run in runs
        for difference in _differences(
            _facts(source, run, renaming), _facts(target, target.get_run(copies[run.info.run_id]), Renaming())
        )
    ]


@dataclass(frozen=True)
class Renaming:
    """The ids of copies by those of their originals, and the places of models' files."""

    ids: Mapping[bytes, bytes] = field(default_factory=dict)
    places: Mapping[bytes, bytes] = field(default_factory=dict)

    @classmethod
    def of(cls, copies: Mapping[str, str], models: Sequence[tuple[LoggedModel, LoggedModel]]) -> "Renaming":
        """Return that of runs and of their models, each the original and its copy."""
        ids = {**copies, **{old.model_id: new.model_id for old, new in models}}
        places = {old.artifact_location: new.artifact_location for old, new in models}
        return cls(*({a.encode(): b.encode() for a, b in names.items()} for names in (ids, places)))

    def text(self, content: bytes) -> bytes:
        """Return a text that names copies in place of their originals."""
        for old, new in self.places.items():
            content = content.replace(old, new)
        return _ID.sub(lambda match: self.ids.get(match[0], match[0]), content)

    def file(self, content: bytes) -> bytes:
        """Return the content of a file, a text or the predictions of a study's trials, that names copies."""
        arrays = unpack(content) if content.startswith(b"PK") else None
        if trials := split_trials(arrays or {}):
            return pack(join_trials({self.text(name.encode()).decode(): trial for name, trial in trials.items()}))
        try:
            content.decode("utf-8")
        except UnicodeDecodeError:
            return content
        return self.text(content)

    def tags(self, tags: Mapping[str, str]) -> dict[str, str]:
        """Return tags that name copies; a text that goes on in further tags is taken as a whole."""
        renamed = dict(tags)
        for name in tags:
            if _FURTHER.search(name) and _FURTHER.sub("", name) in tags:
                continue
            pieces = [name, *(f"{name}.{number}" for number in range(1, len(tags)) if f"{name}.{number}" in tags)]
            text = self.text("".join(tags[piece] for piece in pieces).encode()).decode()
            for piece in pieces:  # ids are equally long
                renamed[piece], text = text[: len(tags[piece])], text[len(tags[piece]) :]
        return renamed


@dataclass(frozen=True)
class _Copy:
    """The copying of a run's content; `models`: the original of its model and the copy."""

    source: mlflow.MlflowClient
    target: mlflow.MlflowClient
    old: FoundRun
    new: FoundRun
    models: tuple[LoggedModel, LoggedModel] | None
    renaming: Renaming

    def fill(self) -> None:
        """Copy everything, the status and the mark of a complete copy last."""
        run_id, info = self.new.info.run_id, self.old.info
        self._log()
        if self.old.inputs and self.old.inputs.dataset_inputs:
            self.target.log_inputs(run_id, self.old.inputs.dataset_inputs)
        with _files(self.source, self.old, self.renaming) as folder:
            self.target.log_artifacts(run_id, str(folder))
        if self.models:
            self._fill_model(*self.models)
        self.target.set_terminated(run_id, info.status, info.end_time)
        self.target.log_batch(run_id, tags=run_tags(schema.MIGRATED.of(True)))

    def _log(self) -> None:
        run_id, of_model = self.new.info.run_id, self._model_metrics()
        metrics = [
            of_model.get((metric.key, metric.step, metric.timestamp), metric)
            for name in self.old.data.metrics
            for metric in self.source.get_metric_history(self.old.info.run_id, name)
        ]
        params = [Param(name, text) for name, text in self.old.data.params.items()]
        tags = run_tags(self.renaming.tags(self.old.data.tags))
        for part in _parts(metrics, _MOST_METRICS):
            self.target.log_batch(run_id, metrics=part)
        for part in _parts(params, _MOST_OTHERS):
            self.target.log_batch(run_id, params=part)
        for part in _parts(tags, _MOST_OTHERS):
            self.target.log_batch(run_id, tags=part)

    def _model_metrics(self) -> dict[tuple[str, int, int], Metric]:
        """Return the metrics that are the model's too, as those of its copy."""
        if self.models is None:
            return {}
        old, new = self.models
        copied = [
            Metric(it.key, it.value, it.timestamp, it.step, model_id=new.model_id, dataset_name=it.dataset_name,
                   dataset_digest=it.dataset_digest) for it in old.metrics or []
        ]  # fmt: skip
        return {(metric.key, metric.step, metric.timestamp): metric for metric in copied}

    def _fill_model(self, old: LoggedModel, new: LoggedModel) -> None:
        with _model_files(self.source, old, self.renaming) as folder:
            self.target.log_model_artifacts(new.model_id, str(folder))
        self.target.finalize_logged_model(new.model_id, str(old.status))
        if model_of(self.new) is None:
            self.target.log_outputs(self.new.info.run_id, [LoggedModelOutput(new.model_id, step=0)])


def _ended_runs(source: mlflow.MlflowClient, emit: EventHandler) -> list[FoundRun]:
    """Return the runs of a store that have ended, oldest first; those whose process died end now."""
    TrialRuns(source).close_dead(None)
    search, experiments = source.search_runs, all_experiments(source)
    runs = list(all_pages(lambda token: search(experiments, order_by=["start_time ASC"], page_token=token)))
    running = [run.info.run_id for run in runs if run.info.status == "RUNNING"]
    for run_id in running:
        emit(Warned(f"run {run_id} reads RUNNING and stays; migrate again once it has ended"))
    return [source.get_run(run.info.run_id) for run in runs if run.info.run_id not in running]


def _made(source: mlflow.MlflowClient, target: mlflow.MlflowClient, runs: Sequence[FoundRun]) -> dict[str, str]:
    """Return the id of each run's copy, by its own; those that are missing are made."""
    query = f"tags.{schema.MIGRATED_FROM} != ''"
    search, known = target.search_runs, all_experiments(target)
    made = all_pages(lambda token: search(known, query, page_token=token))
    copies = {str(schema.MIGRATED_FROM.read(run.data.tags)): str(run.info.run_id) for run in made}
    experiments = {number: _experiment(source, target, number) for number in {run.info.experiment_id for run in runs}}
    for run in runs:
        if run.info.run_id not in copies:
            mark, info = schema.MIGRATED_FROM.of(run.info.run_id), run.info
            new = target.create_run(experiments[info.experiment_id], info.start_time, mark, info.run_name)
            copies[info.run_id] = new.info.run_id
    return copies


def _experiment(source: mlflow.MlflowClient, target: mlflow.MlflowClient, number: str) -> str:
    """Return the id of the experiment in `target` that is called as `number` is in `source`; make it if missing."""
    name = source.get_experiment(number).name
    known = target.get_experiment_by_name(name)
    return str(known.experiment_id if known else target.create_experiment(name))


def _made_model(
    source: mlflow.MlflowClient, target: mlflow.MlflowClient, run: FoundRun, copies: Mapping[str, str]
) -> tuple[LoggedModel, LoggedModel]:
    """Return a run's model and its copy, which is made if it is missing."""
    old = source.get_logged_model(model_of(run))
    run_id = copies[run.info.run_id]
    experiment = target.get_run(run_id).info.experiment_id
    models = target.search_logged_models([experiment], f"source_run_id = '{run_id}'")
    if models:
        return old, models[0]
    return old, target.create_logged_model(experiment, old.name, run_id, old.tags, old.params, old.model_type)


@contextmanager
def _files(client: mlflow.MlflowClient, run: FoundRun, renaming: Renaming) -> Iterator[Path]:
    """Yield a folder of a run's files, as its copy holds them."""
    with TemporaryDirectory() as folder:
        if client.list_artifacts(run.info.run_id):
            client.download_artifacts(run.info.run_id, "", folder)
        yield _rewritten(Path(folder), renaming)


@contextmanager
def _model_files(client: mlflow.MlflowClient, model: LoggedModel, renaming: Renaming) -> Iterator[Path]:
    """Yield a folder of a model's files, as its copy holds them."""
    with TemporaryDirectory() as folder:
        if client.list_logged_model_artifacts(model.model_id):
            with as_default_store(client):
                mlflow.artifacts.download_artifacts(f"models:/{model.model_id}", dst_path=folder)
        yield _rewritten(Path(folder), renaming)


def _rewritten(folder: Path, renaming: Renaming) -> Path:
    for path in folder.rglob("*"):
        if path.is_file():
            path.write_bytes(renaming.file(path.read_bytes()))
    return folder


def _parts(values: Sequence[Any], most: int) -> Iterator[Sequence[Any]]:
    return (values[start : start + most] for start in range(0, len(values), most))


def _facts(client: mlflow.MlflowClient, run: FoundRun, renaming: Renaming) -> Facts:
    """Return all that a run holds, by what it is called in a message, as its copy holds it."""
    info, inputs = run.info, run.inputs.dataset_inputs if run.inputs else []
    tags = {name: text for name, text in renaming.tags(run.data.tags).items() if name not in _MARKS}
    facts = {
        "status": info.status, "name": info.run_name, "start": info.start_time, "end": info.end_time,
        "data": [(used.dataset.name, used.dataset.digest, used.dataset.source) for used in inputs],
        **{f"parameter {name}": text for name, text in run.data.params.items()},
        **{f"tag {name}": text for name, text in tags.items()},
        **{f"metric {name}": _history(client, info.run_id, name) for name in run.data.metrics},
    }  # fmt: skip
    with _files(client, run, renaming) as folder:
        facts |= _digests(folder, "file")
    return facts | (_model_facts(client, str(model_of(run)), renaming) if model_of(run) else {})


def _model_facts(client: mlflow.MlflowClient, model_id: str, renaming: Renaming) -> Facts:
    model = client.get_logged_model(model_id)
    metrics = sorted((it.key, it.step, it.timestamp, repr(it.value)) for it in model.metrics or [])
    with _model_files(client, model, renaming) as folder:
        files = _digests(folder, "the model's file")
    return {"the model's status": str(model.status), "the model's metrics": metrics, **files}


def _history(client: mlflow.MlflowClient, run_id: str, name: str) -> list[tuple[int, int, str]]:
    return sorted((it.step, it.timestamp, repr(it.value)) for it in client.get_metric_history(run_id, name))


def _digests(folder: Path, kind: str) -> Facts:
    files = (path for path in folder.rglob("*") if path.is_file())
    return {f"{kind} {path.relative_to(folder)}": blake2b(path.read_bytes()).digest() for path in files}


def _differences(old: Facts, new: Facts) -> list[str]:
    """Return what two runs differ in, in words."""
    lost = [f"{what} is missing" for what in old if what not in new]
    more = [f"{what} is only in the copy" for what in new if what not in old]
    return [*lost, *more, *(f"{what} differs" for what in old if what in new and old[what] != new[what])]
