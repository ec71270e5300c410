"""Thaw from Python, for notebooks and scripts: train a trial, read a study.

>>> from src.api import Study, train_trial                                                       # doctest: +SKIP
>>> train_trial({"data.root": "photos"}, data="folder", unfrozen=2).score                        # doctest: +SKIP
0.87
>>> Study.load("unfreezing").to_frame().groupby("depth")["best/val_accuracy"].mean()             # doctest: +SKIP
"""

import gc
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Self

from hydra import compose, initialize_config_dir
from hydra.core.global_hydra import GlobalHydra
from hydra.errors import HydraException
from omegaconf import DictConfig, open_dict

from src import PYTHONS_THRESHOLD
from src.cli.command_line import as_hydra_reads
from src.cli.composition import idle, prepare, trial_config
from src.cli.entry import origin_of
from src.cli.error_messages import explain
from src.common.errors import ThawError
from src.common.metrics import Objective, known_objective
from src.common.project import CONF, PROJECT

if TYPE_CHECKING:
    import mlflow
    import pandas as pd

    from src.reporting.study_report import Report
    from src.tracking.study import Study as StudyRun
    from src.trial.result import TrialResult
    from src.verdict.verdict import Verdict

gc.set_threshold(*PYTHONS_THRESHOLD)  # this process is not Thaw's

Value = str | int | float | bool | Path | None | list["Value"]
"""A setting, as Python has it; None is null."""


def train_trial(
    settings: Mapping[str, Value] | None = None, /, *, output: Path | str | None = None, **more: Value
) -> "TrialResult":
    """Train one trial, or reuse the run that trained it; the same as ``python -m src.train KEY=VALUE …``.

    Args:
        settings: values by dotted key, such as ``{"data.root": "photos"}``.
        output: folder for summary.json, figures and model; None: a new one in .thaw/outputs.
        **more: values by key, such as ``backbone="mobilenetv2", unfrozen=2``.

    Returns:
        The trial's result; ``result.summary`` has its metrics by their names in MLflow.

    Raises:
        ThawError: a misspelled key, a value out of range, images or weights that cannot be read.
    """
    prepare()
    typed = as_hydra_reads([f"{key}={_text(value)}" for key, value in {**(settings or {}), **more}.items()])
    composed, choices = _composed(typed)
    trial = trial_config(composed)
    from src.trial.run import run_trial

    folder = Path(output) if output else PROJECT / ".thaw" / "outputs" / "api" / f"{time.time_ns()}"
    return run_trial(trial, folder.resolve(), None, origin_of(choices, typed), idle(composed, typed))


def render(run_id: str, tracking_uri: str | None = None) -> None:
    """Make the figures and the model of a finished trial from its checkpoints, and keep them with its run.

    The same as ``python -m src.render runs:/ID``: most trials of a sweep have neither.

    Args:
        run_id: of the trial's run in MLflow; ``result.summary["run_id"]``, or from a study's table.
        tracking_uri: MLflow's; None: MLFLOW_TRACKING_URI, else the project's own store.

    Raises:
        ThawError: no finished trial's run, its images are other ones now, or the trial has other numbers here.
    """
    from src.tracking.mlflow_store import existing_store, refusals_as_errors
    from src.tracking.trial_runs import Artifact
    from src.trial.rendering import render_run

    with refusals_as_errors():
        render_run(existing_store(tracking_uri, PROJECT), run_id, Artifact.FIGURES | Artifact.MODEL, progress=False)


def _composed(typed: list[str]) -> tuple[DictConfig, Mapping[str, str]]:
    """Return the configuration of overrides, and what was chosen in each group."""
    try:
        with _separate_hydra(), initialize_config_dir(str(CONF), version_base="1.3"):
            composed = compose("config", typed, return_hydra_config=True)
    except HydraException as error:
        raise ThawError(explain(error)) from error
    with open_dict(composed):
        return composed, composed.pop("hydra").runtime.choices


@contextmanager
def _separate_hydra() -> Iterator[None]:
    """Set aside what a notebook initialized Hydra with, which can hold one configuration folder at a time."""
    before = GlobalHydra.instance().hydra
    GlobalHydra.instance().clear()
    try:
        yield
    finally:
        GlobalHydra.instance().hydra = before


@dataclass(frozen=True)
class Study:
    """A study in an MLflow store; :meth:`load` finds it."""

    name: str
    client: "mlflow.MlflowClient"
    run: "StudyRun"

    @classmethod
    def load(cls, name: str, tracking_uri: str | None = None) -> Self:
        """Return the study called `name`.

        Args:
            name: as given to ``study=``, or the file's name in sweeps/.
            tracking_uri: MLflow's; None: MLFLOW_TRACKING_URI, else the project's own store.

        Raises:
            ThawError: no such store or study.
        """
        from src.tracking.mlflow_store import existing_store
        from src.tracking.study import find_study

        client = existing_store(tracking_uri, PROJECT)
        return cls(name, client, find_study(client, name))

    def to_frame(self) -> "pd.DataFrame":
        """Return the study's table, a row for each trial.

        The columns are `overrides`, `status`, `trained_by`, `run_id`, `depth` (canonical, layers from the end) and
        others, then the keys that trials read of their configuration, then the metrics (float, accuracies in 0–1) by
        their names in MLflow. docs/run_schema.md has them all, with types and units.
        """
        return self.run.to_frame()

    def verdict(self, objective: Objective | None = None, margin: float = 0.0) -> list["Verdict"]:
        """Return the verdicts, one for each facet; :meth:`answer` has them in words.

        Args:
            objective: the metric that judges; None: the study's own.
            margin: what a lesser depth may be expected to lose and still be recommended, 0–1.

        Raises:
            ThawError: no such objective.
        """
        from src.reporting.study_report import records
        from src.verdict.verdict import judge

        judged_by = known_objective("objective=", objective)
        return judge(records(self.client, {self.name: self.run}, judged_by), self.name, margin)

    def answer(self, objective: Objective | None = None, margin: float = 0.0) -> str:
        """Return the verdicts in Markdown, one for each facet; arguments and errors as :meth:`verdict` has them."""
        from src.reporting.verdict_text import note

        return "\n\n".join(note(verdict) for verdict in self.verdict(objective, margin))

    def report(self, out: Path | str, objective: Objective | None = None, margin: float = 0.0) -> "Report":
        """Write report.html, figures, trials.csv and verdict.json to the folder `out`, and return the report.

        Raises:
            ThawError: no such objective; or `out` is a file, or holds others' files of a report's names.
        """
        from src.reporting.study_report import report_to

        judged_by = known_objective("objective=", objective)
        return report_to(Path(out), self.client, {self.name: self.run}, judged_by, margin)


def _text(value: Value) -> str:
    """Return a value as it is typed for Hydra."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, list):
        return f"[{','.join(_text(item) for item in value)}]"
    return str(value)
