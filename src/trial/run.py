"""Run one trial: plan it, reuse a finished run with the same key, or else train and log it.

Everything that does not need TensorFlow comes first: a bad name, a missing folder or a server that does not respond is
reported within a second, and a reused trial is returned as fast.
"""

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import mlflow

from src.common.clock import Clock
from src.common.errors import ThawError, one_line
from src.common.events import EventHandler, ignore
from src.common.files import atomic_write
from src.common.json_text import summary_text
from src.common.metrics import METRICS
from src.common.project import PROJECT
from src.config import TrialConfig
from src.features.cache_plan import SharedFeatures
from src.reporting.terminal import Terminal
from src.tracking import schema
from src.tracking.data_tags import baselines
from src.tracking.locks import LockFolder
from src.tracking.mlflow_run import started_run
from src.tracking.mlflow_store import how_to_compare, open_store, refusals_as_errors, tracking_uri
from src.tracking.study import StudyContext
from src.tracking.trial_runs import TrialRuns
from src.trial.baseline_warning import baseline_warning
from src.trial.context import TrialContext
from src.trial.key import trial_key
from src.trial.origin import Origin
from src.trial.output_folder import SUMMARY, clear_output, prepare_output
from src.trial.plan import Plan, make_plan
from src.trial.read_parameters import last_depth, trial_facts, unread_keys
from src.trial.result import TrialResult
from src.trial.run_description import describe_run, run_name


@dataclass(frozen=True)
class _Environment:
    """The environment of a running trial."""

    client: mlflow.MlflowClient
    experiment: str
    lock_folder: LockFolder
    study: StudyContext | None
    origin: Origin
    output: Path
    terminal: Terminal
    clock: Clock
    began_ms: int


def run_trial(
    trial: TrialConfig,
    output: Path,
    study: StudyContext | None = None,
    origin: Origin | None = None,
    warnings: Sequence[str] = (),
) -> TrialResult:
    """Return the trial's result, from the run that finished it or by training it.

    The summary is written to summary.json in `output`, and to the run.

    Args:
        trial: the checked configuration.
        output: the trial's own folder.
        study: the study that the trial belongs to.
        origin: where the configuration came from.
        warnings: lines for the user before it trains.

    Raises:
        ThawError: bad input, or an environment that fails; nothing is left that a later run would trust.
    """
    if study and study.objective != trial.objective:
        raise ThawError(f"objective={trial.objective}: the study's is {study.objective}; a study has one objective")
    clock, began_ms = Clock(), int(time.time() * 1000)
    with Terminal(trial.runtime.progress, in_sweep=study is not None) as terminal:
        prepare_output(output)
        plan = make_plan(trial, terminal, clock)
        with clock.part("tracking"):
            client, experiment = open_store(trial.tracking, PROJECT)
            lock_folder = LockFolder(trial.runtime.work_dir)
        environment = _Environment(
            client, experiment, lock_folder, study, origin or Origin(), output, terminal, clock, began_ms
        )
        for line in warnings:
            terminal.warn(line)
        with refusals_as_errors():
            result = _reused_or_trained(plan, environment)
        result = replace(result, depth=last_depth(plan).name, idle=tuple(sorted(unread_keys(plan))))
        for line in baseline_warning(plan, result.summary):
            terminal.note(line)
        atomic_write(output / SUMMARY, summary_text(result.summary))
        terminal.result(result.summary, _places(trial, result.summary["run_id"], output))
    return result


def _reused_or_trained(plan: Plan, environment: _Environment) -> TrialResult:
    key, trial_runs = trial_key(plan), TrialRuns(environment.client)
    reused = _find_reusable(plan, key, trial_runs, environment)
    if reused:
        return reused
    name = run_name(plan)
    waiting = f"{name}: another process trains this trial; waiting"
    with environment.lock_folder.lock(key, environment.terminal, waiting):
        trial_runs.close_dead(environment.lock_folder, mine=key)
        reused = _find_reusable(plan, key, trial_runs, environment, environment.terminal)
        return reused or TrialResult(_train(plan, key, environment), reused=False)


def _find_reusable(
    plan: Plan, key: str, trial_runs: TrialRuns, environment: _Environment, emit: EventHandler = ignore
) -> TrialResult | None:
    """Reuse the run that finished the trial, if one has; emit a warning where its model is asked for and gone."""
    if plan.trial.force:
        return None
    needed = METRICS[plan.trial.objective].best
    asks = _keeps_model(plan.trial, environment.study)
    run = trial_runs.finished_with_model(key, emit, needed) if asks else trial_runs.finished(key, needed)
    if run is None:
        return None
    from_the_data = baselines(plan.dataset)
    if environment.study:
        with environment.lock_folder.lock(f"member.{run.info.run_id}"):  # two jobs of it may reuse one run
            environment.study.take_in(environment.client, run)
        trial_runs.complete(run, trial_facts(plan, environment.origin), from_the_data)
    when = time.strftime("%Y-%m-%d %H:%M", time.localtime(run.info.start_time / 1000))
    environment.terminal.note(
        f"reused from the run {one_line(run.info.run_name, 100)!r} of {when}; force=true trains it anew"
    )
    known = {schema.OBJECTIVE.name: plan.trial.objective} | from_the_data
    return TrialResult(trial_runs.summary(run) | known, reused=True)


def _train(plan: Plan, key: str, environment: _Environment) -> dict[str, Any]:
    belongs = environment.study.tags() if environment.study else {}
    tags = schema.TRIAL_KEY.of(key) | environment.lock_folder.tags | belongs | environment.origin.tags()
    name, clock = run_name(plan), environment.clock
    with clock.part("tensorflow"):  # before the run begins: where Keras does not start, there is none to fail
        from src.models import runtime  # first: it starts TensorFlow quietly and deterministically

        runtime.set_threads(plan.trial.runtime)
        from src.trial.train_and_evaluate import train_and_evaluate
    clear_output(environment.output)
    with started_run(environment.client, environment.experiment, name, environment.began_ms, tags) as run:
        with clock.part("tracking"):
            describe_run(plan, environment.origin, run)
        shared_features = environment.study.shared_features if environment.study else SharedFeatures()
        keeps_model = _keeps_model(plan.trial, environment.study)
        trained = train_and_evaluate(
            TrialContext(plan, key, run, environment.output, environment.terminal, clock, shared_features, keeps_model)
        )
    for note in trained.notes:
        environment.terminal.note(note)
    return trained.summary


def _keeps_model(trial: TrialConfig, study: StudyContext | None) -> bool:
    """Return whether the trial's model is logged: unless the configuration says so, where it is no sweep's."""
    asked = trial.tracking.save_model
    return study is None if asked is None else asked


def _places(trial: TrialConfig, run_id: str, output: Path) -> dict[str, str]:
    return {
        "run": f"{run_id} in experiment {trial.tracking.experiment}",
        "files": str(output),
        "compare": how_to_compare(tracking_uri(trial.tracking, PROJECT), PROJECT),
    }
