"""A budget's bookkeeping, with a study in memory and trials that end as they are told to."""

import re
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
from hydra.core.override_parser.overrides_parser import OverridesParser
from omegaconf import OmegaConf

from src.advice.rounds import PlannedTrial
from src.cli.job_results import JobResult
from src.common.errors import Interrupted, ThawError
from src.search.budget import Budget, _measured_time
from src.search.budget_log import BudgetLog
from src.search.candidates import Candidate, read_rates
from src.search.sweep import Sweep
from src.tracking.study import Study


class MemoryStudy:
    """What a budget keeps in its study's run, and runs that took a second each."""

    def __init__(self) -> None:
        self.kept: dict[str, Any] = {}
        self.photos = "few"
        self.client = SimpleNamespace(get_run=self.run, get_metric_history=lambda *_: [])

    def run(self, job: str) -> Any:
        data = SimpleNamespace(tags={"trial_key": f"{job} of {self.photos} photos"}, metrics={"time/total": 1.0})
        return SimpleNamespace(info=SimpleNamespace(run_id=job), data=data)

    @property
    def compared(self) -> list[str]:
        return list(self.kept["compared"])

    def budget(self) -> Mapping[str, Any]:
        return dict(self.kept)

    def keep_budget(self, content: Mapping[str, Any]) -> None:
        self.kept = dict(content)


class ScriptedSweep:
    """Ends each job as `endings` say by its number, and else with a score."""

    def __init__(
        self, study: MemoryStudy, endings: Mapping[int, str] | None = None, *, fail_fast: bool = False
    ) -> None:
        self.study, self.endings, self.jobs = study, endings or {}, list[Sequence[str]]()
        self.fail_fast = fail_fast
        self.stopped = self.time_is_up = False
        self.warnings: list[str] = []
        self.tracking = SimpleNamespace(artifacts="none", save_model=None)
        self.display = SimpleNamespace(name="study", note=lambda _: None, warn=self.warnings.append)
        self.folder = Path("shared")

    def run_of(self, result: JobResult) -> Any:
        return self.study.run(result.run_id)

    def launch(self, jobs: Sequence[Sequence[str]]) -> list[JobResult]:
        return [self._end(job) for job in jobs]

    def _end(self, job: Sequence[str]) -> JobResult:
        number = len(self.jobs)
        self.jobs.append(job)
        status = self.endings.get(number, "finished")
        if status == "interrupted":
            raise Interrupted(2)
        if self.fail_fast and number > min(self.endings):
            status, self.stopped = "skipped", True
        score = 0.5 if status == "finished" else None
        return JobResult(number, cast("Any", status), " ".join(job), score, 1.0, "")


@pytest.fixture(autouse=True)
def without_model(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Budget, "_keep_model", lambda _: None)


def budget_of(
    sweep: ScriptedSweep, minutes: float = 5.0, fraction: float = 1.0, spent: float = 0.0, start: float = 0.0,
    force: bool = False,
) -> Budget:  # fmt: skip
    config = OmegaConf.create(
        {
            "fine_tune_epochs": 6,
            "seed": 0,
            "data": {"fraction": fraction},
            "report": {"margin": None},
            "force": force,
        }
    )
    given = (f"data.fraction={fraction:g}",) if fraction != 1 else ()
    candidates = [Candidate((f"unfrozen={depth}", *given), "", depth, f"unfrozen={depth}") for depth in (0, 1)]
    began = time.monotonic() - spent
    return Budget(cast("Sweep", sweep), config, candidates, ["1e-3", "1e-4"], minutes, began, start)


@pytest.mark.parametrize(("start", "kept"), [(0.0, 0.0), (5.0, 2.0), (1000.0, 60 * 0.25 / 4)])
def test_a_slow_start_leaves_more_for_the_report_but_not_all(start: float, kept: float) -> None:
    budget = budget_of(ScriptedSweep(MemoryStudy()), minutes=1, start=start)
    assert budget.seconds_left - budget.remaining == pytest.approx(kept, abs=0.1)


def test_a_first_trial_that_fails_ends_the_budget_and_is_tried_again() -> None:
    study = MemoryStudy()
    for ending in ("failed", "killed"):
        sweep = ScriptedSweep(study, {0: ending})
        budget_of(sweep).spend()
        assert len(sweep.jobs) == 1
    mended, again = ScriptedSweep(study), ScriptedSweep(study)
    for sweep in (mended, again):
        budget_of(sweep).spend()
    assert len(mended.jobs) > 1
    assert {*map(tuple, again.jobs)} == {*map(tuple, mended.jobs)}, "what failed first is known now"


@pytest.mark.parametrize("ending", ["failed", "killed"])
def test_failed_and_killed_trials_are_tried_once(ending: str) -> None:
    study = MemoryStudy()
    first = ScriptedSweep(study, {1: ending})
    budget_of(first).spend()
    assert sum(job == first.jobs[1] for job in first.jobs) == 1
    again = ScriptedSweep(study)
    budget = budget_of(again)
    spent = budget.session.spent
    budget.spend()
    budget.keep_time()
    assert budget.session.spent == spent, "an answer that is known takes none of the budget's time"
    assert [("not tried again" in text) for text in again.warnings] == [True]
    assert first.jobs[1] not in again.jobs
    assert len(again.jobs) == len({tuple(job) for job in first.jobs}) - 1


def test_a_failure_that_ends_a_sweep_ends_a_budget_until_the_command_is_run_again() -> None:
    study = MemoryStudy()
    stopped = ScriptedSweep(study, {2: "failed"}, fail_fast=True)
    budget = budget_of(stopped)
    budget.spend()
    assert len(stopped.jobs) == 4, "the last one is skipped"
    assert not budget.session.ended
    again = ScriptedSweep(study)
    mended = budget_of(again)
    mended.spend()
    assert stopped.jobs[3] in again.jobs
    assert mended.session.ended
    assert len(mended.log.sessions) == 1


def test_what_is_compared_follows_the_photos() -> None:
    """The same command after photos were added: its trials are trained anew, with other keys."""
    study = MemoryStudy()
    budget_of(ScriptedSweep(study)).spend()
    before = study.compared
    study.photos = "more"
    again = ScriptedSweep(study)
    budget = budget_of(again, minutes=4, spent=7)
    budget.spend()
    assert [text for text in again.warnings if "begins anew" in text]
    assert [session.minutes for session in budget.log.sessions] == [4]
    assert 7 <= budget.session.spent < 60
    assert len(set(before)) == len(before) >= 4
    assert study.compared == [key.replace("few", "more") for key in before]


def test_force_begins_anew() -> None:
    study = MemoryStudy()
    budget_of(ScriptedSweep(study)).spend()
    sweep = ScriptedSweep(study)
    budget = budget_of(sweep, minutes=2, force=True)
    assert [len(each.rounds) for each in budget.log.sessions] == [0]
    budget.spend()
    assert len(sweep.jobs) > 4
    assert not sweep.warnings


def test_a_round_that_was_cut_off_keeps_what_had_ended_however_little_time_is_left() -> None:
    study = MemoryStudy()
    cut_off = ScriptedSweep(study, {6: "interrupted"})
    with pytest.raises(Interrupted):
        budget_of(cut_off).spend()
    before = BudgetLog(cast("Study", study), {k: v for k, v in study.kept["facts"].items() if k != "version"})
    (trials,) = [logged.trials for _, logged in before.rounds() if logged.done is None]
    again = budget_of(ScriptedSweep(study), minutes=5)
    again.spent_before = 299.0
    again.spend()
    (ended,) = [logged for _, logged in again.log.rounds() if logged.trials == trials]
    assert ended.done == len(trials), "the simulated ones take no time: they had ended"


def test_trials_that_leave_nothing_here_are_an_error() -> None:
    budget = budget_of(ScriptedSweep(MemoryStudy()))
    with pytest.raises(ThawError, match=r"hydra\.sweep\.dir=shared: trials on other hosts leave nothing there"):
        budget._outcome(JobResult(0, "finished", "", 0.5, 0.0, ""))


def test_a_time_that_the_store_was_not_given_yet_is_that_of_the_result() -> None:
    run = MemoryStudy().run("job")
    run.data.metrics.clear()
    study = MemoryStudy()
    assert _measured_time(cast("Any", study.client), run, 7.0).seconds == 7.0


def test_a_trial_that_failed_in_the_comparison_stays_in_it() -> None:
    undisturbed = ScriptedSweep(MemoryStudy())
    budget_of(undisturbed).spend()
    number = next(k for k, job in enumerate(undisturbed.jobs) if "seed=2" in job)
    study = MemoryStudy()
    for endings in ({number: "failed"}, {}):
        budget_of(ScriptedSweep(study, endings)).spend()
        assert sum("seed=2" in key for key in study.compared) == 2


def test_seeds_that_chose_what_is_compared_are_kept_too() -> None:
    study = MemoryStudy()
    budget_of(ScriptedSweep(study)).spend()
    assert study.kept["stage"] == "final"
    assert len(study.kept["chose"]) >= 2
    assert all(re.search("seed=(0|11|12) ", key) for key in study.kept["chose"])
    assert not any("fine_tune_epochs" in key for key in study.kept["chose"]), "on full schedules"
    assert not {*study.kept["chose"]} & {*study.compared}


def test_an_interrupted_budget_near_its_end_answers_with_what_is_known() -> None:
    study = MemoryStudy()
    budget = budget_of(ScriptedSweep(study, {2: "interrupted"}), spent=20)
    with pytest.raises(Interrupted):
        budget.spend()
    budget.keep_time()
    assert budget.session.spent >= 20
    again = ScriptedSweep(study)
    late = budget_of(again, minutes=0.4)
    late.spend()
    assert late.session.minutes == 0.4, "the minutes given now"
    assert late.state().has_scores
    assert late.session.ended


def test_a_fixed_fraction_is_multiplied() -> None:
    budget = budget_of(ScriptedSweep(MemoryStudy()), fraction=0.2)
    job = budget.job(PlannedTrial(1, 0, 1, 6, 0.5))
    assert [line for line in job if line.startswith("data.fraction")] == ["data.fraction=0.1"]
    assert "data.fraction=0.2" in budget.job(PlannedTrial(1, 0, 1, 6))


@pytest.mark.parametrize("values", ["1e-3,fast", "null", "1e-3,99", "0"])
def test_what_is_no_rate_is_refused(values: str) -> None:
    overrides = OverridesParser.create().parse_overrides([f"fine_tune_learning_rate={values}"])
    with pytest.raises(ThawError, match="fine_tune_learning_rate="):
        read_rates(overrides, 1e-3)
