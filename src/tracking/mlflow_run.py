"""One MLflow run: what a trial was, what it measured epoch by epoch, and how it ended."""

import contextlib
import json
import time
import traceback
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

import mlflow
import yaml
from mlflow.entities import Dataset as DatasetEntity
from mlflow.entities import (
    DatasetInput,
    InputTag,
    LoggedModel,
    LoggedModelOutput,
    LoggedModelStatus,
    Metric,
    Param,
    RunTag,
)
from mlflow.entities import Run as FoundRun
from mlflow.exceptions import MlflowException
from requests import RequestException

from src.common.errors import Interrupted, ThawError, one_line
from src.common.events import EventHandler, ignore
from src.config import TrialConfig
from src.data.dataset import Dataset
from src.tracking import schema
from src.tracking.idle_keys import Value
from src.tracking.mlflow_store import store_reason
from src.tracking.outbox import Batch, End, Files, Outbox, Text
from src.tracking.schema import encodable

_LONGEST_PARAMETER = 500
_MOST_METRICS = 1000
"""A call: MLflow's limit."""

_FLUSH_SECONDS = 1.0


@dataclass(frozen=True)
class TrialFacts:
    """A trial's configuration as its run holds it.

    Attributes:
        configuration: every key that the trial reads, with its value.
        parameters: what MLflow compares runs by.
    """

    configuration: Mapping[str, Value] = field(default_factory=dict)
    parameters: Mapping[str, Value] = field(default_factory=dict)

    def parameter_texts(self) -> dict[str, str]:
        """Return the parameters as MLflow keeps them."""
        return {name: encodable(as_text(value))[:_LONGEST_PARAMETER] for name, value in self.parameters.items()}


def as_text(value: Value) -> str:
    """Return a setting as YAML has it."""
    return value if isinstance(value, str) else json.dumps(value)


def run_tags(tags: Mapping[str, str]) -> list[RunTag]:
    """Return `tags` as MLflow takes them."""
    return [RunTag(name, text) for name, text in tags.items()]


class Run:
    """An open run. Metrics and tags wait for each other: a call takes the store as long as a short epoch trains."""

    def __init__(
        self, client: mlflow.MlflowClient, experiment_id: str, run_id: str, data: DatasetEntity | None = None,
        model: LoggedModel | None = None, outbox: Outbox | None = None,
    ) -> None:  # fmt: skip
        self.client = client
        self.experiment_id = experiment_id
        self.run_id = run_id
        self._metrics: list[Metric] = []
        self._tags: dict[str, str] = {}
        self._flushed = time.monotonic()
        self._data, self._model = data, model
        self._lacks_files = False
        self.outbox = outbox or Outbox(client, run_id, None)

    @classmethod
    def finished(cls, client: mlflow.MlflowClient, ended: FoundRun) -> Self:
        """Return a run that has ended, to be given more files; `ended` is as `MlflowClient.get_run` returns it."""
        data = next((used.dataset for used in ended.inputs.dataset_inputs), None) if ended.inputs else None
        model_id = model_of(ended)
        model = client.get_logged_model(model_id) if model_id else None
        return cls(client, ended.info.experiment_id, ended.info.run_id, data, model)

    def describe(self, facts: TrialFacts, dataset: Dataset, tags: Mapping[str, str]) -> None:
        """Log the trial's configuration, the data as the run's input, and `tags`."""
        logged = [Param(name, text) for name, text in facts.parameter_texts().items()]
        configuration = schema.CONFIGURATION.of(facts.configuration)
        self.client.log_batch(self.run_id, params=logged, tags=run_tags({**configuration, **tags}))
        counts = {split: int(dataset.splits[split].size) for split in ("train", "val", "test")}
        entity = DatasetEntity(
            name=one_line(Path(dataset.source).name, 100), digest=dataset.fingerprint[:36], source_type="local",
            source=json.dumps({"uri": encodable(dataset.source)}),
            profile=json.dumps(counts | {"classes": len(dataset.class_names)}),
        )  # fmt: skip
        self._data = entity
        used = [DatasetInput(entity, [InputTag("mlflow.data.context", "training")])]
        try:
            self.client.log_inputs(self.run_id, used)
        except MlflowException:  # two processes made the data set's row at once; now it is there
            self.client.log_inputs(self.run_id, used)

    def metrics(self, values: Mapping[str, float], step: int) -> None:
        """Log `values` at `step` (an epoch over all phases), within a second or with what comes next.

        Once the run has a model, they are the model's too, measured on the run's data.
        """
        now = int(time.time() * 1000)
        self._metrics += [Metric(name, value, now, step, **self._of_model()) for name, value in values.items()]
        self._flush_if_due()

    def share_metrics(self, names: Iterable[str]) -> None:
        """Make the metrics `names` of a run that has ended its model's too, with their time and step."""
        last = [self.client.get_metric_history(self.run_id, name)[-1] for name in names]
        self._metrics += [Metric(it.key, it.value, it.timestamp, it.step, **self._of_model()) for it in last]

    def _of_model(self) -> dict[str, str]:
        data = {"dataset_name": self._data.name, "dataset_digest": self._data.digest} if self._data else {}
        return {} if self._model is None else {"model_id": self._model.model_id, **data}

    def new_model(self, name: str) -> LoggedModel:
        """Return the run's model, a new one if it has none, which is to be given its files by :meth:`keep_model`."""
        if self._model is None:
            run = self.client.get_run(self.run_id)
            self._model = self.client.create_logged_model(self.experiment_id, name, self.run_id, params=run.data.params)
            self._lacks_files = True
        return self._model

    def keep_model(self, model: LoggedModel, folder: Path) -> None:
        """Keep the files of `folder` as those of `model`."""
        with self._artifacts_kept():
            self.client.log_model_artifacts(model.model_id, str(folder))
        self.client.finalize_logged_model(model.model_id, LoggedModelStatus.READY)
        if self._lacks_files:
            self.client.log_outputs(self.run_id, [LoggedModelOutput(model.model_id, step=0)])
        self._lacks_files = False

    @contextlib.contextmanager
    def model_kept(self) -> Iterator[None]:
        """Let a model be made and kept in the block; where a server does not answer, the run goes on without one."""
        again = f"the run has no model; once MLflow answers: python -m src.render runs:/{self.run_id}"
        with self.outbox.tolerance(again):
            yield
            self.tags(schema.MODEL.of("kept"))

    def fail_model(self) -> None:
        """Mark the run's model as FAILED where it was not given its files."""
        if self._model is not None and self._lacks_files:
            self.client.finalize_logged_model(self._model.model_id, LoggedModelStatus.FAILED)

    def tags(self, tags: Mapping[str, str]) -> None:
        """Set `tags`, within a second or with what comes next."""
        self._tags |= tags
        self._flush_if_due()

    def flush(self) -> None:
        """Log what waits, in as few calls as the store takes."""
        metrics, tags, self._metrics, self._tags = self._metrics, self._tags, [], {}
        for first in range(0, max(len(metrics), bool(tags)), _MOST_METRICS):
            self.outbox.send(Batch(tuple(metrics[first : first + _MOST_METRICS]), {} if first else tags))
        self._flushed = time.monotonic()

    def _flush_if_due(self) -> None:
        if time.monotonic() - self._flushed >= _FLUSH_SECONDS:
            self.flush()

    def text(self, text: str, name: str) -> None:
        """Keep `text` as the artifact `name`."""
        with self._artifacts_kept():
            self.outbox.send(Text(encodable(text), name))

    def files(self, folder: Path, under: str | None = None) -> None:
        """Keep all files of `folder` as artifacts."""
        with self._artifacts_kept():
            self.outbox.send(Files(folder, under))

    def end(self, status: str) -> None:
        """Set the run's status: FINISHED, FAILED or KILLED."""
        self.outbox.send(End(status, int(time.time() * 1000)))

    @contextlib.contextmanager
    def _artifacts_kept(self) -> Iterator[None]:
        """Name the artifacts' folder when they cannot be written: a full disk names no file, or the copied one."""
        try:
            yield
        except RequestException:  # an OSError too: the server's
            raise
        except OSError as error:
            artifact_uri = self.client.get_run(self.run_id).info.artifact_uri
            raise ThawError(f"MLflow's files cannot be kept in {artifact_uri}: {error.strerror or error}") from error


@contextlib.contextmanager
def started_run(
    client: mlflow.MlflowClient, experiment_id: str, name: str, started_ms: int, tags: Mapping[str, str],
    unsent: Path | None = None, emit: EventHandler = ignore,
) -> Iterator[Run]:  # fmt: skip
    """Open a run with `tags` that reads FINISHED, FAILED (with the error's text) or KILLED once the block is left.

    `unsent`: the folder of what a server that does not answer is to be given later; `emit` receives a warning then.
    """
    try:
        created = client.create_run(experiment_id, started_ms, dict(tags), name)
    except MlflowException as error:
        raise ThawError(f"MLflow takes no new run: {store_reason(error)}") from error
    run_id = created.info.run_id
    run = Run(client, experiment_id, run_id, outbox=Outbox(client, run_id, unsent, emit))
    try:
        yield run
        run.flush()
        run.end("FINISHED")
    except (Interrupted, KeyboardInterrupt) as stop:
        _close(run, "KILLED", one_line(stop))
        raise
    except BaseException as error:
        reported: BaseException = error
        if isinstance(error, MlflowException):
            reported = ThawError(f"MLflow stopped taking results: {store_reason(error)}")
        reported.run_id = run.run_id  # type: ignore[attr-defined]
        trace = traceback.format_exc()
        _close(run, "FAILED", one_line(error, 2000))
        with contextlib.suppress(MlflowException, OSError, ThawError):
            run.text(trace, "traceback.txt")
        if reported is not error:
            raise reported from error
        raise
    finally:
        run.outbox.settle()


def _close(run: Run, status: str, error: str) -> None:
    """End a run that did not finish. Errors of the store are dropped: the run's own is reported."""
    with contextlib.suppress(MlflowException, OSError):
        run.end(status)
    with contextlib.suppress(MlflowException, OSError):
        run.fail_model()
    with contextlib.suppress(MlflowException, OSError):
        run.tags(schema.ERROR.of(error))
        run.flush()


def model_of(run: FoundRun) -> str | None:
    """Return the id of a run's model in MLflow; None where the run keeps it among its own files, or keeps none.

    `run` is as :meth:`mlflow.MlflowClient.get_run` returns it: searches leave outputs out.
    """
    outputs = run.outputs.model_outputs if run.outputs else []
    return str(outputs[0].model_id) if outputs else None


def flatten(nested: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Value]]:
    """Yield dotted keys and their values; null is left out.

    >>> list(flatten({"a": {"b": 1, "c": None}, "d": [1, "x"]}))
    [('a.b', 1), ('d', [1, 'x'])]
    """
    for key, value in nested.items():
        if isinstance(value, Mapping):
            yield from flatten(value, f"{prefix}{key}.")
        elif value is not None:
            yield f"{prefix}{key}", value


def as_yaml(trial: TrialConfig) -> str:
    """Return the full resolved configuration, as a file that Hydra reads."""
    return str(yaml.safe_dump(public(trial), sort_keys=False, allow_unicode=True))


def public(trial: TrialConfig) -> dict[str, Any]:
    """Return the configuration as plain containers, without the store's URI: it may hold a password."""
    return trial.model_dump(mode="json", exclude={"tracking": {"uri"}})
