"""One trial, from its checked configuration to the run that remembers it: reused if it is known, else trained.

What does not need TensorFlow comes first: a bad name, a missing folder or a silent server is told in a second, and so
is the answer to a trial that was trained before, under whatever spelling.
"""

import shutil
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import mlflow
from mlflow.entities import Run as FoundRun

from src.common.clock import Clock
from src.common.depth_choice import DepthChoice
from src.common.errors import ThawError, one_line
from src.common.files import atomic_write
from src.common.json_text import summary_text
from src.common.metrics import METRICS, Metric
from src.common.project import PROJECT
from src.config import TrialConfig
from src.features.cache_plan import SharedFeatures
from src.models.depth import Depth, resolve_depth
from src.reporting.terminal import Terminal
from src.tracking import schema
from src.tracking.data_tags import baselines, data_tags
from src.tracking.environment import git_tags, package_versions
from src.tracking.locks import LockFolder
from src.tracking.mlflow_run import Run, as_yaml, started_run
from src.tracking.mlflow_store import how_to_compare, open_store, refusals_as_errors, tracking_uri
from src.tracking.study import StudyContext
from src.tracking.trial_runs import TrialRuns
from src.trial.context import TrialContext
from src.trial.key import trial_key
from src.trial.origin import Origin
from src.trial.plan import Plan, make_plan
from src.trial.read_parameters import last_depth, trial_facts, unread_keys


@dataclass(frozen=True)
class TrialResult:
    """The result of a trial.

    Attributes:
        summary: by the names in MLflow.
        reused: whether an earlier run was reused.
        depth: what trains, as it would be typed for `unfrozen`.
        idle: keys that the trial does not read.
    """

    summary: dict[str, Any]
    reused: bool
    depth: str = ""
    idle: tuple[str, ...] = ()

    @property
    def score(self) -> float:
        """The objective's value on validation, 0–1."""
        return float(self.summary[self._judged.best])

    @property
    def baseline(self) -> float | None:
        """The score of always predicting the largest class if the trial is not better; else None."""
        return self.summary[self._judged.baseline] if self._judged.is_no_better(self.summary) else None

    @property
    def _judged(self) -> Metric:
        return METRICS[self.summary[schema.OBJECTIVE.name]]


@dataclass(frozen=True)
class _Environment:
    """The environment of a running trial."""

    client: mlflow.MlflowClient
    experiment: str
    lock_folder: LockFolder
    member: StudyContext | None
    origin: Origin
    output: Path
    terminal: Terminal
    clock: Clock
    began_ms: int


def run_trial(
    trial: TrialConfig,
    output: Path,
    member: StudyContext | None = None,
    origin: Origin | None = None,
    warnings: Sequence[str] = (),
) -> TrialResult:
    """Answer the trial from the run that finished it, or train, measure and remember it.

    Its summary is left as summary.json in `output`, and in the run. `member`: the study that the trial belongs to.
    `origin`: where the configuration came from. `warnings`: lines for the user before it trains.

    Raises:
        ThawError: bad input, or an environment that fails; nothing is left that a later run would trust.
    """
    if member and member.objective != trial.objective:
        raise ThawError(f"objective={trial.objective}: the study's is {member.objective}; a study has one objective")
    clock, began_ms = Clock(), int(time.time() * 1000)
    with Terminal(trial.runtime.progress, in_sweep=member is not None) as terminal:
        _check_output(output)
        plan = make_plan(trial, terminal, clock)
        with clock.part("tracking"):
            client, experiment = open_store(trial.tracking, PROJECT)
            lock_folder = LockFolder(trial.runtime.work_dir)
        environment = _Environment(
            client, experiment, lock_folder, member, origin or Origin(), output, terminal, clock, began_ms
        )
        for line in warnings:
            terminal.warn(line)
        with refusals_as_errors():
            result = _reused_or_trained(plan, environment)
        result = replace(result, depth=last_depth(plan).name, idle=tuple(sorted(unread_keys(plan))))
        for line in _warning_of_guessing(plan, result.summary):
            terminal.note(line)
        atomic_write(output / _SUMMARY, summary_text(result.summary))
        terminal.result(result.summary, _places(trial, result.summary["run_id"], output))
    return result


def _reused_or_trained(plan: Plan, environment: _Environment) -> TrialResult:
    key, trial_runs = trial_key(plan), TrialRuns(environment.client)
    reused = _find_reusable(plan, key, trial_runs, environment)
    if reused:
        return reused
    name = _run_name(plan)
    waiting = f"{name}: another process trains this trial; waiting"
    with environment.lock_folder.claim(key, environment.terminal, waiting):
        trial_runs.close_dead(environment.lock_folder, mine=key)
        reused = _find_reusable(
            plan, key, trial_runs, environment, lost=lambda run: environment.terminal.warn(_lost_text(run))
        )
        return reused or TrialResult(_train(plan, key, environment), reused=False)


def _lost_text(run: FoundRun) -> str:
    name = f"{one_line(run.info.run_name, 100)!r} ({run.info.run_id})"
    return f"the model of the run {name} is not in {run.info.artifact_uri} any more: training the trial again"


def _find_reusable(
    plan: Plan,
    key: str,
    trial_runs: TrialRuns,
    environment: _Environment,
    lost: Callable[[FoundRun], None] = lambda _: None,
) -> TrialResult | None:
    """Reuse the run that finished the trial, if one has; `lost` is given one whose model is asked for and gone."""
    if plan.trial.force:
        return None
    needed = METRICS[plan.trial.objective].best
    asks = _keeps_model(plan.trial, environment.member)
    found = trial_runs.finished_with_model(key, lost, needed) if asks else trial_runs.finished(key, needed)
    if found is None:
        return None
    from_the_data = baselines(plan.dataset)
    if environment.member:
        environment.member.take_in(environment.client, found)
        trial_runs.complete(found, trial_facts(plan, environment.origin), from_the_data)
    when = time.strftime("%Y-%m-%d %H:%M", time.localtime(found.info.start_time / 1000))
    environment.terminal.note(
        f"reused from the run {one_line(found.info.run_name, 100)!r} of {when}; force=true trains it anew"
    )
    said = {schema.OBJECTIVE.name: plan.trial.objective} | from_the_data
    return TrialResult(trial_runs.summary(found) | said, reused=True)


def _train(plan: Plan, key: str, environment: _Environment) -> dict[str, Any]:
    belongs = environment.member.tags() if environment.member else {}
    tags = schema.TRIAL_KEY.of(key) | environment.lock_folder.tags | belongs | environment.origin.tags()
    name, clock = _run_name(plan), environment.clock
    with clock.part("tensorflow"):  # before the run begins: where Keras does not start, there is none to fail
        from src.models import runtime  # first: it starts TensorFlow quietly and deterministically

        runtime.set_threads(plan.trial.runtime)
        from src.trial.train_and_evaluate import train_and_evaluate
    _clear(environment.output)
    with started_run(environment.client, environment.experiment, name, environment.began_ms, tags) as run:
        with clock.part("tracking"):
            _describe(plan, environment.origin, run)
        shared_features = environment.member.shared_features if environment.member else SharedFeatures()
        keeps_model = _keeps_model(plan.trial, environment.member)
        measured = train_and_evaluate(
            TrialContext(plan, key, run, environment.output, environment.terminal, clock, shared_features, keeps_model)
        )
    for note in measured.notes:
        environment.terminal.note(note)
    return measured.summary


def _keeps_model(trial: TrialConfig, member: StudyContext | None) -> bool:
    """Return whether the trial's model is logged: unless the configuration says so, where it is no sweep's."""
    asked = trial.tracking.save_model
    return member is None if asked is None else asked


_MARKER = ".thaw-trial"
_LEFT_BY_TRIALS, _SUMMARY = ("figures", "model", "predictions"), "summary.json"


def _check_output(output: Path) -> None:
    """Make `output` a trial's own folder, without an earlier trial's summary.

    Raises:
        ThawError: it holds files or folders with a trial's names that no trial made.
    """
    output.mkdir(parents=True, exist_ok=True)
    found = [name for name in (*_LEFT_BY_TRIALS, _SUMMARY) if (output / name).exists()]
    if found and not (output / _MARKER).exists():
        raise ThawError(f"hydra.run.dir={output}: holds {found[0]} that no trial made; choose another folder")
    (output / _MARKER).touch()
    (output / _SUMMARY).unlink(missing_ok=True)


def _clear(output: Path) -> None:
    """Remove what an earlier trial left in `output`."""
    for name in _LEFT_BY_TRIALS:
        shutil.rmtree(output / name, ignore_errors=True)


def _warning_of_guessing(plan: Plan, summary: Mapping[str, Any]) -> list[str]:
    """Return a line with remedies if the trial is not better than always predicting the largest class, else none."""
    trial, judged = plan.trial, METRICS[plan.trial.objective]
    if not judged.is_no_better(summary):
        return []
    counts = plan.dataset.class_counts("train")
    largest = max(counts, key=lambda name: counts[name])
    is_uneven = counts[largest] > min(counts.values())
    remedies = ["class_weights=balanced"] * (is_uneven and trial.class_weights is None)
    remedies += ["objective=balanced_accuracy"] * (is_uneven and trial.objective == "accuracy")
    remedies += ["another learning rate"]
    return [
        f"{judged.on_validation} {summary[judged.best]:.3f} is not better than always predicting the largest class, "
        f"{one_line(largest, 60)} ({summary[judged.baseline]:.3f}): try {' or '.join(remedies)}"
    ]


def _describe(plan: Plan, origin: Origin, run: Run) -> None:
    """Log all that is known of the trial before it trains."""
    dataset = plan.dataset
    own = schema.DATA_FINGERPRINT.of(dataset.fingerprint) | schema.WEIGHTS_DIGEST.of(plan.weights.digest)
    own |= schema.IMAGE_SIDE.of(plan.side) | _depth_tags(plan)
    run.describe(trial_facts(plan, origin), dataset, own | data_tags(dataset) | git_tags(PROJECT))
    run.text(as_yaml(plan.trial), "config.yaml")
    run.text(package_versions(), "packages.txt")
    if dataset.warnings:
        run.text("\n".join((*dataset.warnings, *dataset.remarks)) + "\n", "warnings.txt")


def _depth_tags(plan: Plan) -> dict[str, str]:
    """Return what a run says of the depths of its phases."""
    depth, layers = last_depth(plan), len(plan.table)
    texts = [schema.DEPTH_TEXT.at(name).of(each.describe(layers)) for name, each in plan.depths.items()]
    return {
        **schema.DEPTH.of(depth.canonical),
        **schema.BLOCK.of(next(iter(depth.blocks), "")),
        **schema.WHOLE.of(depth.canonical == _deepest(plan).canonical),
        **{name: text for tag in texts for name, text in tag.items()},
    }


def _deepest(plan: Plan) -> Depth:
    return resolve_depth(DepthChoice(), plan.table, plan.trial.batchnorm, plan.spec.name)


def _places(trial: TrialConfig, run_id: str, output: Path) -> dict[str, str]:
    return {
        "run": f"{run_id} in experiment {trial.tracking.experiment}",
        "files": str(output),
        "compare": how_to_compare(tracking_uri(trial.tracking, PROJECT), PROJECT),
    }


def _run_name(plan: Plan) -> str:
    trial, depth = plan.trial, last_depth(plan).name
    return trial.tracking.run_name or one_line(f"{trial.backbone} unfrozen={depth} seed={trial.seed}", 200)
