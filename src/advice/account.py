"""Account for a time budget, by what it left in its study."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from src.advice.rounds import FRACTIONS, LAYOUT_VERSION, Choice, PlannedTrial


@dataclass(frozen=True)
class Spending:
    """The trials and the time that a candidate was given.

    Attributes:
        name: the settings that are compared, as they would be typed.
        trials: number of trained trials.
        seconds: that they took, reused ones when they were trained.
        score: at its rate, on its longest schedule, the mean of the seeds that chose, 0–1; None where one failed.
        seeds: how many these are.
        rate: the fine-tuning rate that it went on with.
        is_compared: whether fresh seeds compare it.
    """

    name: str
    trials: int
    seconds: float
    score: float | None
    seeds: int
    rate: str
    is_compared: bool


@dataclass(frozen=True)
class Account:
    """The use that was made of a time budget.

    Attributes:
        spent: seconds, the start and the report included.
        rows: the candidates that were tried, in order.
        untried: the names of those that were not, since the time did not suffice.
        stage: `final` where fresh seeds compare, else `search`.
        seed_seconds: what one more seed of each compared candidate takes; None before one was trained.
        fewer_images: mean scores with all training images and with fewer of them, by their fraction; may be empty.
        model: the run that keeps the recommended trial's model; empty where none does.
    """

    minutes: float
    spent: float
    rows: tuple[Spending, ...]
    untried: tuple[str, ...]
    stage: str
    seed_seconds: float | None
    fewer_images: Mapping[float, float]
    model: str


Ended = tuple[PlannedTrial, float | None, float]


def account(budget: Mapping[str, Any]) -> Account | None:
    """Return the account of what the tag `budget` of a study holds; None where no round of this layout is in it."""
    is_readable = budget.get("facts", {}).get("version") == LAYOUT_VERSION
    sessions = budget.get("sessions", []) if is_readable else []
    ended = {trial: (trial, score, seconds) for trial, score, seconds in _ended(sessions)}
    if not ended:
        return None
    rounds = [entry for session in sessions for entry in session["rounds"]]
    final = [entry for entry in rounds if entry["stage"] in ("final", "seeds")]
    whole = [entry for entry in final if len(entry["scores"]) == len(entry["trials"])]
    rows, untried = [], []
    for number, name in enumerate(budget["facts"]["candidates"]):
        of_candidate = [entry for entry in ended.values() if entry[0].candidate == number]
        if of_candidate:
            chosen = Choice(*budget["chosen"][number])
            rate, seconds = budget["facts"]["rates"][chosen.rate], sum(seconds for *_, seconds in of_candidate)
            is_compared = number in budget.get("finalists", ())
            rows.append(Spending(name, len(of_candidate), seconds, chosen.score, chosen.seeds, rate, is_compared))
        else:
            untried.append(name)
    return Account(
        sessions[-1]["minutes"], sessions[-1]["spent"], tuple(rows), tuple(untried), budget.get("stage", "search"),
        sum(whole[-1]["seconds"]) if whole else None, _fewer_images([*ended.values()]), budget.get("model", ""),
    )  # fmt: skip


def _ended(sessions: Sequence[Mapping[str, Any]]) -> list[Ended]:
    return [
        (PlannedTrial(int(values[0]), int(values[1]), int(values[2]), int(values[3]), values[4]), score, seconds)
        for session in sessions for entry in session["rounds"]
        for values, score, seconds in zip(entry["trials"], entry["scores"], entry["seconds"], strict=False)
    ]  # fmt: skip


def _fewer_images(ended: Sequence[Ended]) -> dict[float, float]:
    """Return scores of one seed by the fraction of training images, the most first; empty where some are missing."""
    thinned = [(trial, score) for trial, score, _ in ended if trial.fraction < 1 and score is not None]
    if {trial.fraction for trial, _ in thinned} != {*FRACTIONS}:
        return {}
    last = thinned[-1][0]
    same = {trial.fraction: score for trial, score, _ in ended if score is not None and _is_as(trial, last)}
    return dict(sorted(same.items(), reverse=True)) if 1.0 in same else {}


def _is_as(trial: PlannedTrial, other: PlannedTrial) -> bool:
    """Return whether two trials differ in the images alone."""
    names = ("candidate", "rate", "seed", "epochs")
    return all(getattr(trial, name) == getattr(other, name) for name in names)
