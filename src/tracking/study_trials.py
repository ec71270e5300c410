"""Trials as a verdict reads them, out of the store's own tables."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from mlflow.entities import Run as FoundRun

from src.common.metrics import Objective
from src.config import PHASE_KEYS
from src.tracking import data_tags as facts
from src.tracking.idle_keys import idle_keys_of, spelled_as_trained
from src.tracking.study import member_tag, spellings
from src.tracking.trial_runs import TrialRuns
from src.verdict.trials import Factor, TrialRecord, sets_apart

_NOT_FACTORS = {
    "seed", "unfrozen", "objective", "no_deeper_than", "tracking", "runtime", "study", "force", "fail_fast", "store",
    "max_gb", "max_unreadable",
}  # fmt: skip
_GROUPS = ("weights", "augment", "schedule", "optimizer")
_DATA, _KIND, _SIZE, _MODE = "data", "data.kind", "image_size", "batchnorm"
_SIDE_FOLLOWS_FROM = {"image_size", "backbone", "weights"}

Factors = dict[str, Factor]


def read_records(
    runs: Sequence[FoundRun], keys: Sequence[str], trial_runs: TrialRuns, objective: Objective
) -> list[TrialRecord]:
    """Return the records of `runs`, trials of the studies `keys`, in their order, to be judged by `objective`.

    A run that does not read `batchnorm`, because no variable of its backbone trains, is a record in each mode that the
    trials beside it were trained in.
    """
    factors = essential(_typed_once(runs, [_factors(run) for run in runs]))
    return [
        replace(record, objective=objective)
        for run, own in zip(runs, factors, strict=True)
        for record in _records(run, _in_each_mode(own, factors) if run.data.params else [own], keys, trial_runs)
    ]


def _records(
    run: FoundRun, configurations: Sequence[Factors], keys: Sequence[str], trial_runs: TrialRuns
) -> list[TrialRecord]:
    lines, history = _spellings(run, keys), _history(run, trial_runs)
    spelling = spelled_as_trained(run, lines[0])
    return [_record(run, spelling, own, history, len(lines)) for own in configurations]


def _in_each_mode(own: Factors, factors: Sequence[Factors]) -> list[Factors]:
    """Return `own`, or where it lacks `batchnorm`, `own` in each mode of the trials that it is to be compared with."""
    beside = [other for other in factors if _MODE in other and _facet(other) == _facet(own)]
    modes = dict.fromkeys(other[_MODE] for other in beside)
    return [own] if _MODE in own or not modes else [own | {_MODE: mode} for mode in modes]


def _facet(own: Mapping[str, Factor]) -> dict[str, Factor]:
    """Return the factors that define a trial's facet, without BatchNorm's mode."""
    return {name: value for name, value in own.items() if sets_apart(name) and name != _MODE}


def _typed_once(runs: Sequence[FoundRun], factors: Sequence[Factors]) -> list[Factors]:
    """Return `factors` with one way to type the same photos, and the same weights: as the first of `runs` has it."""
    for section, tag in (("data.", "data_fingerprint"), ("weights.", "weights_digest")):
        first: dict[str, Factors] = {}
        named = [(run.data.tags[tag] if tag in run.data.tags and own else run.info.run_id, own)
                 for run, own in zip(runs, factors, strict=True)]  # fmt: skip
        typed = [first.setdefault(digest, {k: v for k, v in own.items() if k.startswith(section)})
                 for digest, own in named]  # fmt: skip
        factors = [
            {name: value for name, value in own.items() if not name.startswith(section)} | same
            for own, same in zip(factors, typed, strict=True)
        ]
    return list(factors)


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
    known = [own for own in _without_unread(factors) if own]
    names = sorted({name for own in known for name in own} - {_DATA}, key=lambda name: ("." in name, name))
    kept = [name for name in names if not _follows(name, known)]
    if not _is_told(kept, known):
        kept.append(_DATA)
    return [{name: own[name] for name in kept if name in own} for own in _without_unread(factors)]


def _without_unread(factors: Sequence[Mapping[str, Factor]]) -> list[Factors]:
    """Return `factors` without keys that a schedule does not read.

    Runs of earlier versions have them, and where the phases happen to have such a key's value, it seems to be read. A
    schedule reads a key, therefore, where all of its trials do.
    """
    unread = {(own.get("schedule"), name) for own in factors if own for name in PHASE_KEYS if name not in own}
    return [{name: own[name] for name in own if (own.get("schedule"), name) not in unread} for own in factors]


def _follows(name: str, factors: Sequence[Mapping[str, Factor]]) -> bool:
    """Return whether a dotted key follows from its group's choice, or from the key that it repeats, in all trials.

    Keys of other groups explain nothing: in a search every rate is another, and all else would follow from it. The
    images' size follows where each backbone and weight set has one.
    """
    if name == _SIZE:
        return _has_its_own_size(factors)
    if "." not in name:
        return False
    group = name.partition(".")[0]
    choice = _KIND if group == _DATA else group
    parts: dict[Factor | None, list[Mapping[str, Factor]]] = {}
    for own in factors:
        parts.setdefault(own.get(choice) if name != _KIND else None, []).append(own)
    same_photos = len({own.get(_DATA) for own in factors}) == 1
    return (group == _DATA and same_photos) or all(_is_fixed(name, part) for part in parts.values())


def _has_its_own_size(factors: Sequence[Mapping[str, Factor]]) -> bool:
    """Return whether backbones or weights differ, and none was trained at two image sizes."""
    sizes: dict[tuple[Factor | None, ...], set[Factor | None]] = {}
    for own in factors:
        sizes.setdefault((own.get("backbone"), own.get("weights")), set()).add(own.get(_SIZE))
    return len(sizes) > 1 and all(len(found) == 1 for found in sizes.values())


def _is_fixed(name: str, factors: Sequence[Mapping[str, Factor]]) -> bool:
    values = [own.get(name) for own in factors]
    part = name.rpartition(".")[2]
    repeated = [key for key, own in PHASE_KEYS.items() if own == part] if name.startswith("schedule.") else []
    return len(set(values)) == 1 or any(values == [own.get(other) for own in factors] for other in repeated)


def _is_told(kept: Iterable[str], factors: Sequence[Mapping[str, Factor]]) -> bool:
    """Return whether the settings of the data determine the images, together with those that determine their size."""
    names = [name for name in kept if name in _SIDE_FOLLOWS_FROM or name.startswith(("data.", "weights."))]
    pairs = {(tuple(own.get(name) for name in names), own.get(_DATA)) for own in factors}
    return len(pairs) == len({typed for typed, _ in pairs})


def _spellings(run: FoundRun, keys: Sequence[str]) -> list[str]:
    """Return the spellings of a run's trial in the studies `keys`, each once."""
    lines = (line for key in keys if member_tag(key) in run.data.tags for line in spellings(run, key))
    return list(dict.fromkeys(lines))


def _spelled_seed(spelling: str) -> str:
    """The seed that a spelling sets, as text; empty where it sets none."""
    return next((word[5:] for word in spelling.split() if word.startswith("seed=")), "")


def _record(
    run: FoundRun, spelling: str, factors: Mapping[str, Factor], history: Sequence[Mapping[str, float]], answers: int
) -> TrialRecord:
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
        seed=_seed(run.data.params.get("seed") or _spelled_seed(spelling)),
        metrics=metrics,
        history=history,
        val_images=facts.photos(tags, "val"),
        test_images=facts.photos(tags, "test"),
        class_counts=facts.class_counts(tags),
        near_duplicates=facts.near_duplicates(tags),
        answers=answers,
        command=spelled_as_trained(run, tags.get("command", "")),
        reads_depth="unfrozen" not in idle_keys_of(run, ["unfrozen="]),
        recalled=int(tags.get("epochs_recalled", 0)),
    )


def _seed(text: str) -> int:
    return int(text) if text.isdecimal() else 0


def _history(run: FoundRun, trial_runs: TrialRuns) -> list[dict[str, float]]:
    """A run's epochs, unless it is still adding to them; a trial whose loss was no number has told why by then."""
    return trial_runs.history(run) if run.info.status != "RUNNING" else []


def _factors(run: FoundRun) -> Factors:
    """Return the factors of a configuration: the parameters that a trial reads, as numbers if they are, and its groups.

    A run that ended before it was described has none: what it was born with is not enough to tell it apart by.
    """
    parameters, tags = run.data.params, run.data.tags
    if not parameters:
        return {}
    read = parameters.keys() - idle_keys_of(run, ()) - {"weights.image_size"}
    own = {name: _value(parameters[name]) for name in read if not _NOT_FACTORS & set(name.split("."))}
    groups = {name: tags[f"group.{name}"] for name in _GROUPS if f"group.{name}" in tags}
    fingerprint = {_DATA: tags["data_fingerprint"][:8]} if "data_fingerprint" in tags else {}
    size = {_SIZE: _value(tags["image_side"])} if "image_side" in tags else {}
    return {**own, **groups, **fingerprint, **size}


def _value(text: str) -> Factor:
    try:
        return float(text)
    except ValueError:
        return text
