"""Trials as a verdict reads them, out of the store's own tables."""

from collections.abc import Mapping, Sequence

from mlflow.entities import Run as FoundRun

from src.tracking.memory import TrialMemory
from src.tracking.study import spellings
from src.verdict.records import Factor, TrialRecord

_NOT_FACTORS = {"seed", "unfrozen", "no_deeper_than", "tracking", "runtime", "study", "force", "fail_fast"}
_GROUPS = ("weights", "augment", "schedule", "optimizer")


def read_records(runs: Sequence[FoundRun], key: str, memory: TrialMemory) -> list[TrialRecord]:
    """The records of `runs`, the trials of the study `key`, in their order."""
    factors = essential([_factors(run.data.params, run.data.tags) for run in runs])
    return [_record(run, own, key, memory) for run, own in zip(runs, factors, strict=True)]


def essential(factors: Sequence[Mapping[str, Factor]]) -> list[dict[str, Factor]]:
    """`factors` of several trials without the dotted ones that follow from another one.

    A group's choice brings all its values along, and a schedule repeats the rates: a verdict should speak of one name.

    >>> essential([{"augment": "none", "augment.flip": 0, "x.y": 1}, {"augment": "light", "augment.flip": 1, "x.y": 1}])
    [{'augment': 'none'}, {'augment': 'light'}]
    """
    names = sorted({name for own in factors for name in own}, key=lambda name: ("." in name, name))
    kept: list[str] = []
    for name in names:
        if "." not in name or not any(_follows(name, other, factors) for other in kept):
            kept.append(name)
    return [{name: own[name] for name in kept if name in own} for own in factors]


def _follows(name: str, other: str, factors: Sequence[Mapping[str, Factor]]) -> bool:
    """Whether the value of `other` fixes that of `name` in all trials; what never varies follows from anything."""
    pairs = {(own.get(other), own.get(name)) for own in factors}
    return len(pairs) == len({first for first, _ in pairs})


def _record(run: FoundRun, factors: Mapping[str, Factor], key: str, memory: TrialMemory) -> TrialRecord:
    metrics, tags = run.data.metrics, run.data.tags
    return TrialRecord(
        run_id=run.info.run_id,
        status=run.info.status,
        overrides=spellings(run, key)[0],
        factors=factors,
        depth=int(metrics.get("depth/canonical", 0)),
        layers=int(metrics.get("depth/layers", 0)),
        block=tags.get("block", ""),
        parameters=int(metrics.get("depth/parameters", 0)),
        seed=int(run.data.params.get("seed", 0)),
        metrics=metrics,
        history=memory.history(run.info.run_id) if run.info.status == "FINISHED" else (),
        val_images=_count(tags, "val"),
        test_images=_count(tags, "test"),
    )


def _factors(parameters: Mapping[str, str], tags: Mapping[str, str]) -> dict[str, Factor]:
    """What tells configurations apart: parameters as numbers where they are, and the groups chosen.

    A run that ended before it was described has none: what it was born with is not enough to tell it apart by.
    """
    if not parameters:
        return {}
    own = {name: _value(text) for name, text in parameters.items() if not _NOT_FACTORS & set(name.split("."))}
    groups = {name: tags[f"group.{name}"] for name in _GROUPS if f"group.{name}" in tags}
    fingerprint = {"data": tags["data_fingerprint"][:8]} if "data_fingerprint" in tags else {}
    return {**own, **groups, **fingerprint}


def _value(text: str) -> Factor:
    try:
        return float(text)
    except ValueError:
        return text


def _count(tags: Mapping[str, str], split: str) -> int | None:
    text = tags.get(f"photos.{split}", "")
    return int(text) if text.isdigit() else None
