"""Trials as a verdict reads them, out of a study's table."""

import math
from collections import defaultdict
from collections.abc import Callable, Container, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import pandas as pd

from src.common.metrics import Objective
from src.common.override import override_key, override_value
from src.config import PHASE_KEYS, type_of
from src.tracking import schema
from src.tracking.mlflow_run import as_text
from src.verdict.trials import Factor, TrialRecord, sets_apart

_NOT_FACTORS = {"seed", "unfrozen", "objective", "no_deeper_than", "store", "max_gb", "max_unreadable"}
_GROUPS = ("weights", "augment", "schedule", "optimizer")
_DATA, _KIND, _SIZE, _MODE = "data", "data.kind", "image_size", "batchnorm"
_SIDE_FOLLOWS_FROM = {"image_size", "backbone", "weights"}

_LOSSES = tuple(schema.of_split(split, "loss") for split in (schema.FIT, schema.VAL))
"""A trial that diverged has them, though its last ones are no numbers."""

Factors = dict[str, Factor]
Row = Mapping[str, Any]
"""A trial's row of the table, without what is missing."""

History = Callable[[str, Container[str]], Sequence[Mapping[str, float]]]
"""A run's id, and the names of its metrics, to its epochs."""


def read_records(frame: pd.DataFrame, history: History, objective: Objective) -> list[TrialRecord]:
    """Return the records of the trials in a study's table, in their order, to be judged by `objective`.

    A trial that stands in several rows, of several studies, is one: the last row that finished, else the last.
    A run that does not read `batchnorm`, because no variable of its backbone trains, is a record in each mode that the
    trials beside it were trained in.
    """
    trials = _trials(frame)
    rows = [row for row, _ in trials]
    factors = essential(_typed_once(rows, [_factors(row) for row in rows]))
    return [
        replace(_record(row, in_mode, history), objective=objective, answers=answers)
        for (row, answers), trial in zip(trials, factors, strict=True)
        for in_mode in (_in_modes(trial, factors) if _settings(row) else [trial])
    ]


def _trials(frame: pd.DataFrame) -> list[tuple[Row, int]]:
    """Return the row of each trial, and in how many ways its studies spell it."""
    rows: dict[str, Row] = {}
    spelled: dict[str, dict[tuple[str, ...], None]] = defaultdict(dict)
    for row in map(_known, frame.to_dict("records")):
        key = row.get(schema.TRIAL_KEY.name) or row[schema.RUN_ID.name]
        if key not in rows or _is_later(row, rows[key]):
            rows[key] = row
        spelled[key] |= dict.fromkeys(row[schema.SPELLED.name])
    return [(row, len(spelled[key])) for key, row in rows.items()]


def _is_later(row: Row, other: Row) -> bool:
    """Return whether a trial's `row` takes the place of an `other` before it, of another run."""
    is_finished, was_finished = (candidate[schema.STATUS.name] == "FINISHED" for candidate in (row, other))
    return bool(row[schema.RUN_ID.name] != other[schema.RUN_ID.name] and (is_finished or not was_finished))


def _known(row: Mapping[Any, Any]) -> Row:
    return {
        str(name): value for name, value in row.items()
        if not (value is None or value is pd.NA or (isinstance(value, float) and math.isnan(value)))
    }  # fmt: skip


def _in_modes(trial: Factors, factors: Sequence[Factors]) -> list[Factors]:
    """Return `trial`, or where it lacks `batchnorm`, one in each mode of the trials that it is compared with."""
    beside = [other for other in factors if _MODE in other and _facet(other) == _facet(trial)]
    modes = dict.fromkeys(other[_MODE] for other in beside)
    return [trial] if _MODE in trial or not modes else [trial | {_MODE: mode} for mode in modes]


def _facet(trial: Mapping[str, Factor]) -> dict[str, Factor]:
    """Return the factors that define a trial's facet, without BatchNorm's mode."""
    return {name: value for name, value in trial.items() if sets_apart(name) and name != _MODE}


def _typed_once(rows: Sequence[Row], factors: Sequence[Factors]) -> list[Factors]:
    """Return `factors` with one way to type the same photos, and the same weights: as the first of `rows` has it."""
    for section, digest_of in (("data.", schema.DATA_FINGERPRINT), ("weights.", schema.WEIGHTS_DIGEST)):
        first: dict[str, Factors] = {}
        by_digest = [(row[digest_of.name] if digest_of.name in row and trial else row[schema.RUN_ID.name], trial)
                 for row, trial in zip(rows, factors, strict=True)]  # fmt: skip
        typed = [first.setdefault(digest, {k: v for k, v in trial.items() if k.startswith(section)})
                 for digest, trial in by_digest]  # fmt: skip
        factors = [
            {name: value for name, value in trial.items() if not name.startswith(section)} | same
            for trial, same in zip(factors, typed, strict=True)
        ]
    return list(factors)


def essential(factors: Sequence[Mapping[str, Factor]]) -> list[Factors]:
    """Return `factors` of several trials without those that follow from their own group.

    A group's choice brings all its values along, and a schedule repeats the rates: a verdict should speak of one name.
    Of the data, what was typed is kept where the images differ, and their fingerprint where nothing typed says so.

    >>> essential([{"augment": "none", "augment.flip": 0, "x.y": 1}, {"augment": "light", "augment.flip": 1, "x.y": 1}])
    [{'augment': 'none'}, {'augment': 'light'}]
    >>> essential([{"data": "2f", "data.root": "a"}, {"data": "2f", "data.root": "b"}])
    [{}, {}]
    >>> essential([{"data": "2f", "data.fraction": 0.5}, {"data": "c4", "data.fraction": 1.0}])
    [{'data.fraction': 0.5}, {'data.fraction': 1.0}]
    """
    known = [trial for trial in _without_unread(factors) if trial]
    names = sorted({name for trial in known for name in trial} - {_DATA}, key=lambda name: ("." in name, name))
    kept = [name for name in names if not _follows(name, known)]
    if not _is_determined(kept, known):
        kept.append(_DATA)
    return [{name: trial[name] for name in kept if name in trial} for trial in _without_unread(factors)]


def _without_unread(factors: Sequence[Mapping[str, Factor]]) -> list[Factors]:
    """Return `factors` without keys that a schedule does not read.

    Runs of earlier versions have them, and where the phases happen to have such a key's value, it seems to be read. A
    schedule reads a key, therefore, where all of its trials do.
    """
    unread = {(trial.get("schedule"), name) for trial in factors if trial for name in PHASE_KEYS if name not in trial}
    return [{name: trial[name] for name in trial if (trial.get("schedule"), name) not in unread} for trial in factors]


def _follows(name: str, factors: Sequence[Mapping[str, Factor]]) -> bool:
    """Return whether a dotted key follows from its group's choice, or from the key that it repeats, in all trials.

    Keys of other groups explain nothing: in a search every rate is another, and all else would follow from it. The
    images' size follows where each backbone and weight set has one.
    """
    if name == _SIZE:
        return _size_follows(factors)
    if "." not in name:
        return False
    group = name.partition(".")[0]
    choice = _KIND if group == _DATA else group
    parts: dict[Factor | None, list[Mapping[str, Factor]]] = {}
    for trial in factors:
        parts.setdefault(trial.get(choice) if name != _KIND else None, []).append(trial)
    same_photos = len({trial.get(_DATA) for trial in factors}) == 1
    return (group == _DATA and same_photos) or all(_is_fixed(name, part) for part in parts.values())


def _size_follows(factors: Sequence[Mapping[str, Factor]]) -> bool:
    """Return whether backbones or weights differ, and none was trained at two image sizes."""
    sizes: dict[tuple[Factor | None, ...], set[Factor | None]] = {}
    for trial in factors:
        sizes.setdefault((trial.get("backbone"), trial.get("weights")), set()).add(trial.get(_SIZE))
    return len(sizes) > 1 and all(len(values) == 1 for values in sizes.values())


def _is_fixed(name: str, factors: Sequence[Mapping[str, Factor]]) -> bool:
    values = [trial.get(name) for trial in factors]
    part = name.rpartition(".")[2]
    repeated = [key for key in PHASE_KEYS if PHASE_KEYS[key] == part and name.startswith("schedule.")]
    return len(set(values)) == 1 or any(values == [trial.get(other) for trial in factors] for other in repeated)


def _is_determined(names_kept: Iterable[str], factors: Sequence[Mapping[str, Factor]]) -> bool:
    """Return whether the settings of the data determine the images, together with those that determine their size."""
    names = [name for name in names_kept if name in _SIDE_FOLLOWS_FROM or name.startswith(("data.", "weights."))]
    pairs = {(tuple(trial.get(name) for name in names), trial.get(_DATA)) for trial in factors}
    return len(pairs) == len({typed for typed, _ in pairs})


def _record(row: Row, factors: Mapping[str, Factor], history: History) -> TrialRecord:
    metrics: dict[str, float] = {name: value for name, value in row.items() if schema.is_metric(name)}
    return TrialRecord(
        run_id=row[schema.RUN_ID.name],
        status=row[schema.STATUS.name],
        overrides=row[schema.OVERRIDES.name],
        factors=factors,
        depth=int(metrics.get(schema.DEPTH_CANONICAL) or row.get(schema.DEPTH.name) or 0),
        block=row.get(schema.BLOCK.name, ""),
        parameters=int(metrics.get(schema.DEPTH_PARAMETERS, 0)),
        whole=row.get(schema.WHOLE.name, False),
        seed=row.get("seed", _spelled_seed(row[schema.OVERRIDES.name])),
        metrics=metrics,
        history=_epochs(row, history),
        val_images=row.get(schema.IMAGES.at("val").name),
        test_images=row.get(schema.IMAGES.at("test").name),
        class_counts=row.get(schema.CLASSES.name, {}),
        near_duplicates=row[schema.NEAR_DUPLICATES_COLUMN.name],
        command=row[schema.COMMAND_WORDS.name],
        reads_depth=row[schema.READS_DEPTH.name],
        resumed=row.get(schema.RESUMED_EPOCHS.name, 0),
    )


def _spelled_seed(overrides: Sequence[str]) -> int:
    """Return the seed that a trial's overrides set; 0 where they set none."""
    seeds = [override_value(line) for line in overrides if override_key(line) == "seed"]
    return next((int(text) for text in seeds if text.isdecimal()), 0)


def _epochs(row: Row, history: History) -> Sequence[Mapping[str, float]]:
    """Return a run's epochs, unless it is still adding to them."""
    if row[schema.STATUS.name] == "RUNNING":
        return []
    return history(row[schema.RUN_ID.name], row.keys() | {*schema.PER_EPOCH_ONLY, *_LOSSES})


def _settings(row: Row) -> dict[str, Any]:
    """Return the configuration that a trial reads; empty where its run ended before it was described."""
    return {name: value for name, value in row.items() if name not in _COLUMNS and type_of(name) is not None}


def _factors(row: Row) -> Factors:
    """Return the factors of a configuration: the settings that a trial reads, and its groups.

    A run that ended before it was described has none: its first tags do not identify it.
    """
    settings = _settings(row)
    if not settings:
        return {}
    read = settings.keys() - {"weights.image_size"}
    numbers_and_texts = {name: _factor(settings[name]) for name in read if not _NOT_FACTORS & set(name.split("."))}
    chosen = {name: schema.GROUP.at(name).name for name in _GROUPS}
    groups = {name: row[column] for name, column in chosen.items() if column in row}
    fingerprint = schema.DATA_FINGERPRINT.name
    data = {_DATA: row[fingerprint][:8]} if fingerprint in row else {}
    size = {_SIZE: float(row[schema.IMAGE_SIDE.name])} if schema.IMAGE_SIDE.name in row else {}
    return {**numbers_and_texts, **groups, **data, **size}


_COLUMNS = frozenset(column.name for column in (schema.STUDY, *schema.COLUMNS))


def _factor(value: Any) -> Factor:
    """Return a setting as a factor: a number as float, all else as text."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return value if isinstance(value, str) else as_text(value)
    return float(value)
