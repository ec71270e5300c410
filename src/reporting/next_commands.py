"""The commands that train what comes next, as they are typed in a shell."""

from collections.abc import Sequence

from src.common.override import override_key
from src.common.shell import TRAIN, setting, shell_line
from src.verdict.next_steps import NextStep
from src.verdict.trials import TrialRecord, configuration, tuned, typed_value
from src.verdict.verdict import Verdict

_MOST_LISTED = 5
_READS_DEPTH = "schedule=two_phase"
"""The override that trains other depths where a trial's schedule fixes its depth."""
_REPLACED = {"unfrozen", "seed", "study"}


def command(verdict: Verdict, step: NextStep) -> str:
    """Return the command that trains a step as trials of the study; empty where its trials' command is not known."""
    trial = _liked(verdict, step) if step.like else _any(verdict)
    sweep = _sweep(verdict, trial, tuple(step.settings)) if trial else ""
    return f"{sweep} {_typed(step)}" if sweep else ""


def overrides(verdict: Verdict, step: NextStep) -> str:
    """Return the overrides that train a step, beside the other settings of the study."""
    if step.like:
        others = [name for name in tuned(verdict.trials) if name not in step.settings]
        return f"-m {_typed(step)} {configuration(_liked(verdict, step), others)}".strip()
    reads_depth = all(trial.reads_depth for trial in verdict.trials)
    return _typed(step) if reads_depth else f"{_READS_DEPTH} {_typed(step)}"


def _liked(verdict: Verdict, step: NextStep) -> TrialRecord:
    return next(trial for trial in verdict.trials if trial.run_id == step.like)


def _any(verdict: Verdict) -> TrialRecord | None:
    """Return a trial whose settings all have; None where they differ in more than depth and seed."""
    facet = verdict.facet
    if facet is None or facet.reduction.pooled or len(facet.reduction.candidates) > len(facet.depths):
        return None
    return facet.trials(len(facet.depths) - 1)[0]


def _sweep(verdict: Verdict, trial: TrialRecord, without: Sequence[str]) -> str:
    """Return the command of `trial` as a sweep of the study, but for depths, seeds and more; empty where unknown.

    A run that is a trial of several facets has the command of one.
    """
    words = trial.command
    if not verdict.study or len(words) < len(TRAIN) or not set(trial.overrides) <= set(words):
        return ""
    replaced = {*_REPLACED, *without} | (set() if trial.reads_depth else {"schedule"})
    kept = [word for word in words[len(TRAIN) :] if override_key(word) not in replaced and word != "hydra.mode=RUN"]
    kept = [*kept, *_batchnorm_of(verdict, kept)] + ([] if trial.reads_depth else [_READS_DEPTH])
    return f"{shell_line([*words[: len(TRAIN)], '-m', *kept])} {setting('study', verdict.study)}"


def _batchnorm_of(verdict: Verdict, words: Sequence[str]) -> list[str]:
    """Return the facet's BatchNorm mode where `words`, of a trial whose backbone does not train, lack it."""
    mode = verdict.trials[0].factors.get("batchnorm")
    if mode is None or "batchnorm=" not in verdict.label or "batchnorm" in map(override_key, words):
        return []
    return [f"batchnorm={mode}"]


def _typed(step: NextStep) -> str:
    """Return the overrides that train a step's depths with its seeds and settings.

    >>> _typed(NextStep("seeds", (0, 11, "all"), (3, 4)))
    'unfrozen=0,11,all seed=3,4'
    >>> _typed(NextStep("grid", (0, 2), tuple(range(23)), settings={"dropout": [0.2, 0.5, 0.2]}))
    "unfrozen=0,2 'seed=range(0,23)' dropout=0.2,0.5"
    """
    first, last = step.seeds[0], step.seeds[-1]
    unbroken = last - first + 1 == len(step.seeds)
    many = f"'seed=range({first},{last + 1})'"
    few = "seed=" + ",".join(map(str, step.seeds))
    seeds = many if unbroken and len(step.seeds) > _MOST_LISTED else few
    crossed = (f"{name}={','.join(dict.fromkeys(map(typed_value, values)))}" for name, values in step.settings.items())
    return " ".join([f"unfrozen={','.join(map(str, step.depths))}", seeds, *crossed])
