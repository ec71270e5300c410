"""Trials as a verdict reads them, out of the store's own tables."""

import shlex
from collections.abc import Iterable, Mapping, Sequence

from mlflow.entities import Run as FoundRun

from src.metrics import Objective
from src.tracking import facts
from src.tracking.memory import TrialMemory
from src.tracking.study import member_tag, spellings
from src.verdict.records import Factor, TrialRecord

_NOT_FACTORS = {
    "seed", "unfrozen", "objective", "no_deeper_than", "tracking", "runtime", "study", "force", "fail_fast", "store",
    "max_gb",
}  # fmt: skip
_ALWAYS_TRAINED = {"monitor"}
"""Keys that every trial key holds: the parameter is what was trained, also where null was typed."""
_GROUPS = ("weights", "augment", "schedule", "optimizer")
_DATA, _KIND = "data", "data.kind"
_SIDE_FOLLOWS_FROM = {"image_size", "backbone", "weights"}
_REPEATED = {
    "learning_rate": ("learning_rate", "fine_tune_learning_rate"), "epochs": ("epochs", "fine_tune_epochs"),
}  # fmt: skip
"""What phases of a schedule repeat, by the last part of their keys."""

Factors = dict[str, Factor]


def read_records(
    runs: Sequence[FoundRun], keys: Sequence[str], memory: TrialMemory, objective: Objective
) -> list[TrialRecord]:
    """The records of `runs`, trials of the studies `keys`, in their order, to be judged by `objective`.

    A run that answered trials of several configurations, as any `batchnorm` is the same where nothing is unfrozen, is
    a record in each.
    """
    spelled = [(run, spelling, own) for run in runs for spelling, own in _configurations(run, keys).items()]
    factors = essential([own for *_, own in spelled])
    histories = {run.info.run_id: _history(run, memory) for run in runs}
    return [
        _record(run, spelling, own, histories[run.info.run_id], len(_spellings(run, keys)), objective)
        for (run, spelling, _), own in zip(spelled, factors, strict=True)
    ]


def essential(factors: Sequence[Mapping[str, Factor]]) -> list[Factors]:
    """`factors` of several trials without those that follow from their own group.

    A group's choice brings all its values along, and a schedule repeats the rates: a verdict should speak of one name.
    Of the data, what was typed is told where the photos differ, and their fingerprint where nothing typed says so.

    >>> essential([{"augment": "none", "augment.flip": 0, "x.y": 1}, {"augment": "light", "augment.flip": 1, "x.y": 1}])
    [{'augment': 'none'}, {'augment': 'light'}]
    >>> essential([{"data": "2f", "data.root": "a"}, {"data": "2f", "data.root": "b"}])
    [{}, {}]
    >>> essential([{"data": "2f", "data.fraction": 0.5}, {"data": "c4", "data.fraction": 1.0}])
    [{'data.fraction': 0.5}, {'data.fraction': 1.0}]
    """
    known = [own for own in factors if own]
    names = sorted({name for own in known for name in own} - {_DATA}, key=lambda name: ("." in name, name))
    kept = [name for name in names if "." not in name or not _follows(name, known)]
    if not _is_told(kept, known):
        kept.append(_DATA)
    return [{name: own[name] for name in kept if name in own} for own in factors]


def _follows(name: str, factors: Sequence[Mapping[str, Factor]]) -> bool:
    """Whether a dotted key says no more than its group's choice, or the key that it repeats, in all trials.

    Keys of other groups explain nothing: in a search every rate is another, and all else would follow from it.
    """
    group = name.partition(".")[0]
    choice = _KIND if group == _DATA else group
    parts: dict[Factor | None, list[Mapping[str, Factor]]] = {}
    for own in factors:
        parts.setdefault(own.get(choice) if name != _KIND else None, []).append(own)
    same_photos = len({own.get(_DATA) for own in factors}) == 1
    return (group == _DATA and same_photos) or all(_is_fixed(name, part) for part in parts.values())


def _is_fixed(name: str, factors: Sequence[Mapping[str, Factor]]) -> bool:
    values = [own.get(name) for own in factors]
    repeated = _REPEATED.get(name.rpartition(".")[2], ()) if name.startswith("schedule.") else ()
    return len(set(values)) == 1 or any(values == [own.get(other) for own in factors] for other in repeated)


def _is_told(kept: Iterable[str], factors: Sequence[Mapping[str, Factor]]) -> bool:
    """Whether what was typed of the data fixes the photos, together with what fixes their side in pixels."""
    names = [name for name in kept if name in _SIDE_FOLLOWS_FROM or name.startswith(("data.", "weights."))]
    pairs = {(tuple(own.get(name) for name in names), own.get(_DATA)) for own in factors}
    return len(pairs) == len({typed for typed, _ in pairs})


def _configurations(run: FoundRun, keys: Sequence[str]) -> dict[str, Factors]:
    """The configurations that a run stands for, each by its first spelling."""
    found: dict[str, Factors] = {}
    for spelling in _spellings(run, keys):
        own = _factors(run.data.params, run.data.tags, _spelled(spelling))
        if own not in found.values():
            found[spelling] = own
    return found


def _spellings(run: FoundRun, keys: Sequence[str]) -> list[str]:
    """How the studies `keys` spell a run's trial, each spelling once."""
    lines = (line for key in keys if member_tag(key) in run.data.tags for line in spellings(run, key))
    return list(dict.fromkeys(lines))


def _spelled(spelling: str) -> dict[str, str]:
    """What a spelling sets, by name."""
    try:
        words = shlex.split(spelling)
    except ValueError:  # cut to what a tag holds, within quotes
        words = spelling.split()
    return {name: value for name, _, value in (word.partition("=") for word in words)}


def _record(
    run: FoundRun, spelling: str, factors: Mapping[str, Factor], history: Sequence[Mapping[str, float]], answers: int,
    objective: Objective,
) -> TrialRecord:  # fmt: skip
    metrics, tags = run.data.metrics, run.data.tags
    return TrialRecord(
        run_id=run.info.run_id,
        status=run.info.status,
        overrides=spelling,
        factors=factors,
        depth=int(metrics.get("depth/canonical", tags.get("depth", 0))),
        block=tags.get("block", ""),
        parameters=int(metrics.get("depth/parameters", 0)),
        whole=tags.get("whole") == "yes",
        seed=_seed(run.data.params.get("seed") or _spelled(spelling).get("seed", "")),
        metrics=metrics,
        history=history,
        val_images=facts.photos(tags, "val"),
        test_images=facts.photos(tags, "test"),
        class_counts=facts.class_counts(tags),
        near_duplicates=facts.near_duplicates(tags),
        answers=answers,
        command=tags.get("command", ""),
        recalled=int(tags.get("epochs_recalled", 0)),
        objective=objective,
    )


def _seed(text: str) -> int:
    return int(text) if text.isdecimal() else 0


def _history(run: FoundRun, memory: TrialMemory) -> list[dict[str, float]]:
    """A run's epochs, unless it is still adding to them; a trial whose loss was no number has told why by then."""
    return memory.history(run) if run.info.status != "RUNNING" else []


def _factors(parameters: Mapping[str, str], tags: Mapping[str, str], spelled: Mapping[str, str]) -> Factors:
    """What tells configurations apart: parameters as numbers where they are, as `spelled`, and the groups chosen.

    A run that ended before it was described has none: what it was born with is not enough to tell it apart by.
    """
    if not parameters:
        return {}
    own = {
        name: _value(spelled.get(name, text) if "." not in name and name not in _ALWAYS_TRAINED else text)
        for name, text in parameters.items() if not _NOT_FACTORS & set(name.split("."))
    }  # fmt: skip
    groups = {name: tags[f"group.{name}"] for name in _GROUPS if f"group.{name}" in tags}
    fingerprint = {_DATA: tags["data_fingerprint"][:8]} if "data_fingerprint" in tags else {}
    return {**own, **groups, **fingerprint}


def _value(text: str) -> Factor:
    try:
        return float(text)
    except ValueError:
        return text
