"""A study: one parent run, its trials as children, and trials of other studies that it takes in.

A trial belongs to a study by a tag on its run, `study.DIGEST`, whose text is the trial's overrides, a line for each
spelling; DIGEST is of the study's name, since names come from users and a store's query language knows no quoting. So
the store alone holds a study, whatever became of the process that swept it.
"""

import csv
import hashlib
import io
import json
import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Self

import mlflow
from mlflow.entities import Metric, RunTag
from mlflow.entities import Run as FoundRun
from mlflow.exceptions import MlflowException

from src.common.errors import ThawError, one_line
from src.common.files import atomic_write
from src.common.metrics import METRICS, Objective
from src.features.cache_plan import SharedFeatures
from src.tracking.idle_keys import spelled_as_trained
from src.tracking.mlflow_internals import delete_artifacts
from src.tracking.mlflow_run import encodable
from src.tracking.trial_runs import KEY_TAG, STUDY_KEY_TAG, all_experiments

STUDY_NAME_TAG, OBJECTIVE_TAG = "study", "objective"
PARENT_TAG = "mlflow.parentRunId"  # as MLflow documents it
_UNPLANNED_TAG = "unplanned"
_MEMBERSHIP_FILE = "study.json"
_LONGEST_TAG = 5000


@dataclass(frozen=True)
class StudyContext:
    """A trial's place in a study: its parent run, how it spells the trial, what else it trains, what it judges by."""

    study_key: str
    parent_run_id: str
    overrides: str = ""
    shared_features: SharedFeatures = field(default_factory=SharedFeatures)
    objective: Objective = "accuracy"

    @property
    def tag(self) -> str:
        """The tag's name."""
        return member_tag(self.study_key)

    def tags(self) -> dict[str, str]:
        """What makes a new run the study's own."""
        return {PARENT_TAG: self.parent_run_id, self.tag: self.overrides}

    def take_in(self, client: mlflow.MlflowClient, run: FoundRun) -> None:
        """Make the run that a trial of the study reuses a member, whichever study trained it."""
        tags = client.get_run(run.info.run_id).data.tags  # as they are now: another process may just have set it
        spellings = [line for line in tags.get(self.tag, "").split("\n") if line]
        if self.overrides not in spellings:
            client.set_tag(run.info.run_id, self.tag, "\n".join([*spellings, self.overrides])[:_LONGEST_TAG])

    def save(self, folder: Path) -> None:
        """Leave it in a sweep's folder for the sweep's jobs, whichever process they run in."""
        atomic_write(folder / _MEMBERSHIP_FILE, json.dumps(asdict(self)))

    @classmethod
    def load(cls, folder: Path, overrides: str) -> Self | None:
        """Return the study context of the job with `overrides`; None where the sweep left none."""
        try:
            left = json.loads((folder / _MEMBERSHIP_FILE).read_text("utf-8"))
            shared = SharedFeatures(tuple(left["shared_features"]["depths"]), left["shared_features"]["trials"])
            return cls(**left | {"overrides": overrides, "shared_features": shared})
        except (OSError, ValueError, TypeError, KeyError):
            return None


def study_key(name: str) -> str:
    """Return a study's key: a digest of its name."""
    return hashlib.blake2b(name.encode("utf-8", "surrogateescape"), digest_size=10).hexdigest()


def member_tag(key: str) -> str:
    """The tag by which a run belongs to the study `key`."""
    return f"study.{key}"


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
        """The study called `name` in an experiment, made where it was missing; it reads RUNNING from here on.

        Its trials are judged by `objective` from here on, also those of earlier sweeps.
        """
        key = study_key(name)
        query = f"tags.{STUDY_KEY_TAG} = '{key}'"
        found = client.search_runs([experiment_id], query, max_results=1, order_by=["start_time ASC"])
        if found:
            client.log_batch(found[0].info.run_id, tags=[RunTag(*tag) for tag in tags.items()])
            client.update_run(found[0].info.run_id, "RUNNING")
            client.set_tag(found[0].info.run_id, OBJECTIVE_TAG, objective)
            return cls(client, experiment_id, found[0].info.run_id, key, objective)
        named = {STUDY_KEY_TAG: key, STUDY_NAME_TAG: encodable(name)[:_LONGEST_TAG]}
        born = {**named, OBJECTIVE_TAG: objective, **tags}
        created = client.create_run(experiment_id, tags=born, run_name=encodable(name)[:250])
        study = cls(client, experiment_id, created.info.run_id, key, objective)
        study._adopt()
        return study

    @classmethod
    def find(cls, client: mlflow.MlflowClient, name: str) -> Self | None:
        """The study called `name` in whichever experiment, or None; the one swept last where there are several."""
        experiments = all_experiments(client)
        query = f"tags.{STUDY_KEY_TAG} = '{study_key(name)}'"
        found = client.search_runs(experiments, query, max_results=1, order_by=["end_time DESC"])
        if not found:
            return None
        info, tags = found[0].info, found[0].data.tags
        return cls(client, info.experiment_id, info.run_id, study_key(name), _objective_of(tags))

    def describe(self, varied: Mapping[str, str], fixed: Sequence[str], config: str) -> None:
        """Log what the study's latest sweep varies, over what, what it fixes, and the configuration below (YAML)."""
        lines = [*(f"{key}={values}" for key, values in varied.items()), *fixed]
        tags = [RunTag("varies", encodable(" ".join(lines[: len(varied)]))[:_LONGEST_TAG])]
        self.client.log_batch(self.run_id, tags=tags)
        self.client.log_text(self.run_id, encodable("".join(f"{line}\n" for line in lines)), "study.txt")
        self.client.log_text(self.run_id, encodable(config), "config.yaml")

    def add_failed(self, overrides: str, error: str, trace: str) -> None:
        """A trial that failed before it had a run of its own: one run, however often it fails so."""
        own = StudyContext(self.key, self.run_id, encodable(overrides)[:_LONGEST_TAG])
        mark = study_key(f"{self.key} {overrides}")
        found = self.client.search_runs([self.experiment_id], f"tags.{_UNPLANNED_TAG} = '{mark}'", max_results=1)
        born = {_UNPLANNED_TAG: mark, **own.tags()}
        run = found[0] if found else self.client.create_run(self.experiment_id, tags=born, run_name=own.overrides[:250])
        self.client.log_batch(run.info.run_id, tags=[RunTag("error", encodable(error)[:_LONGEST_TAG])])
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
        """Every run of the study's trials, its own and those taken in, oldest first."""
        experiments = all_experiments(self.client)
        query, runs, token = f"tags.`{member_tag(self.key)}` != ''", [], None
        while True:
            page = self.client.search_runs(
                experiments, query, max_results=500, order_by=["start_time ASC"], page_token=token
            )
            runs += list(page)
            token = page.token
            if not token:
                return runs

    def trials(self) -> list[FoundRun]:
        """One run for each of the study's trials; see :func:`one_each`."""
        return one_each(self.members(), self.key)

    def close(self, status: str, *, reused: int, pruned: int) -> None:
        """Leave the table of all trials, the counts and the objective's best; FINISHED, FAILED or KILLED.

        Finished, failed and killed count the table's rows. `reused` and `pruned` are of the latest sweep: trials that
        needed no training, and configurations that a search did not take further.
        """
        try:
            trials = self.trials()
            ended = Counter(run.info.status.lower() for run in trials)
            counts = {name: ended[name] for name in ("finished", "failed", "killed")}
            self._log_numbers(trials, counts | {"reused": reused, "pruned": pruned})
            self.client.log_text(self.run_id, as_csv(trials, self.key, self.run_id), "trials.csv")
        finally:
            self.client.set_terminated(self.run_id, status)

    def _log_numbers(self, trials: Sequence[FoundRun], counts: Mapping[str, int]) -> None:
        numbers = {f"trials/{name}": float(count) for name, count in counts.items()}
        own = METRICS[self.objective].best
        scored = [run for run in trials if run.info.status == "FINISHED" and own in run.data.metrics]
        best, tags = max(scored, key=lambda run: float(run.data.metrics[own]), default=None), []
        if best is not None:
            every, known = (metric.best for metric in METRICS.values()), best.data.metrics
            numbers |= {name: known[name] for name in every if name in known}
            tags.append(RunTag("best_run_id", best.info.run_id))
        now = int(time.time() * 1000)
        self.client.log_batch(self.run_id, [Metric(name, value, now, 0) for name, value in numbers.items()], tags=tags)

    def _adopt(self) -> None:
        """Take over the trials of the study's run from before, where somebody deleted that."""
        children = [run for run in self.members() if PARENT_TAG in run.data.tags]
        gone = {parent for parent in {_parent(run) for run in children} if self._is_gone(parent)}
        for run in children:
            if _parent(run) in gone:
                self.client.set_tag(run.info.run_id, PARENT_TAG, self.run_id)

    def _is_gone(self, parent: str) -> bool:
        """Return whether `parent` was this study's run and is deleted, or does not exist."""
        try:
            run = self.client.get_run(parent)
        except MlflowException as error:
            return bool(error.error_code == "RESOURCE_DOES_NOT_EXIST")
        return bool(run.info.lifecycle_stage == "deleted") and run.data.tags.get(STUDY_KEY_TAG) == self.key


def find_study(client: mlflow.MlflowClient, name: str) -> Study:
    """Return the study called `name`, in whichever experiment.

    Raises:
        ThawError: no such study.
    """
    study = Study.find(client, name)
    if study is None:
        known = ", ".join(one_line(each, 60) for each in study_names(client)) or "none"
        raise ThawError(f"--study {name}: no such study; known: {known}")
    return study


def study_names(client: mlflow.MlflowClient) -> list[str]:
    """The studies that a store knows, sorted."""
    experiments = all_experiments(client)
    found = client.search_runs(experiments, f"tags.{STUDY_KEY_TAG} != ''", max_results=1000)
    return sorted({run.data.tags.get(STUDY_NAME_TAG, "") for run in found})


def one_each(runs: Iterable[FoundRun], key: str) -> list[FoundRun]:
    """One run for each trial: the last that finished, else the last that did not.

    A trial that failed while it was planned has no key; it is the same as a later one that is spelled alike.
    """
    chosen = last_of_each(runs, lambda run: run.data.tags.get(KEY_TAG) or run.data.tags[member_tag(key)])
    known = {line for run in chosen if KEY_TAG in run.data.tags for line in spellings(run, key)}
    return [run for run in chosen if KEY_TAG in run.data.tags or not known & set(spellings(run, key))]


def last_of_each(runs: Iterable[FoundRun], name: Callable[[FoundRun], str]) -> list[FoundRun]:
    """One run for each trial, told apart by `name`: the last that finished, else the last that did not."""
    chosen: dict[str, FoundRun] = {}
    for run in runs:
        key = name(run)
        if key not in chosen or run.info.status == "FINISHED" or chosen[key].info.status != "FINISHED":
            chosen[key] = run
    return list(chosen.values())


def spellings(run: FoundRun, key: str) -> list[str]:
    """Return the study's spellings of a run's trial, the first one first."""
    return str(run.data.tags[member_tag(key)]).split("\n")


def as_csv(runs: Iterable[FoundRun], key: str, parent_run_id: str) -> str:
    """A table with a row for each trial; see :func:`as_rows`."""
    return csv_text(as_rows(runs, key, parent_run_id))


def as_rows(runs: Iterable[FoundRun], key: str, parent_run_id: str) -> list[dict[str, Any]]:
    """A row for each trial: its overrides, how it ended, where it was trained, parameters and metrics."""
    return [_row(run, key, parent_run_id) for run in runs]


def csv_text(rows: Sequence[Mapping[str, Any]]) -> str:
    """`rows` as a table with every column that one of them has."""
    columns = dict.fromkeys(name for row in rows for name in row)
    text = io.StringIO()
    table = csv.DictWriter(text, list(columns), restval="", lineterminator="\n")
    table.writeheader()
    table.writerows(rows)
    return text.getvalue()


def _parent(run: FoundRun) -> str:
    return str(run.data.tags.get(PARENT_TAG, ""))


def _row(run: FoundRun, key: str, parent_run_id: str) -> dict[str, Any]:
    own = _parent(run) == parent_run_id
    return {
        "overrides": " | ".join(_followed(run, key)),
        "status": run.info.status,
        "trained_by": "this study" if own else "another",
        "run_id": run.info.run_id,
        **dict(sorted(run.data.params.items())),
        **dict(sorted(run.data.metrics.items())),
    }


def _followed(run: FoundRun, key: str) -> list[str]:
    """Return how the study spells a run's trial, without what changes nothing; each spelling once."""
    return list(dict.fromkeys(spelled_as_trained(run, line) for line in spellings(run, key)))


def _objective_of(tags: Mapping[str, str]) -> Objective:
    """Return a study's objective; accuracy of one from before."""
    return METRICS.get(tags.get(OBJECTIVE_TAG, ""), METRICS["accuracy"]).objective
