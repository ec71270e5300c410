"""The one trial that a study recommends: how to train it, what test photos say of it, and how far to trust its pick."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from src.verdict.intervals import wilson_interval
from src.verdict.optimism import optimism
from src.verdict.records import TrialRecord
from src.verdict.verdict import Verdict
from src.verdict.wording import percent, points


@dataclass(frozen=True)
class Recommended:
    """The trial that the verdict recommends.

    Attributes:
        facet: the one that it is of, as it would be typed; empty where there is one.
        depth: canonical, layers from the end.
        command: what trains it.
        test: what the test photos say of it alone.
        flattery: how much the validation mean that picked it flatters.
        choice: how its facet was picked; empty where there is one.
    """

    run_id: str
    facet: str
    depth: int
    seed: int
    command: str
    test: str
    flattery: str
    choice: str


def recommend(verdicts: Sequence[Verdict], tags: Mapping[str, Mapping[str, str]]) -> Recommended | None:
    """The least seed of the named depth, in the facet whose named depth has the best validation mean.

    Not the luckiest seed: picking that would be one more choice by validation accuracy. `tags` are the runs', by id.
    """
    measured = [verdict for verdict in verdicts if verdict.rows]
    if not measured:
        return None
    verdict = max(measured, key=_named_mean)
    trial = min((trial for trial in verdict.trials if trial.depth == verdict.depth), key=lambda each: each.seed)
    return Recommended(
        run_id=trial.run_id,
        facet=verdict.facet,
        depth=trial.depth,
        seed=trial.seed,
        command=tags[trial.run_id].get("command", f"python -m src.train {trial.overrides}"),
        test=_test_text(trial),
        flattery=_flattery_text(verdict, measured),
        choice=_choice_text(measured),
    )


def _named_mean(verdict: Verdict) -> float:
    return next(row.accuracy.estimate for row in verdict.rows if row.depth == verdict.depth)


def _choice_text(measured: Sequence[Verdict]) -> str:
    if len(measured) == 1:
        return ""
    return (
        f"It is of the facet, of {len(measured)}, whose named depth has the best validation mean. Facets are not held "
        "against one another by a test: a difference between them may be luck."
    )


def _test_text(trial: TrialRecord) -> str:
    share, photos = trial.metric("test/accuracy"), trial.test_images or 0
    if share is None:
        return "It has no test photos: its accuracy on photos that chose nothing is not known."
    interval = wilson_interval(share, photos)
    of = f" of {photos:,} photos" if photos else ""
    ends = "" if interval.low is None or interval.high is None else (
        f" (95 % interval {percent(interval.low)} to {percent(interval.high)})"
    )  # fmt: skip
    return f"Test accuracy of this trial alone, seed {trial.seed}: {percent(share)}{of}{ends}."


def _flattery_text(verdict: Verdict, measured: Sequence[Verdict]) -> str:
    """How much the best of all means flatters, over all facets; runs that stand in several are one candidate."""
    by_runs = {runs: mean for each in measured if each.reduction for runs, mean in each.reduction.candidates.items()}
    candidates = [*by_runs.values()]
    if len(candidates) < 2:
        return ""
    error = verdict.comparison.standard_error if verdict.comparison else float("nan")
    found = optimism(candidates, error)
    if found is None:
        return (
            f"The best of {len(candidates)} validation accuracies flatters; by how much cannot be told without a "
            "second seed."
        )
    return (
        f"The best of {found.choices} validation means flatters, by an estimated {points(found.estimate)} here (at "
        f"most {points(found.at_most)}), and so does each trial's best epoch, which the same photos picked."
    )
