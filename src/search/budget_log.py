"""Keep what a time budget decided and measured in its study's run, so that the same command takes the same course."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, astuple, dataclass, field, replace
from typing import Any, Self

from src.advice.rounds import LAYOUT_VERSION, Outcome, PlannedTrial, Round, Stage
from src.tracking.study import Study


@dataclass(frozen=True)
class LoggedRound:
    """A round, with what came of its trials.

    Attributes:
        remaining: seconds that were left when it was decided.
        done: how many of its trials have ended; None while it is under way.
        scores: of those that have ended.
        seconds: they took.
        keys: of those trials.
    """

    stage: Stage
    trials: list[list[float]]
    remaining: float
    done: int | None = None
    scores: list[float | None] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)
    keys: list[str] = field(default_factory=list)

    def decided(self) -> Round:
        """Return the round as it was decided."""
        return Round(self.stage, tuple(_planned(values) for values in self.trials), self.remaining)

    def failed(self) -> dict[PlannedTrial, Outcome]:
        """Return the trials that ended without a score, and their outcomes."""
        ended = zip(self.launched(), self.scores, self.seconds, self.keys, strict=False)
        return {trial: Outcome.failed(seconds, key) for trial, score, seconds, key in ended if score is None}

    def launched(self) -> list[PlannedTrial]:
        """Return the trials to launch: all of a round under way, and else those that had ended."""
        return list(self.decided().trials[: self.done])


@dataclass
class Session:
    """The rounds of one budget, `minutes`; `spent` seconds so far."""

    minutes: float
    spent: float = 0.0
    ended: bool = False
    rounds: list[LoggedRound] = field(default_factory=list)

    @classmethod
    def of(cls, content: Mapping[str, Any]) -> Self:
        """Return the session that JSON holds."""
        return cls(**{**content, "rounds": [LoggedRound(**logged) for logged in content["rounds"]]})


class BudgetLog:
    """The sessions of a study, one for each budget that was asked for, in a tag of its run.

    Attributes:
        more: what else is kept: the keys of the trials compared, their stage, the keys of those that chose them, the
            candidates that fresh seeds compare, what was chosen of each candidate, and the run with the model.
    """

    def __init__(self, study: Study, facts: Mapping[str, Any], *, is_new: bool = False) -> None:
        """Read what the study holds, unless that is of other facts or `is_new` asks for another beginning."""
        self.study, self.facts = study, {"version": LAYOUT_VERSION, **facts}
        content = dict(study.budget())
        known = content if content.pop("facts", None) == self.facts and not is_new else {}
        self.sessions = [Session.of(session) for session in known.pop("sessions", [])]
        self.more: dict[str, Any] = known

    def forget(self) -> None:
        """Forget all sessions: they decided about other photos or settings."""
        self.sessions, self.more = [], {}

    def open(self, minutes: float) -> Session:
        """Return the session to go on with: the last one if it was cut off or had as many minutes, else a new one."""
        last = self.sessions[-1] if self.sessions else None
        if last is None or (last.ended and last.minutes < minutes):
            self.sessions.append(Session(minutes, last.spent if last else 0.0))
        elif not last.ended:
            last.minutes = minutes
        return self.sessions[-1]

    def rounds(self) -> Iterator[tuple[Session, LoggedRound]]:
        """Yield every round so far with its session."""
        for session in self.sessions:
            for logged in session.rounds:
                yield session, logged

    def began(self, session: Session, decided: Round, spent: float) -> None:
        """Keep that a round has begun, after `spent` seconds of all sessions."""
        trials = [list(astuple(trial)) for trial in decided.trials]
        session.rounds.append(LoggedRound(decided.stage, trials, round(decided.remaining, 2)))
        session.spent = round(spent, 1)
        self.save()

    def ended(self, session: Session, outcomes: Sequence[Outcome], spent: float) -> None:
        """Keep that the last round has ended, with its outcomes, after `spent` seconds of all sessions."""
        scores = [None if outcome.score is None else round(outcome.score, 6) for outcome in outcomes]
        seconds = [round(outcome.time.seconds, 2) for outcome in outcomes]
        keys, done = [outcome.key for outcome in outcomes], len(outcomes)
        session.rounds[-1] = replace(session.rounds[-1], done=done, scores=scores, seconds=seconds, keys=keys)
        session.spent = round(spent, 1)
        self.save()

    def save(self) -> None:
        """Keep the log."""
        sessions = [asdict(session) for session in self.sessions]
        self.study.keep_budget({"facts": self.facts, "sessions": sessions, **self.more})


def _planned(values: Sequence[float]) -> PlannedTrial:
    candidate, rate, seed, epochs, fraction = values
    return PlannedTrial(int(candidate), int(rate), int(seed), int(epochs), float(fraction))
