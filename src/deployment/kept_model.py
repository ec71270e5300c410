"""The run of a trial that keeps its model: the trial's own, or one that trains it again for the model's sake."""

import os
import subprocess
import sys
from collections.abc import Mapping
from tempfile import TemporaryDirectory

import mlflow
from mlflow.entities import Run as FoundRun

from src.common.errors import ThawError, one_line
from src.common.events import EventHandler, Warned
from src.common.project import PROJECT
from src.tracking import schema
from src.tracking.trial_runs import TrialRuns


def run_with_model(client: mlflow.MlflowClient, run_id: str, emit: EventHandler) -> FoundRun:
    """Return a run of the trial that `run_id` trained which keeps the model.

    A sweep's trials keep none. The trial is then trained again, from the phases that are kept, where they are: the same
    numbers, for the trial's key is the same.

    Raises:
        ThawError: the trial cannot be trained here; the text says why.
    """
    run = client.get_run(run_id)
    key = schema.TRIAL_KEY.read(run.data.tags) or ""
    kept = TrialRuns(client).finished_with_model(key, lambda _: None)
    if kept is None:
        seconds = (run.info.end_time - run.info.start_time) / 1000
        emit(Warned(f"the run {run_id} keeps no model: training its trial again; it took {seconds:,.0f} s"))
        _train(client, run)
        kept = TrialRuns(client).finished_with_model(key, lambda _: None)
    if kept is None:
        raise ThawError(f"run {run_id}: its trial became another one when it was trained again; did the images change?")
    return client.get_run(kept.info.run_id)  # with its inputs and outputs


def _train(client: mlflow.MlflowClient, run: FoundRun) -> None:
    words = schema.ARGUMENTS.read(run.data.tags)
    if words is None:
        raise ThawError(f"run {run.info.run_id}: an earlier version trained it and it keeps no model; train it again")
    experiment = client.get_experiment(run.info.experiment_id).name
    path = os.pathsep.join([str(PROJECT), *filter(None, [os.environ.get("PYTHONPATH")])])
    environment = {**os.environ, "PYTHONPATH": path, "MLFLOW_TRACKING_URI": client.tracking_uri}
    with TemporaryDirectory() as folder:
        settings = ["tracking.save_model=true", f"tracking.experiment='{experiment}'", f"hydra.run.dir={folder}"]
        status, said = _run([sys.executable, "-m", "src.train", *words, *settings], environment)
    if status:
        last = (said.strip().splitlines() or ["no message"])[-1].removeprefix("thaw: ")
        raise ThawError(f"run {run.info.run_id}: its trial cannot be trained again here: {one_line(last, 500)}")


def _run(command: list[str], environment: Mapping[str, str]) -> tuple[int, str]:
    """Return a command's exit status, and what it says on standard error; it ends if this process is asked to."""
    quiet = subprocess.DEVNULL
    with subprocess.Popen(command, env=environment, text=True, stdout=quiet, stderr=subprocess.PIPE) as process:
        try:
            said = process.communicate()[1]
        except BaseException:
            process.terminate()  # it closes its run, which the block's end waits for
            raise
    return process.returncode, said
