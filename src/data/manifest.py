"""`data=csv`: a manifest with the columns path,label[,split][,group]."""

import csv
from collections.abc import Mapping
from pathlib import Path

from src.config import CsvData
from src.data.folder import list_files
from src.data.listing import SPLIT_NAMES, SPLITS, Listing, Sample
from src.errors import ThawError, one_line


def list_manifest(config: CsvData) -> Listing:
    """The photos that `config.manifest` names, in the order of their paths.

    Raises:
        ThawError: no such file, a column missing, a row without path or label, a photo named twice or not there, a
            split that is none, or some rows with a split and some without.
    """
    found = [(_path(config, row, line), _sample(config, row, line)) for line, row in _rows(config.manifest)]
    found.sort(key=lambda pair: pair[1].name)
    _check(config, found)
    return list_files(str(config.manifest), found, config.resize)


def _rows(manifest: Path) -> list[tuple[int, dict[str, str]]]:
    """Line number and cells by lower-case column of each row."""
    try:
        with manifest.open(newline="", encoding="utf-8-sig") as file:
            reader = csv.DictReader(file, strict=True)
            reader.fieldnames = columns = [name.strip().lower() for name in reader.fieldnames or ()]
            rows = [(reader.line_num, {key or "": _text(value) for key, value in row.items()}) for row in reader]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        reason = (
            "not UTF-8 text" if isinstance(error, UnicodeDecodeError) else getattr(error, "strerror", None) or error
        )
        raise ThawError(f"data.manifest={manifest}: {one_line(reason)}") from error
    if len(set(columns)) < len(columns) or not {"path", "label"} <= set(columns):
        given = one_line(",".join(columns) or "nothing", 100)
        raise ThawError(
            f"data.manifest={manifest}: its first line must name path,label[,split][,group]; it says {given}"
        )
    if not rows:
        raise ThawError(f"data.manifest={manifest}: no rows")
    return rows


def _text(value: str | list[str] | None) -> str:
    return value.strip() if isinstance(value, str) else ""


def _path(config: CsvData, row: Mapping[str, str], line: int) -> Path:
    if not row["path"]:
        raise ThawError(f"{config.manifest} line {line}: no path")
    path = config.manifest.parent / row["path"]
    if not path.is_file():
        raise ThawError(f"{config.manifest} line {line}: no such file {row['path']!r}")
    return path


def _sample(config: CsvData, row: Mapping[str, str], line: int) -> Sample:
    if not row["label"]:
        raise ThawError(f"{config.manifest} line {line}: no label")
    given = row.get("split", "")
    split = SPLIT_NAMES.get(given.lower())
    if given and split is None:
        raise ThawError(f"{config.manifest} line {line}: split {given!r} is none of {', '.join(SPLITS)}")
    return Sample(row["path"], row["label"], split, row.get("group") or None)


def _check(config: CsvData, found: list[tuple[Path, Sample]]) -> None:
    seen: set[Path] = set()
    for path, sample in found:
        resolved = path.resolve()
        if resolved in seen:
            raise ThawError(f"{config.manifest}: {sample.name!r} is named twice")
        seen.add(resolved)
    with_split = sum(sample.split is not None for _, sample in found)
    if 0 < with_split < len(found):
        raise ThawError(f"{config.manifest}: {len(found) - with_split} of {len(found)} rows have no split; all or none")
