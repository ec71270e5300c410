"""A study: one parent run, its trials as children, and trials of other studies that it takes in.

A trial belongs to a study by a tag on its run, `study.DIGEST`, that holds the trial's overrides, in each spelling;
DIGEST is of the study's name, since names come from users and a store's query language knows no quoting. So
the store holds the whole study, also after the sweep's process was killed.
"""

import hashlib
import json
import shlex
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, Self

import mlflow
import pandas as pd
from mlflow.entities import Metric
from mlflow.entities import Run as FoundRun
from mlflow.exceptions import MlflowException

from src.common.depth_choice import DepthChoice
from src.common.errors import ThawError, one_line
from src.common.files import atomic_write
from src.common.metrics import METRICS, Objective
from src.common.project import PROJECT
from src.common.shell import PROMOTE, shell_line
from src.features.cache_plan import SharedFeatures
from src.tracking import schema
from src.tracking.mlflow_internals import delete_artifacts
from src.tracking.mlflow_run import run_tags
from src.tracking.mlflow_store import store_option
from src.tracking.schema import Name, encodable
from src.tracking.study_table import latest_runs, study_frame, to_csv
from src.tracking.trial_runs import all_experiments, all_pages

CONTEXT_FILE = "study.json"
_ANSWER_MARK = "*Written by Thaw.*"


@dataclass(frozen=True)
class StudyContext:
    """A trial's place in a study: its parent run, how it spells the trial, what else it trains, what it judges by."""

    study_key: str
    parent_run_id: str
    overrides: tuple[str, ...] = ()
    shared_features: SharedFeatures = field(default_factory=SharedFeatures)
    objective: Objective = "accuracy"

    def tags(self) -> dict[str, str]:
        """Return the tags that make a new run part of the study."""
        return schema.PARENT.of(self.parent_run_id) | schema.MEMBER.at(self.study_key).of((self.overrides,))

    def take_in(self, client: mlflow.MlflowClient, run: FoundRun) -> None:
        """Make the run that a trial of the study reuses a member, whichever study trained it."""
        tags = client.get_run(run.info.run_id).data.tags  # as they are now: another process may just have set it
        member = schema.MEMBER.at(self.study_key)
        known = member.read(tags) or ()
        if self.overrides not in known:
            client.log_batch(run.info.run_id, tags=run_tags(member.of((*known, self.overrides))))

    def save(self, folder: Path) -> None:
        """Leave it in a sweep's folder for the sweep's jobs, whichever process they run in."""
        atomic_write(folder / CONTEXT_FILE, json.dumps(asdict(self)))

    @classmethod
    def load(cls, folder: Path, overrides: Sequence[str]) -> Self | None:
        """Return the study context of the job with `overrides`; None where the sweep left none."""
        try:
            content = json.loads((folder / CONTEXT_FILE).read_text("utf-8"))
            depths = (DepthChoice(**depth) for depth in content["shared_features"]["depths"])
            shared = SharedFeatures(tuple(depths), content["shared_features"]["trials"])
            return cls(**content | {"overrides": tuple(overrides), "shared_features": shared})
        except (OSError, ValueError, TypeError, KeyError):
            return None


def study_key(name: str) -> str:
    """Return a study's key: a digest of its name."""
    return hashlib.blake2b(name.encode("utf-8", "surrogateescape"), digest_size=10).hexdigest()


class Study:
    """The parent run of a study in a store; `objective` is what its latest sweep judges trials by."""

    def __init__(
        self, client: mlflow.MlflowClient, experiment_id: str, run_id: str, key: str, objective: Objective
    ) -> None:
        self.client, self.experiment_id, self.run_id, self.key = client, experiment_id, run_id, key
        self.objective: Objective = objective

    @classmethod
    def open(
        cls, client: mlflow.MlflowClient, experiment_id: str, name: str, tags: Mapping[str, str],
        objective: Objective = "accuracy",
    ) -> Self:  # fmt: skip
        """Return the study called `name` in an experiment, made if it is missing; its status becomes RUNNING.

        Its trials are judged by `objective` from here on, also those of earlier sweeps.
        """
        key = study_key(name)
        query = f"tags.{schema.STUDY_KEY} = '{key}'"
        runs = client.search_runs([experiment_id], query, max_results=1, order_by=["start_time ASC"])
        if runs:
            client.log_batch(runs[0].info.run_id, tags=run_tags({**tags, **schema.OBJECTIVE.of(objective)}))
            client.update_run(runs[0].info.run_id, "RUNNING")
            return cls(client, experiment_id, runs[0].info.run_id, key, objective)
        identity = schema.STUDY_KEY.of(key) | schema.STUDY_NAME.of(name)
        born = {**identity, **schema.OBJECTIVE.of(objective), **tags}
        created = client.create_run(experiment_id, tags=born, run_name=encodable(name)[:250])
        study = cls(client, experiment_id, created.info.run_id, key, objective)
        study._adopt()
        return study

    @classmethod
    def find(cls, client: mlflow.MlflowClient, name: str) -> Self | None:
        """Return the study called `name` in any experiment, the one swept last of several; None if there is none."""
        experiments = all_experiments(client)
        query = f"tags.{schema.STUDY_KEY} = '{study_key(name)}'"
        runs = client.search_runs(experiments, query, max_results=1, order_by=["end_time DESC"])
        if not runs:
            return None
        info, tags = runs[0].info, runs[0].data.tags
        judged = METRICS.get(schema.OBJECTIVE.read(tags) or "", METRICS["accuracy"])  # one from before has none
        return cls(client, info.experiment_id, info.run_id, study_key(name), judged.objective)

    def describe(self, varied: Mapping[str, str], fixed: Sequence[str], config: str) -> None:
        """Log what the study's latest sweep varies, over what, what it fixes, and the configuration below (YAML)."""
        lines = [*(f"{key}={values}" for key, values in varied.items()), *fixed]
        self.client.log_batch(self.run_id, tags=run_tags(schema.VARIES.of(" ".join(lines[: len(varied)]))))
        self.client.log_text(self.run_id, encodable("".join(f"{line}\n" for line in lines)), "study.txt")
        self.client.log_text(self.run_id, encodable(config), "config.yaml")

    def budget(self) -> Mapping[str, Any]:
        """Return what a time budget left in the study; empty where none did.

        Its `compared` are the keys of the trials that the verdict rests on; without it, the verdict rests on all.
        """
        return schema.BUDGET.read(self.client.get_run(self.run_id).data.tags) or {}

    def keep_budget(self, content: Mapping[str, Any]) -> None:
        """Keep what a time budget decided, whole or not at all."""
        self._keep(schema.BUDGET, content)

    def judge_all(self) -> None:
        """Let the verdict rest on all trials again, whichever a time budget had named."""
        content = {**self.budget()}
        if content.pop("compared", None) is not None:
            self.keep_budget(content)

    def _keep(self, name: Name[Mapping[str, Any]], content: Mapping[str, Any]) -> None:
        known = self.client.get_run(self.run_id).data.tags
        longer = {tag: " " for tag in known if tag.startswith(f"{name}.")}  # JSON may end in blanks
        self.client.log_batch(self.run_id, tags=run_tags(longer | name.of(content)))

    def report(self) -> Mapping[str, Any]:
        """Return the key of what the kept report was made from, and its texts; empty before there is one."""
        return schema.REPORT.read(self.client.get_run(self.run_id).data.tags) or {}

    def keep_report(self, content: Mapping[str, Any]) -> None:
        """Keep what :meth:`report` returns."""
        self._keep(schema.REPORT, content)

    def answer(self, text: str) -> None:
        """Show `text`, Markdown, as the study's description, unless somebody wrote another."""
        tags = self.client.get_run(self.run_id).data.tags
        known = schema.NOTE.read(tags)
        if not known or known.endswith(_ANSWER_MARK):
            self.client.set_tag(self.run_id, schema.NOTE.name, encodable(f"{text}\n\n{_ANSWER_MARK}"))

    def add_failed(self, overrides: Sequence[str], error: str, trace: str) -> None:
        """Add a trial that failed before it had a run of its own: one run, however often it fails so."""
        context, name = StudyContext(self.key, self.run_id, tuple(overrides)), shlex.join(overrides) or "the defaults"
        mark = study_key(f"{self.key} {name}")
        runs = self.client.search_runs([self.experiment_id], f"tags.{schema.UNPLANNED} = '{mark}'", max_results=1)
        born = schema.UNPLANNED.of(mark) | context.tags()
        run = runs[0] if runs else self.client.create_run(
            self.experiment_id, tags=born, run_name=encodable(name)[:250]
        )  # fmt: skip
        self.client.log_batch(run.info.run_id, tags=run_tags(schema.ERROR.of(error)))
        self.client.log_text(run.info.run_id, encodable(trace or error), "traceback.txt")
        self.client.set_terminated(run.info.run_id, "FAILED")

    def keep(self, folder: Path, under: str) -> None:
        """Keep the files of `folder` as artifacts below `under`, in place of what an earlier sweep left there.

        Raises:
            OSError: the disk is full, or takes no file there.
        """
        delete_artifacts(self.client, self.run_id, under)
        self.client.log_artifacts(self.run_id, str(folder), under)

    def study_context(self, shared_features: SharedFeatures) -> StudyContext:
        """Return the context that the study's jobs need."""
        return StudyContext(self.key, self.run_id, shared_features=shared_features, objective=self.objective)

    def members(self) -> list[FoundRun]:
        """Return every run of the study's trials, also those that other studies trained, oldest first."""
        experiments, query = all_experiments(self.client), f"tags.`{schema.MEMBER.at(self.key)}` != ''"
        search = partial(self.client.search_runs, experiments, query, max_results=500, order_by=["start_time ASC"])
        return list(all_pages(lambda token: search(page_token=token)))

    def trials(self) -> list[FoundRun]:
        """Return one run for each of the study's trials; see :func:`latest_runs`."""
        return latest_runs(self.members(), self.key)

    def to_frame(self) -> pd.DataFrame:
        """Return the study's table, a row for each trial; see :func:`study_frame`."""
        return study_frame(self.trials(), self.key, self.run_id)

    def close(self, status: str, *, reused: int, pruned: int) -> None:
        """Leave the table of all trials, the counts and the objective's best; FINISHED, FAILED or KILLED.

        Finished, failed and killed count the table's rows. `reused` and `pruned` are of the latest sweep: trials that
        needed no training, and configurations that a search did not take further.
        """
        try:
            frame = self.to_frame()
            ended = frame[schema.STATUS.name].str.lower().value_counts()
            counts = {name: int(ended.get(name, 0)) for name in ("finished", "failed", "killed")}
            self._log_numbers(frame, counts | {"reused": reused, "pruned": pruned})
            self.client.log_text(self.run_id, encodable(to_csv(frame)), "trials.csv")
        finally:
            self.client.set_terminated(self.run_id, status)

    def _log_numbers(self, frame: pd.DataFrame, counts: Mapping[str, int]) -> None:
        numbers, tags = {schema.study_count(name): float(count) for name, count in counts.items()}, {}
        judged = METRICS[self.objective].best
        finished = frame[frame[schema.STATUS.name] == "FINISHED"]
        if judged in finished and finished[judged].notna().any():
            best = finished.loc[finished[judged].idxmax()]
            every = [metric.best for metric in METRICS.values() if metric.best in finished]
            numbers |= {name: float(best[name]) for name in every if not pd.isna(best[name])}
            tags = schema.BEST_RUN.of(best[schema.RUN_ID.name])
        now = int(time.time() * 1000)
        metrics = [Metric(name, value, now, 0) for name, value in numbers.items()]
        self.client.log_batch(self.run_id, metrics, tags=run_tags(tags))

    def _adopt(self) -> None:
        """Take over the trials of the study's run from before, where somebody deleted that."""
        parents = {run.info.run_id: schema.PARENT.read(run.data.tags) for run in self.members()}
        gone = {parent for parent in {*parents.values()} if parent is not None and self._is_gone(parent)}
        for run_id, parent in parents.items():
            if parent in gone:
                self.client.log_batch(run_id, tags=run_tags(schema.PARENT.of(self.run_id)))

    def _is_gone(self, parent: str) -> bool:
        """Return whether `parent` was this study's run and is deleted, or does not exist."""
        try:
            run = self.client.get_run(parent)
        except MlflowException as error:
            return bool(error.error_code == "RESOURCE_DOES_NOT_EXIST")
        return bool(run.info.lifecycle_stage == "deleted") and schema.STUDY_KEY.read(run.data.tags) == self.key


def find_study(client: mlflow.MlflowClient, name: str) -> Study:
    """Return the study called `name`, in whichever experiment.

    Raises:
        ThawError: no such study.
    """
    study = Study.find(client, name)
    if study is None:
        known = ", ".join(one_line(known_name, 60) for known_name in study_names(client)) or "none"
        raise ThawError(f"--study {name}: no such study; known: {known}")
    return study


def promotion_hint(client: mlflow.MlflowClient, run: FoundRun) -> str:
    """Return how to use the model that a study recommends, if `run` is the study's own; empty for other runs."""
    if schema.STUDY_KEY.read(run.data.tags) is None:
        return ""
    command = promotion_command(client, schema.STUDY_NAME.read(run.data.tags) or "")
    return f"the run of a study, not of a trial; register the model that the study recommends: {command}"


def promotion_command(client: mlflow.MlflowClient, name: str) -> str:
    """Return the command that registers the model which the study `name` recommends."""
    return shell_line([*PROMOTE, "--study", name, *store_option(client, PROJECT)])


def study_names(client: mlflow.MlflowClient) -> list[str]:
    """Return the studies that a store knows, sorted."""
    experiments = all_experiments(client)
    runs = client.search_runs(experiments, f"tags.{schema.STUDY_KEY} != ''", max_results=1000)
    return sorted({schema.STUDY_NAME.read(run.data.tags) or "" for run in runs})
