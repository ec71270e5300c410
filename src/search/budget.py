"""A time budget: :mod:`src.advice` decides, Hydra's launchers run, MLflow remembers.

Trials are reused and resumed as in any sweep, and what was decided by which times is kept in the study's run. So the
same command goes on where it was cut off, is answered at once when it is done, and goes on with more minutes.
"""

import contextlib
import itertools
import signal
import statistics
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import astuple, replace
from itertools import pairwise
from typing import Any

import mlflow
from hydra.plugins.launcher import Launcher
from hydra.types import HydraContext
from mlflow.entities import Run as FoundRun
from omegaconf import DictConfig

from src.advice.cost_model import MeasuredTime
from src.advice.rounds import CHOOSING_SEEDS, Options, Outcome, PlannedTrial, State, compared, next_round
from src.cli.composition import is_read_by_phases
from src.cli.job_results import JobResult
from src.cli.overrides import Axes, plain_key
from src.cli.signals import hidden_interrupts_show, time_limit
from src.common.clock import process_age
from src.common.errors import Interrupted, ThawError
from src.common.override import override_key
from src.reporting.budget_text import plan_line
from src.reporting.recommendation import recommend
from src.reporting.study_report import records
from src.search.budget_log import BudgetLog, LoggedRound, Session
from src.search.candidates import FRACTION_KEY, RATE_KEY, RATIONED, Candidate, read_candidates, read_rates
from src.search.oracles import EPOCHS_KEY
from src.search.settings import BudgetSettings
from src.search.sweep import Sweep, open_sweep
from src.tracking import schema
from src.tracking.trial_runs import Artifact
from src.trial.context import artifacts_of
from src.verdict.verdict import judge

_REPORT, _MODEL = 0.4, 1.2
"""What the report, and the recommended trial's figures and model, take: as shares of what Python's imports took, since
a slow machine, or another process on a core, slows down all of them."""
_MOST_RESERVED = 0.25
"""The share of the time that both may have at most."""
_MODEL_LATE_SECONDS = 10.0
"""By how much the model may end after the budget: a network of many test images takes longer."""
_LEAST_SECONDS = 25.0
"""What start, one trial and report take at the least."""


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
    start, entered = process_age(), time.monotonic()
    axes = Axes.read(context.config_loader, params, arguments)
    _check(given, config, axes)
    warnings: list[str] = []
    candidates = read_candidates(context.config_loader, config, axes.overrides, warnings)
    rates = read_rates(axes.overrides, config.fine_tune_learning_rate)
    shown = list(RATIONED)
    with open_sweep(config, launcher, axes, f"budget: {axes.name}", None, shown) as sweep:
        for line in warnings:
            sweep.display.warn(line)
        budget = Budget(sweep, config, candidates, rates, given.minutes, entered - start, start)
        try:
            budget.spend()
        except Interrupted as stop:
            budget.keep_time()
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
        if override.is_sweep_override() and plain_key(override) in RATIONED:
            raise ThawError(f"{override.input_line}: the budget decides on it; give one value")


class Budget:
    """The budget of a study under way: it began at `began` on the monotonic clock, and starting took `start` s."""

    def __init__(
        self, sweep: Sweep, config: DictConfig, candidates: Sequence[Candidate], rates: Sequence[str], minutes: float,
        began: float, start: float,
    ) -> None:  # fmt: skip
        self.sweep, self.candidates, self.rates, self.minutes, self.began = sweep, candidates, rates, minutes, began
        self.epochs, self.seed = int(config.fine_tune_epochs), int(config.seed)
        self.fraction = float(config.data.get("fraction", None) or 1.0)
        self.margin = float(config.report.margin or 0) / 100
        self.artifacts = artifacts_of(sweep.tracking, is_chosen=True)
        self.options = Options(tuple(candidate.group for candidate in candidates), len(rates), self.epochs)
        self.known: dict[PlannedTrial, Outcome] = {}
        names = [" ".join(filter(None, (candidate.group, candidate.name))) for candidate in candidates]
        depths = [candidate.depth for candidate in candidates]
        facts = {"candidates": names, "depths": depths, "rates": list(rates), "epochs": self.epochs, "seed": self.seed}
        self.log = BudgetLog(sweep.study, facts, is_new=bool(config.force))
        self.session = self.log.open(minutes)
        scale = min(start, _MOST_RESERVED * 60 * minutes / (_REPORT + _MODEL))
        self.report_seconds, self.model_seconds = _REPORT * scale, _MODEL * scale * bool(self.artifacts)
        self.spent_before, self.had_ended = self.session.spent, self.session.ended

    def spend(self) -> None:
        """Train what was decided on, then what is decided now, until the time is up; then keep the model."""
        with self._limit(60 * self.session.minutes):  # an answer that is known takes none of the time
            self._replay()
        if not self.had_ended:
            with self._limit(self.remaining):
                self._finish_round()
                self._go_on()
                self.session.ended = self.state().has_scores and not self.sweep.stopped
            self.log.save()
        if not self.known:
            raise ThawError(self._too_small())
        latest = self.seconds_left + _MODEL_LATE_SECONDS - self.report_seconds
        with self._limit(60 * self.session.minutes if self.had_ended else latest):
            self._keep_model()
        self.session.spent = self.session.spent if self.had_ended else round(self.spent + self.report_seconds, 1)
        self.log.save()

    def keep_time(self) -> None:
        """Keep the time that was spent so far, unless the budget had ended before."""
        if not self.had_ended:
            self.session.spent = round(self.spent, 1)
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
        return self.seconds_left - self.report_seconds - self.model_seconds

    def state(self) -> State:
        """Return all that the next decision follows from."""
        rounds = [(session is self.session, logged.decided()) for session, logged in self.log.rounds()]
        mine, earlier = (tuple(logged for is_this, logged in rounds if is_this is which) for which in (True, False))
        return State(self.options, self.known, mine, earlier)

    @contextlib.contextmanager
    def _limit(self, seconds: float) -> Iterator[None]:
        """End the block when the time is up: what was being trained goes on from its last epoch with more minutes."""
        try:
            with hidden_interrupts_show(), time_limit(seconds):
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
        """Launch what earlier commands have trained: it is reused, and what failed then is not tried again.

        Where trials have other keys now, of other photos or settings, the budget begins anew.
        """
        logged_rounds = [logged for _, logged in self.log.rounds() if logged.done is not None]
        if any(score is not None for logged in logged_rounds for score in logged.scores):
            failed = {trial: outcome for logged in logged_rounds for trial, outcome in logged.failed().items()}
            self.known |= failed
            if failed:
                self.sweep.display.warn(f"failed before, not tried again: {len(failed)} trials; study=NAME tries them")
        for logged in logged_rounds:
            self._train([[trial for trial in logged.launched() if trial not in self.known]])
            if self._has_changed(logged):
                self._begin_anew()
                return
        if logged_rounds and self._may_go_on:
            self._name_compared()

    def _has_changed(self, logged: LoggedRound) -> bool:
        """Return whether a trial of a round has another key than it had."""
        keys = zip(logged.launched(), logged.keys, strict=False)
        return any(key and trial in self.known and self.known[trial].key not in ("", key) for trial, key in keys)

    def _begin_anew(self) -> None:
        self.sweep.display.warn("photos or settings have changed since: the budget begins anew")
        self.known.clear()
        self.log.forget()
        self.session = self.log.open(self.minutes)
        self.spent_before, self.had_ended = 0.0, False

    def _finish_round(self) -> None:
        """Train what is left of a round that was cut off."""
        for session, logged in list(self.log.rounds()):
            if logged.done is None:
                self._ended(session, self._train([trial] for trial in logged.launched()))

    @property
    def _may_go_on(self) -> bool:
        """Return whether further trials are worth a try: not after a stop, nor where the first one failed."""
        return not self.sweep.stopped and (self.state().has_scores or not self.known)

    def _go_on(self) -> None:
        shown = ""
        while self._may_go_on and (decided := next_round(self.state(), self.remaining)):
            line = plan_line(self.state(), decided, self._names())
            if line != shown:
                self.sweep.display.note(line)
            shown = line
            self.log.began(self.session, decided, self.spent)
            self._ended(self.session, self._train(self._fitting(decided.trials)))

    def _ended(self, session: Session, outcomes: Sequence[Outcome]) -> None:
        """Keep the end of a round; a stop or a first trial that failed leaves it under way, to be tried again."""
        if not self._may_go_on:
            return
        self._name_compared()
        self.log.ended(session, outcomes, self.spent)

    def _name_compared(self) -> None:
        """Keep the keys of the trials that the verdict rests on; other photos give the same trials other keys."""
        state = self.state()
        trials, is_fresh = compared(state)
        keys = [self.known[trial].key for trial in trials]
        chosen = [astuple(state.choice(number)) for number in range(len(self.candidates))]
        fresh = [trial for trial in trials if is_fresh and trial.seed not in CHOOSING_SEEDS]
        choosing = {replace(trial, seed=seed) for trial in fresh for seed in CHOOSING_SEEDS}
        chose = [known.key for trial, known in self.known.items() if trial in choosing and known.score is not None]
        self.log.more |= {
            "compared": keys, "stage": "final" if is_fresh else "search",
            "chose": chose, "finalists": sorted({trial.candidate for trial in fresh}), "chosen": chosen,
        }  # fmt: skip

    def _fitting(self, trials: Sequence[PlannedTrial]) -> Iterator[list[PlannedTrial]]:
        """Yield `trials` one by one, while they fit into the time that is left then; the first one in any case."""
        for trial in trials:
            if trial is not trials[0] and self.state().seconds([trial]) > self.remaining:
                return
            yield [trial]

    def _train(self, parts: Iterable[Sequence[PlannedTrial]]) -> list[Outcome]:
        """Return the outcomes of trials, each of the `parts` launched together."""
        outcomes: list[Outcome] = []
        for part in parts:
            results = self.sweep.launch([self.job(trial) for trial in part]) if part else []
            if "skipped" in {result.status for result in results}:
                break
            for trial, result in zip(part, results, strict=True):
                self.known[trial] = self._outcome(result)
                outcomes.append(self.known[trial])
        return outcomes

    def job(self, trial: PlannedTrial) -> list[str]:
        """Return the overrides of a trial."""
        replaced = {"seed"} | ({EPOCHS_KEY} if trial.epochs != self.epochs else set())
        kept = [line for line in self.candidates[trial.candidate].overrides if override_key(line) not in replaced]
        job = [*kept, f"{RATE_KEY}={self.rates[trial.rate]}", f"seed={self.seed + trial.seed}"]
        job += [f"{EPOCHS_KEY}={trial.epochs}"] if trial.epochs != self.epochs else []
        if trial.fraction == 1:
            return job
        others = [line for line in job if override_key(line) != FRACTION_KEY]
        return [*others, f"{FRACTION_KEY}={trial.fraction * self.fraction:g}"]

    def _outcome(self, result: JobResult) -> Outcome:
        """Return what came of a trial, by its run: a reused one took what it took when it was trained."""
        if not result.run_id and result.score is not None:
            raise ThawError(f"hydra.sweep.dir={self.sweep.folder}: trials on other hosts leave nothing there; share it")
        if not result.run_id:
            return Outcome.failed(result.seconds, "")
        run = self.sweep.run_of(result)
        key = schema.TRIAL_KEY.read(run.data.tags) or ""
        if result.score is None:
            return Outcome.failed(result.seconds, key)
        images = schema.IMAGES.at("val").read(run.data.tags)
        time = _measured_time(self.sweep.study.client, run, result.seconds)
        return Outcome(result.score, int(images or 0), time, key)

    def _keep_model(self) -> None:
        """Make figures and model of the recommended trial, from the epochs that are kept."""
        study = self.sweep.study
        self.log.more.pop("model", None)  # of what was recommended before
        trials = records(study.client, {self.sweep.display.name: study})
        recommended = recommend(judge(trials, margin=self.margin))
        if recommended and self.artifacts and self.sweep.render(recommended.run_id):
            self.log.more |= {"model": recommended.run_id} if Artifact.MODEL in self.artifacts else {}

    def _names(self) -> list[str]:
        return [str(name) for name in self.log.facts["candidates"]]

    def _too_small(self) -> str:
        minutes = self.session.minutes
        return (
            f"minutes={minutes:g}: time was up before the first trial had ended; what it has trained is kept. "
            f"Give minutes={max(2 * minutes, 2):g} or more, or fewer images, a smaller backbone or image_size"
        )


def _measured_time(client: mlflow.MlflowClient, run: FoundRun, seconds: float) -> MeasuredTime:
    """Return the time that a trial took, and that an epoch of its last phase took, by when its epochs were logged.

    `seconds`: what it took by its result, where the store has not been given that yet.
    """
    phases = sorted(client.get_metric_history(run.info.run_id, schema.PHASE), key=lambda item: item.step)
    last = [item for item in phases if item.value == phases[-1].value]
    resumed = (schema.RESUMED_EPOCHS.read(run.data.tags) or 0) - (len(phases) - len(last))
    ends = [item.timestamp / 1000 for item in last[max(resumed, 0) :]]
    epochs = [later - earlier for earlier, later in pairwise(ends)]
    once = sum(run.data.metrics.get(name, 0.0) for name in (*schema.ONCE_A_PROCESS, *schema.ONCE_FOR_ALL))
    epoch = statistics.median(epochs) if epochs else 0.0
    return MeasuredTime(run.data.metrics.get(schema.TIME_TOTAL, seconds), epoch, len(ends), once)
