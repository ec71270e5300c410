"""A time budget: :mod:`src.advice` decides, Hydra's launchers run, MLflow remembers.

Trials are reused and resumed as in any sweep, and what was decided by which times is kept in the study's run. So the
same command goes on where it was cut off, is answered at once when it is done, and goes on with more minutes.
"""

import contextlib
import itertools
import signal
import statistics
import time
from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import Any

import mlflow
from hydra.plugins.launcher import Launcher
from hydra.types import HydraContext
from mlflow.entities import Run as FoundRun
from omegaconf import DictConfig

from src.advice.cost_model import Took
from src.advice.rounds import Options, Outcome, PlannedTrial, State, compared, next_round
from src.cli.composition import is_read_by_phases
from src.cli.job_results import JobResult
from src.cli.overrides import Axes, plain_key, that_change_numbers
from src.cli.signals import time_limit
from src.common.clock import process_age
from src.common.errors import Interrupted, ThawError
from src.common.override import override_key
from src.reporting.budget_text import plan_line
from src.reporting.recommendation import recommend
from src.reporting.study_report import records
from src.search.budget_log import BudgetLog, Session
from src.search.candidates import RATE_KEY, Candidate, read_candidates, read_rates
from src.search.oracles import EPOCHS_KEY
from src.search.settings import BudgetSettings
from src.search.sweep import Sweep, open_sweep
from src.tracking import schema
from src.verdict.verdict import judge

_REPORT_SECONDS = 9.0
"""What the report takes at a sweep's end, on two cores."""
_MODEL_SECONDS = 6.0
"""What it takes to keep the recommended trial's model, beside a trial's own time."""
_LEAST_SECONDS = 25.0
"""Less does not do for the start, one trial and the report."""
_REPLAY_SECONDS = 600.0
"""What an answer that is known may take at most."""
_FRACTION_KEY = "data.fraction"
_REFUSED = {"seed", EPOCHS_KEY, _FRACTION_KEY}


def sweep_budget(
    given: BudgetSettings,
    params: dict[str, Any],
    config: DictConfig,
    context: HydraContext,
    launcher: Launcher,
    arguments: list[str],
) -> None:
    """Compare the depths that `arguments` and `params` name within a time; the command line's replace the latter.

    Raises:
        ThawError: no depth in order, a budget too small, a store that cannot be had, or trials that failed.
    """
    began = time.monotonic() - process_age()
    axes = Axes.read(context.config_loader, params, arguments)
    _check(given, config, axes)
    warnings: list[str] = []
    candidates = read_candidates(context.config_loader, config, axes.overrides, warnings)
    rates = read_rates(axes.overrides, config.fine_tune_learning_rate)
    shown = ["seed", EPOCHS_KEY, _FRACTION_KEY]
    with open_sweep(config, launcher, axes, f"budget: {axes.name}", None, shown) as sweep:
        for line in warnings:
            sweep.display.warn(line)
        budget = Budget(sweep, config, candidates, rates, given.minutes, began)
        try:
            budget.spend()
        except Interrupted as stop:
            if not budget.known:
                raise
            sweep.interrupted = stop  # what is known is reported


def _check(given: BudgetSettings, config: DictConfig, axes: Axes) -> None:
    if given.minutes * 60 < _LEAST_SECONDS:
        raise ThawError(
            f"minutes={given.minutes:g}: start and report alone take about {_LEAST_SECONDS:.0f} s; give 1 or more"
        )
    if not is_read_by_phases(config, EPOCHS_KEY):
        raise ThawError(f"a budget rations {EPOCHS_KEY}, which this schedule does not use: schedule=two_phase?")
    for override in axes.overrides:
        if override.is_sweep_override() and plain_key(override) in _REFUSED:
            raise ThawError(f"{override.input_line}: the budget decides on it; give one value")


class Budget:
    """The budget of a study under way."""

    def __init__(
        self, sweep: Sweep, config: DictConfig, candidates: Sequence[Candidate], rates: Sequence[str], minutes: float,
        began: float,
    ) -> None:  # fmt: skip
        self.sweep, self.candidates, self.rates, self.began = sweep, candidates, rates, began
        self.epochs, self.seed = int(config.fine_tune_epochs), int(config.seed)
        self.keeps_model = config.tracking.save_model is not False
        self.options = Options(tuple(candidate.group for candidate in candidates), len(rates), self.epochs)
        self.known: dict[PlannedTrial, Outcome] = {}
        self.run_ids: dict[PlannedTrial, str] = {}
        names = [" ".join(filter(None, (candidate.group, candidate.name))) for candidate in candidates]
        depths = [candidate.depth for candidate in candidates]
        facts = {"candidates": names, "depths": depths, "rates": list(rates), "epochs": self.epochs, "seed": self.seed}
        self.log = BudgetLog(sweep.study, facts)
        self.session = self.log.open(minutes)
        self.spent_before = self.session.spent

    def spend(self) -> None:
        """Train what was decided on, then what is decided now, until the time is up; then keep the model."""
        ended = self.session.ended
        with self._limit(self.remaining if not ended else _REPLAY_SECONDS):
            self._replay()
            if not ended:
                self._go_on()
                self.session.ended = not self.sweep.stopped
        if not self.known:
            self.log.save()
            raise ThawError(self._too_small())
        with self._limit(self.seconds_left - _REPORT_SECONDS if not ended else _REPLAY_SECONDS):
            self._keep_model()
        self.session.spent = self.session.spent if ended else round(self.spent + _REPORT_SECONDS, 1)
        self.log.save()

    @property
    def spent(self) -> float:
        """Return the seconds of all sessions so far."""
        return self.spent_before + time.monotonic() - self.began

    @property
    def seconds_left(self) -> float:
        """Return the seconds until the budget's end."""
        return 60 * self.session.minutes - self.spent

    @property
    def remaining(self) -> float:
        """Return the seconds left for trials."""
        return self.seconds_left - _REPORT_SECONDS - _MODEL_SECONDS * self.keeps_model

    def state(self) -> State:
        """Return all that the next decision follows from."""
        rounds = [(session is self.session, logged.decided()) for session, logged in self.log.rounds()]
        mine, earlier = (tuple(logged for is_this, logged in rounds if is_this is which) for which in (True, False))
        return State(self.options, self.known, mine, earlier)

    @contextlib.contextmanager
    def _limit(self, seconds: float) -> Iterator[None]:
        """End the block when the time is up: what was being trained goes on from its last epoch with more minutes."""
        try:
            with time_limit(seconds):
                yield
        except Interrupted as stop:
            if stop.signal_number != signal.SIGALRM:
                raise
            self.sweep.time_is_up = True
            self._cut_off()

    def _cut_off(self) -> None:
        """Keep that the time ended the round under way."""
        self.session.ended = True
        logged = self.session.rounds[-1] if self.session.rounds else None
        if logged is not None and logged.done is None:
            trained = itertools.takewhile(self.known.__contains__, logged.launched())
            self._ended(self.session, [self.known[trial] for trial in trained])

    def _replay(self) -> None:
        """Launch what earlier commands decided on: it is reused, but for a round that was cut off."""
        for session, logged in list(self.log.rounds()):
            is_under_way = logged.done is None
            outcomes = self._train(logged.launched(), one_by_one=is_under_way)
            if is_under_way:
                self._ended(session, outcomes)

    def _go_on(self) -> None:
        shown = ""
        while not self.sweep.stopped and (decided := next_round(self.state(), self.remaining)):
            line = plan_line(self.state(), decided, self._names())
            if line != shown:
                self.sweep.display.note(line)
            shown = line
            self.log.began(self.session, decided)
            self._ended(self.session, self._train(decided.trials, one_by_one=True))

    def _ended(self, session: Session, outcomes: Sequence[Outcome]) -> None:
        trials, is_fresh = compared(self.state())
        jobs = [list(that_change_numbers(self.job(trial))) for trial in trials]
        self.log.more |= {"compared": jobs, "stage": "final" if is_fresh else "search"}
        self.log.ended(session, outcomes, self.spent)

    def _train(self, trials: Sequence[PlannedTrial], *, one_by_one: bool) -> list[Outcome]:
        """Return the outcomes of `trials`; those at the end that no longer fit in the time are left out."""
        outcomes: list[Outcome] = []
        for part in [[trial] for trial in trials] if one_by_one else [list(trials)]:
            if one_by_one and outcomes and self.state().seconds(part) > self.remaining:
                break
            results = self.sweep.launch([self.job(trial) for trial in part])
            if {"killed", "skipped"} & {result.status for result in results}:
                break
            for trial, result in zip(part, results, strict=True):
                self.known[trial] = self._outcome(result)
                self.run_ids[trial] = result.run_id
                outcomes.append(self.known[trial])
        return outcomes

    def job(self, trial: PlannedTrial) -> list[str]:
        """Return the overrides of a trial."""
        replaced = {"seed"} | ({EPOCHS_KEY} if trial.epochs != self.epochs else set())
        kept = [line for line in self.candidates[trial.candidate].overrides if override_key(line) not in replaced]
        job = [*kept, f"{RATE_KEY}={self.rates[trial.rate]}", f"seed={self.seed + trial.seed}"]
        job += [f"{EPOCHS_KEY}={trial.epochs}"] if trial.epochs != self.epochs else []
        return [*job, f"{_FRACTION_KEY}={trial.fraction:g}"] if trial.fraction != 1 else job

    def _outcome(self, result: JobResult) -> Outcome:
        """Return what came of a trial, by its run: a reused one took what it took when it was trained."""
        if result.score is None or not result.run_id:
            return Outcome(None, 0, Took(result.seconds, 0.0, 0))
        run = self.sweep.study.client.get_run(result.run_id)
        images = schema.IMAGES.at("val").read(run.data.tags)
        return Outcome(result.score, int(images or 0), _took(self.sweep.study.client, run))

    def _keep_model(self) -> None:
        """Train the recommended trial once more for its model: from the epochs that are kept."""
        study = self.sweep.study
        recommended = recommend(judge(records(study.client, {self.sweep.display.name: study})))
        trials = [trial for trial, run_id in self.run_ids.items() if recommended and run_id == recommended.run_id]
        if not self.keeps_model or not trials:
            return
        (result,) = self.sweep.launch([[*self.job(trials[0]), "tracking.save_model=true"]])
        if result.score is not None:
            self.log.more["model"] = result.run_id

    def _names(self) -> list[str]:
        return [str(name) for name in self.log.facts["candidates"]]

    def _too_small(self) -> str:
        minutes = self.session.minutes
        return (
            f"minutes={minutes:g}: time was up before the first trial had ended; what it has trained is kept. "
            f"Give minutes={max(2 * minutes, 2):g} or more, or fewer images, a smaller backbone or image_size"
        )


def _took(client: mlflow.MlflowClient, run: FoundRun) -> Took:
    """Return the time that a trial took, and that an epoch of its last phase took, by when its epochs were logged."""
    phases = sorted(client.get_metric_history(run.info.run_id, schema.PHASE), key=lambda item: item.step)
    last = [item for item in phases if item.value == phases[-1].value]
    resumed = (schema.RESUMED_EPOCHS.read(run.data.tags) or 0) - (len(phases) - len(last))
    ends = [item.timestamp / 1000 for item in last[max(resumed, 0) :]]
    epochs = [later - earlier for earlier, later in pairwise(ends)]
    return Took(run.data.metrics[schema.TIME_TOTAL], statistics.median(epochs) if epochs else 0.0, len(ends))
