"""The run of a trial that keeps its model, which is made where it is missing."""

import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from tempfile import TemporaryDirectory

import mlflow
from mlflow.entities import Run as FoundRun

from src.common.errors import ThawError, one_line
from src.common.events import EventHandler, Noted, Warned
from src.common.project import PROJECT
from src.common.shell import setting, text_override
from src.tracking import schema
from src.tracking.mlflow_store import store_option
from src.tracking.trial_runs import TrialRuns
from src.trial.rendering import changed_metrics

_REASON = "thaw: "


def run_with_model(client: mlflow.MlflowClient, run_id: str, emit: EventHandler) -> FoundRun:
    """Return a run of the trial that `run_id` trained which keeps the model.

    Most of a sweep's trials keep none. It is then made from the trial's checkpoints, or by training the trial again
    where they are gone. On the same machine its numbers are the same; where one differs, the model is kept with a new
    run, and a warning says so.

    Raises:
        ThawError: the trial cannot be trained here; the text says why.
    """
    run = client.get_run(run_id)
    key = schema.TRIAL_KEY.read(run.data.tags) or ""
    kept = TrialRuns(client).finished_with_model(key, lambda _: None)
    if kept is None:
        words = _arguments(client, run)
        seconds = (run.info.end_time - run.info.start_time) / 1000
        again = f"by training it again ({seconds:,.0f} s the first time)"
        emit(Noted(f"the run {run_id} keeps no model: making it from its checkpoints or, if they are gone, {again}"))
        _train(client, run, words, emit)
        kept = TrialRuns(client).finished_with_model(key, lambda _: None)
        changed = changed_metrics(run.data.metrics, kept.data.metrics) if kept else ""
        if changed:
            emit(Warned(f"trained again, the trial of the run {run_id} has other numbers: {changed}"))
    if kept is None:
        raise ThawError(f"run {run_id}: its trial became another one when it was trained again; did the images change?")
    return client.get_run(kept.info.run_id)  # with its inputs and outputs


def _arguments(client: mlflow.MlflowClient, run: FoundRun) -> Sequence[str]:
    """Return what follows `python -m src.train` in the command that trains a run's trial.

    Raises:
        ThawError: the run does not say it, as those of earlier versions.
    """
    words: Sequence[str] | None = schema.ARGUMENTS.read(run.data.tags)
    if words is None:
        advice = how_to_keep_model(client, run)
        raise ThawError(f"run {run.info.run_id}: an earlier version trained it and it keeps no model; {advice}")
    return words


def how_to_keep_model(client: mlflow.MlflowClient, run: FoundRun) -> str:
    """Return how to train a run's trial so that its model is kept, with the command if the run says it."""
    command = schema.COMMAND.text(run.data.tags)
    if not command:
        return "train it again with tracking.save_model=true"
    store = [setting("tracking.uri", uri) for uri in store_option(client, PROJECT)[1:]]
    return " ".join(["train it again with its model:", command, "tracking.save_model=true", *store])


def _train(client: mlflow.MlflowClient, run: FoundRun, words: Sequence[str], emit: EventHandler) -> None:
    experiment = client.get_experiment(run.info.experiment_id).name
    path = os.pathsep.join([str(PROJECT), *filter(None, [os.environ.get("PYTHONPATH")])])
    environment = {**os.environ, "PYTHONPATH": path, "MLFLOW_TRACKING_URI": client.tracking_uri}
    with TemporaryDirectory() as folder:
        overrides = [text_override("tracking.experiment", experiment), text_override("hydra.run.dir", folder)]
        command = [sys.executable, "-m", "src.train", *words, "tracking.save_model=true", *overrides]
        status, last = run_showing(command, environment, emit)
    if status:
        raise ThawError(f"run {run.info.run_id}: its trial cannot be trained again here: {one_line(last, 500)}")


def run_showing(command: Sequence[str], environment: Mapping[str, str], emit: EventHandler) -> tuple[int, str]:
    """Run a command and emit its progress, a note for each line on standard error; it ends if this process is asked to.

    Returns:
        Its exit status, and the last line, which says why it failed: that is not emitted if it is Thaw's own.
    """
    last = "no message"
    with subprocess.Popen(
        command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, encoding="utf-8",
        errors="backslashreplace",
    ) as process:  # fmt: skip
        assert process.stderr is not None
        try:
            for line in filter(None, map(str.rstrip, process.stderr)):
                last = line.removeprefix(_REASON)
                if last == line:
                    emit(Noted(line))
        except BaseException:
            process.terminate()  # it closes its run, which the block's end waits for
            raise
    return process.returncode, last
