"""A study as one table, of which report, verdict and trials.csv are made; docs/run_schema.md has the columns."""

import shlex
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import pandas as pd
from mlflow.entities import Run as FoundRun

from src.common.shell import TRAIN
from src.config import type_of
from src.tracking import schema
from src.tracking.data_tags import near_duplicates
from src.tracking.idle_keys import ReadKeys, Value
from src.tracking.mlflow_run import as_text
from src.tracking.schema import as_json

_DTYPES: Mapping[type | None, str] = {int: "Int64", float: "float64", bool: "boolean", str: "string", None: "object"}


def study_frame(runs: Sequence[FoundRun], key: str, parent_run_id: str) -> pd.DataFrame:
    """Return the table of a study's trials, a row for each of `runs`.

    The columns are those of :data:`schema.COLUMNS`, then the keys that a trial reads of its configuration, then the
    metrics by their names in MLflow. What a trial does not have is missing.
    """
    read = [ReadKeys.of(run) for run in runs]
    rows = [_row(run, keys, key, parent_run_id) for run, keys in zip(runs, read, strict=True)]
    configurations = [keys.configuration for keys in read]
    metrics = [run.data.metrics for run in runs]
    numbers = sorted({name for row in metrics for name in row} - {*schema.PER_EPOCH_ONLY})
    return pd.DataFrame({
        **{column.name: _series(rows, column.name, column.dtype) for column in schema.COLUMNS},
        **{name: _settings(configurations, name) for name in sorted({name for row in configurations for name in row})},
        **{name: _series(metrics, name, "float64") for name in numbers},
    })  # fmt: skip


def _row(run: FoundRun, keys: ReadKeys, key: str, parent_run_id: str) -> dict[str, Any]:
    """Return what a run says of its trial besides its configuration and its metrics."""
    tags = run.data.tags
    is_trained_here, spelled = schema.PARENT.read(tags) == parent_run_id, spellings(run, key)
    return {
        schema.OVERRIDES.name: keys.followed(next(iter(spelled), ())),
        schema.SPELLED.name: spelled,
        schema.STATUS.name: run.info.status,
        schema.TRAINED_BY.name: "this study" if is_trained_here else "another",
        schema.RUN_ID.name: run.info.run_id,
        **{tag.name: tag.read(tags) for tag in schema.READ_FROM_TAGS},
        schema.COMMAND_WORDS.name: _command(tags, keys),
        schema.READS_DEPTH.name: keys.reads_depth,
        schema.NEAR_DUPLICATES_COLUMN.name: near_duplicates(tags),
    }


def _command(tags: Mapping[str, str], keys: ReadKeys) -> tuple[str, ...]:
    """Return what trains the trial; empty where its run does not say."""
    arguments = schema.ARGUMENTS.read(tags)
    if arguments is not None:
        return (*TRAIN, *keys.followed(arguments))
    words = schema.COMMAND.read(tags) or ()
    return (*words[: len(TRAIN)], *keys.followed(words[len(TRAIN) :]))


def _settings(configurations: Sequence[Mapping[str, Value]], name: str) -> "pd.Series[Any]":
    """Return the column of a key of the configuration."""
    dtype = _DTYPES[type_of(name)]
    if dtype != "string":
        return _series(configurations, name, dtype)
    return _series([{k: as_text(row[k]) for k in row if k == name} for row in configurations], name, dtype)


def _series(rows: Sequence[Mapping[str, Any]], name: str, dtype: str) -> "pd.Series[Any]":
    values = pd.Series([row.get(name) for row in rows], dtype="object")
    try:
        return values.astype(dtype)
    except (ValueError, TypeError):  # a run of another version
        return values


def to_csv(frame: pd.DataFrame) -> str:
    """Return a study's table as trials.csv holds it: overrides and commands as they are typed in a shell."""
    written = frame.assign(**{
        schema.OVERRIDES.name: [*map(_line, frame[schema.OVERRIDES.name])],
        schema.SPELLED.name: [" | ".join(map(_line, spelled)) for spelled in frame[schema.SPELLED.name]],
        schema.COMMAND_WORDS.name: [*map(shlex.join, frame[schema.COMMAND_WORDS.name])],
        schema.CLASSES.name: [counts and as_json(counts) for counts in frame[schema.CLASSES.name]],
        schema.NEAR_DUPLICATES_COLUMN.name: [near.pairs for near in frame[schema.NEAR_DUPLICATES_COLUMN.name]],
    })  # fmt: skip
    return str(written.to_csv(index=False, lineterminator="\n"))


def _line(overrides: Sequence[str]) -> str:
    return shlex.join(overrides) or "the defaults"


def spellings(run: FoundRun, key: str) -> tuple[tuple[str, ...], ...]:
    """Return the study's spellings of a run's trial, the first one first."""
    return schema.MEMBER.at(key).read(run.data.tags) or ()


def latest_runs(runs: Iterable[FoundRun], key: str) -> list[FoundRun]:
    """Return one run for each trial: the last that finished, else the last that did not.

    A trial that failed while it was planned has no key; it is the same as a later one that is spelled alike.
    """
    chosen = _latest_by(runs, lambda run: _key(run) or str(spellings(run, key)))
    known = {spelling for run in chosen if _key(run) for spelling in spellings(run, key)}
    return [run for run in chosen if _key(run) or not known & set(spellings(run, key))]


def _key(run: FoundRun) -> str | None:
    return schema.TRIAL_KEY.read(run.data.tags)


def _latest_by(runs: Iterable[FoundRun], name: Callable[[FoundRun], str]) -> list[FoundRun]:
    """Return one run for each trial as `name` identifies it: the last that finished, else the last that did not."""
    chosen: dict[str, FoundRun] = {}
    for run in runs:
        key = name(run)
        if key not in chosen or run.info.status == "FINISHED" or chosen[key].info.status != "FINISHED":
            chosen[key] = run
    return list(chosen.values())
