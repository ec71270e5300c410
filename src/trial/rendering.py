"""Make figures and model of a finished trial from its checkpoints, equal to those that it would have written."""

import math
import os
from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryDirectory

import mlflow
from mlflow.entities import Run as FoundRun
from mlflow.exceptions import MlflowException

from src.common.clock import Clock
from src.common.errors import ThawError
from src.common.project import PROJECT
from src.config import TrialConfig
from src.reporting.terminal import Terminal
from src.tracking import schema
from src.tracking.locks import LockFolder, default_work_dir
from src.tracking.mlflow_run import Run
from src.tracking.mlflow_store import store_reason
from src.tracking.study import promotion_hint
from src.tracking.trial_runs import Artifact, TrialRuns
from src.trial.context import TrialContext
from src.trial.key import trial_key
from src.trial.logged_configuration import logged_configuration
from src.trial.origin import Origin
from src.trial.output_folder import clear_output
from src.trial.plan import make_plan
from src.trial.run_description import run_name

_JUDGED = ("best/", "test/")
_MOST_NAMED = 3
_LARGEST = 1e308
"""Databases keep an infinite metric as the largest number that they have."""


def render_run(client: mlflow.MlflowClient, run_id: str, artifacts: Artifact, *, progress: bool = True) -> None:
    """Make those of `artifacts` that the run of a finished trial lacks, and keep them with it.

    Raises:
        ThawError: it is no such run, its images are other ones now, or the trial gives other numbers here.
    """
    run = _run(client, run_id)
    if study := promotion_hint(client, run):
        raise ThawError(f"runs:/{run_id}: {study}")
    if schema.TRIAL_KEY.read(run.data.tags) is None or run.info.status != "FINISHED":
        raise ThawError(f"runs:/{run_id}: no finished trial's run; its status is {run.info.status}")
    lacking = artifacts & ~TrialRuns(client).artifacts(run)
    if lacking:
        trial = _on_this_machine(logged_configuration(client, run))
        with Terminal(progress, in_sweep=not progress) as terminal, TemporaryDirectory() as folder:
            _render(_context(client, run, trial, terminal, Path(folder)), run, lacking)


def _run(client: mlflow.MlflowClient, run_id: str) -> FoundRun:
    try:
        return client.get_run(run_id)
    except MlflowException as error:
        where = "mlflow ui shows what the store has, --tracking-uri names another one"
        raise ThawError(f"runs:/{run_id}: {store_reason(error).rstrip('.')}; {where}") from error


def _on_this_machine(trial: TrialConfig) -> TrialConfig:
    """Return `trial` from its checkpoints, with default folders where its own are gone."""
    runtime = trial.runtime
    if not runtime.work_dir.is_dir():
        cache_dir = Path(os.environ.get("THAW_CACHE_DIR") or PROJECT / ".thaw" / "cache").expanduser()
        runtime = runtime.model_copy(update={"work_dir": default_work_dir(PROJECT), "cache_dir": cache_dir})
    return trial.model_copy(update={"runtime": runtime, "force": False})


def _context(
    client: mlflow.MlflowClient, run: FoundRun, trial: TrialConfig, terminal: Terminal, folder: Path
) -> TrialContext:
    plan = make_plan(trial, terminal, clock := Clock())
    key = trial_key(plan)
    if key != schema.TRIAL_KEY.read(run.data.tags):
        raise ThawError(
            f"runs:/{run.info.run_id}: its trial is another one now; did the images change, or Keras' version?"
        )
    locks = LockFolder(trial.runtime.work_dir)
    return TrialContext(
        plan, key, client, run.info.experiment_id, locks, None, Origin(), folder, terminal, clock, run.info.start_time
    )


def _render(context: TrialContext, run: FoundRun, artifacts: Artifact) -> None:
    waiting = f"{run_name(context.plan)}: another process trains this trial; waiting"
    with context.lock_folder.lock(context.key, context.terminal, waiting):
        now = context.client.get_run(run.info.run_id)
        lacking = artifacts & ~TrialRuns(context.client).artifacts(now)  # another process may have made them
        changed = add_artifacts(context, now, lacking) if lacking else ""
    if changed:
        again = schema.COMMAND.text(run.data.tags) or "python -m src.train …"
        raise ThawError(
            f"runs:/{run.info.run_id}: trained again here, its trial has other numbers ({changed}); "
            f"train it as a run of its own: {again} force=true"
        )


def add_artifacts(context: TrialContext, run: FoundRun, artifacts: Artifact) -> str:
    """Make `artifacts` of the trial of `context` and keep them with its finished `run`.

    Phases without a checkpoint are trained again.

    Returns:
        The metrics that are then other ones, and nothing is kept; empty where all are the same.
    """
    from src.models import runtime  # first: it starts TensorFlow quietly and deterministically

    runtime.set_threads(context.plan.trial.runtime)
    from src.trial.train_and_evaluate import evaluated_trial, keep_files, of_whole_trial

    clear_output(context.output)
    trained = evaluated_trial(context, lambda *_: None)
    changed = changed_metrics(run.data.metrics, trained.numbers)
    if changed:
        return changed
    open_run = Run.finished(context.client, context.client.get_run(run.info.run_id))
    try:
        keep_files(context, open_run, trained, artifacts)
        if Artifact.MODEL in artifacts:
            open_run.share_metrics(name for name in of_whole_trial(trained) if name in run.data.metrics)
        open_run.flush()
    except BaseException:
        open_run.fail_model()
        raise
    return ""


def changed_metrics(before: Mapping[str, float], after: Mapping[str, float]) -> str:
    """Return the metrics that differ, those that a trial is judged by first; empty where all are the same.

    Times differ each time and do not count, and neither does what one of the two did not measure.
    """
    shared = (before.keys() & after.keys()) - set(schema.parts_of_time(before))
    changed = [name for name in shared if not _is_same(before[name], after[name])]
    changed.sort(key=lambda name: (not name.startswith(_JUDGED), name))
    named = [f"{name} {before[name]:.4g}, now {after[name]:.4g}" for name in changed[:_MOST_NAMED]]
    return ", ".join(named) + (f", and {len(changed) - _MOST_NAMED} more" if changed[_MOST_NAMED:] else "")


def _is_same(before: float, after: float) -> bool:
    have_diverged = not abs(before) < _LARGEST and not abs(after) < _LARGEST  # NaN is not less, either
    return have_diverged or math.isclose(before, after, rel_tol=1e-6, abs_tol=1e-9)
