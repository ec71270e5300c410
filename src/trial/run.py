"""Run one trial: plan it, reuse a finished run with the same key, or else train and log it.

Everything that does not need TensorFlow comes first: a bad name, a missing folder or a server that does not respond is
reported within a second, and a reused trial is returned as fast.
"""

import contextlib
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from mlflow.entities import Run as FoundRun

from src.common.clock import Clock
from src.common.errors import ThawError, one_line
from src.common.events import EventHandler, ignore
from src.common.files import atomic_write
from src.common.json_text import summary_text
from src.common.metrics import METRICS
from src.common.project import PROJECT
from src.common.shell import RENDER, shell_line
from src.config import TrialConfig
from src.reporting.terminal import Terminal
from src.tracking import schema
from src.tracking.data_tags import baselines
from src.tracking.leases import LeaseTakenError
from src.tracking.locks import LockFolder
from src.tracking.mlflow_run import started_run
from src.tracking.mlflow_store import how_to_compare, open_store, refusals_as_errors, store_option, tracking_uri
from src.tracking.study import StudyContext
from src.tracking.trial_runs import Artifact, TrialRuns
from src.trial.baseline_warning import baseline_warning
from src.trial.context import TrialContext
from src.trial.key import trial_key
from src.trial.origin import Origin
from src.trial.output_folder import SUMMARY, clear_output, prepare_output
from src.trial.plan import make_plan
from src.trial.read_parameters import last_depth, trial_facts, unread_keys
from src.trial.rendering import add_artifacts
from src.trial.result import TrialResult
from src.trial.run_description import describe_run, run_name


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
        context = TrialContext(
            plan, trial_key(plan), client, experiment, lock_folder, study, origin or Origin(), output, terminal, clock,
            began_ms,
        )  # fmt: skip
        for line in warnings:
            terminal.warn(line)
        with refusals_as_errors():
            result = _reused_or_trained(context)
        result = replace(result, depth=last_depth(plan).name, idle=tuple(sorted(unread_keys(plan))))
        for line in baseline_warning(plan, result.summary):
            terminal.note(line)
        atomic_write(output / SUMMARY, summary_text(result.summary))
        terminal.result(result.summary, _places(trial, result.summary["run_id"], output))
    return result


def _reused_or_trained(context: TrialContext) -> TrialResult:
    key, trial_runs = context.key, TrialRuns(context.client)
    run = _finished(context, trial_runs)
    if run and not _lacking(context, trial_runs, run):
        return _reused(context, trial_runs, run)
    name = run_name(context.plan)
    with context.lock_folder.lock(key, context.terminal, f"{name}: another process trains this trial; waiting"):
        trial_runs.close_dead(context.lock_folder, mine=key)
        while True:
            context.leases.wait(key, context.terminal, f"{name}: another host trains this trial; waiting")
            run = _finished(context, trial_runs, context.terminal)
            if run and _is_completed(context, trial_runs, run):
                return _reused(context, trial_runs, run)
            with contextlib.suppress(LeaseTakenError):
                return TrialResult(_train(context), reused=False)


def _finished(context: TrialContext, trial_runs: TrialRuns, emit: EventHandler = ignore) -> FoundRun | None:
    """Return the run that finished the trial, one with a model where that is asked for; warn if its files are gone."""
    if context.plan.trial.force:
        return None
    needed, has_model = METRICS[context.plan.trial.objective].best, Artifact.MODEL in context.artifacts
    run = trial_runs.finished_with_model(context.key, emit, needed) if has_model else None
    return run or trial_runs.finished(context.key, needed)


def _lacking(context: TrialContext, trial_runs: TrialRuns, run: FoundRun) -> Artifact:
    """Return the artifacts that `run` is to be given; for figures alone nothing trains, unless all are asked for."""
    asked = context.artifacts
    lacking = asked & ~trial_runs.artifacts(run) if asked else asked
    if lacking == Artifact.FIGURES and context.plan.trial.tracking.artifacts != "all":
        command = shell_line([*RENDER, f"runs:/{run.info.run_id}", *store_option(context.client, PROJECT)])
        context.terminal.note(f"its run has no figures; to draw them: {command}")
        return Artifact(0)
    return lacking


def _is_completed(context: TrialContext, trial_runs: TrialRuns, run: FoundRun) -> bool:
    """Give `run` the artifacts that it lacks; warn and return False where the trial has other numbers here."""
    lacking = _lacking(context, trial_runs, run)
    changed = add_artifacts(context, run, lacking) if lacking else ""
    if changed:
        context.terminal.warn(f"the run {run.info.run_id} has other numbers: {changed}; the trial gets a new run")
    return not changed


def _reused(context: TrialContext, trial_runs: TrialRuns, run: FoundRun) -> TrialResult:
    plan, study = context.plan, context.study
    from_the_data = baselines(plan.dataset)
    if study:
        with context.lock_folder.lock(f"member.{run.info.run_id}"):  # two jobs of it may reuse one run
            study.take_in(context.client, run)
        trial_runs.complete(run, trial_facts(plan, context.origin), from_the_data)
    when = time.strftime("%Y-%m-%d %H:%M", time.localtime(run.info.start_time / 1000))
    name = one_line(run.info.run_name, 100)
    context.terminal.note(f"reused from the run {name!r} of {when}; force=true trains it anew")
    known = {schema.OBJECTIVE.name: plan.trial.objective} | from_the_data
    return TrialResult(trial_runs.summary(run) | known, reused=True)


def _train(context: TrialContext) -> dict[str, Any]:
    plan, clock, study = context.plan, context.clock, context.study
    tags = schema.TRIAL_KEY.of(context.key) | context.lock_folder.tags | context.origin.tags()
    tags |= (study.tags() if study else {}) | context.leases.tags()
    with clock.part("tensorflow"):  # before the run begins: where Keras does not start, there is none to fail
        from src.models import runtime  # first: it starts TensorFlow quietly and deterministically

        runtime.set_threads(plan.trial.runtime)
        from src.trial.train_and_evaluate import train_and_evaluate
    clear_output(context.output)
    began, unsent = (run_name(plan), context.began_ms, tags), context.lock_folder.unsent
    with (
        started_run(context.client, context.experiment, *began, unsent, context.terminal) as run,
        context.leases.held(context.key, run.run_id),
    ):
        with clock.part("tracking"):
            describe_run(plan, context.origin, run)
        trained = train_and_evaluate(context, run)
    for note in trained.notes:
        context.terminal.note(note)
    return trained.summary


def _places(trial: TrialConfig, run_id: str, output: Path) -> dict[str, str]:
    return {
        "run": f"{run_id} in experiment {trial.tracking.experiment}",
        "files": str(output),
        "compare": how_to_compare(tracking_uri(trial.tracking, PROJECT), PROJECT),
    }
