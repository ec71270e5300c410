"""`data=csv`: a table that names images and their classes, as Thaw, a spreadsheet or Kaggle writes it."""

import csv
import io
import re
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path, PureWindowsPath

from src.common.errors import ThawError, one_line, printable
from src.common.shell import setting
from src.config import CsvData
from src.data.class_folders import IMAGE_SUFFIXES
from src.data.columns import Columns, find_columns
from src.data.folder import list_files
from src.data.listing import SPLITS, Listing, Sample, Split, real_paths
from src.data.missing_paths import likely_path, no_such_file
from src.data.names import match_classes, split_called

_SEPARATORS = ",;\t|"
_OTHER_TABLES = {".xlsx", ".xls", ".ods", ".numbers", ".json", ".jsonl", ".parquet"}


@dataclass(frozen=True)
class _Row:
    """One line of the table: its number, and its cells in the header's order."""

    line: int
    cells: Sequence[str]


def list_manifest(config: CsvData) -> Listing:
    """Return the images that `config.manifest` names, in the order of their paths.

    Raises:
        ThawError: no such file, columns missing or ambiguous, a row without path or label, an image named twice or not
            there, a split that is none, some rows with a split and some without, or a class that train lacks.
    """
    header, rows = _read(config.manifest)
    columns = find_columns(config, header, [row.cells for row in rows])
    samples = [_sample(config, columns, row) for row in rows]
    read = list(zip(_paths(config, columns, rows), samples, strict=True))
    _check(config, read)
    used: dict[Split | None, set[str]] = {}
    for _, sample in read:
        used.setdefault(sample.split, set()).add(sample.label)
    classes, lines = match_classes(str(config.manifest), used)
    labelled = [(path, replace(sample, label=classes[sample.split, sample.label])) for path, sample in read]
    labelled.sort(key=lambda pair: pair[1].name)
    return list_files(config, str(config.manifest), labelled, [*columns.lines, *lines])


def _read(manifest: Path) -> tuple[list[str], list[_Row]]:
    """Return the header, and the rows that are not blank."""
    lines = list(io.StringIO(_text(manifest), newline=""))
    stated = re.fullmatch(r"sep=(.)\s*", lines[0]) if lines else None  # a spreadsheet's own line
    if stated:
        lines[0] = "\n"
    reader = csv.reader(
        iter(lines), delimiter=stated[1] if stated else _separator(lines), strict=True, skipinitialspace=True
    )
    try:
        table = [
            _Row(reader.line_num, [cell.strip() for cell in cells]) for cells in reader if any(map(str.strip, cells))
        ]
    except csv.Error as error:
        raise ThawError(
            f"data.manifest={manifest}: line {reader.line_num}: {one_line(error)}; mend its quotes"
        ) from error
    header = list(table[0].cells) if table else []
    if table and not table[1:]:
        raise ThawError(f"data.manifest={manifest}: no rows below its first line; add one for each image")
    return header, [_fitted(manifest, header, row) for row in table[1:]]


def _text(manifest: Path) -> str:
    """Return the file's text, in UTF-8 or in what its byte-order mark says."""
    try:
        if not manifest.is_file():  # a pipe would be waited for
            hint = f"; for a folder of images give data=folder {setting('data.root', manifest)}" * manifest.is_dir()
            raise ThawError(f"data.manifest={manifest}: {no_such_file(manifest)}{hint}")
        content = manifest.read_bytes()
        if manifest.suffix.lower() in _OTHER_TABLES or content.startswith(b"PK\x03\x04"):
            raise ThawError(f"data.manifest={manifest}: is no CSV file; save the table as CSV UTF-8")
        marked = content.startswith((b"\xff\xfe", b"\xfe\xff"))
        return content.decode("utf-16" if marked else "utf-8-sig")
    except OSError as error:
        raise ThawError(f"data.manifest={manifest}: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise ThawError(f"data.manifest={manifest}: not UTF-8 text; save it as CSV UTF-8") from error


def _separator(lines: Sequence[str]) -> str:
    """Return the most frequent separator of the first line with text, outside quotes; a comma where there is none."""
    first = next((line for line in lines if line.strip()), "")
    bare = "".join(first.split('"')[::2])
    return max(_SEPARATORS, key=bare.count)


def _fitted(manifest: Path, header: Sequence[str], row: _Row) -> _Row:
    """Return `row` with as many cells as the header."""
    if any(row.cells[len(header) :]):
        raise ThawError(
            f"{manifest} line {row.line}: {len(row.cells)} cells, but {len(header)} columns in the first line "
            f"({one_line(','.join(header), 60)}); put names that hold a separator into quotes"
        )
    return _Row(row.line, [*row.cells, *[""] * len(header)][: len(header)])


def _paths(config: CsvData, columns: Columns, rows: Sequence[_Row]) -> list[Path]:
    """Return the file of each row.

    Raises:
        ThawError: files are not there; the first is named, and how many there are.
    """
    paths = [(row, _path(config, columns, row)) for row in rows]
    missing = [row for row, path in paths if path is None]
    if missing:
        name, folder = _file_name(config, columns, missing[0]), config.manifest.parent / (config.image_folder or "")
        more = f" (and {len(missing) - 1} more of {len(rows)} rows)" if len(missing) > 1 else ""
        said = f"no such file {name!r}{_hint(config, folder, name)}{more}"
        raise ThawError(f"{config.manifest} line {missing[0].line}: {said}")
    return [path for _, path in paths if path is not None]


def _path(config: CsvData, columns: Columns, row: _Row) -> Path | None:
    folder = config.manifest.parent / (config.image_folder or "")
    name = _file_name(config, columns, row)
    try:
        return next((path for path in _spellings(folder, name) if path.is_file()), None)
    except OSError as error:
        file = one_line(error.filename, 300)
        raise ThawError(f"{config.manifest} line {row.line}: {file}: {error.strerror}") from error


def _file_name(config: CsvData, columns: Columns, row: _Row) -> str:
    name = row.cells[columns.path]
    if not name:
        raise ThawError(f"{config.manifest} line {row.line}: no path; fill it in, or remove the row")
    if config.extension is None or Path(name).suffix.lower() in IMAGE_SUFFIXES:
        return name
    return f"{name}.{config.extension.removeprefix('.')}"


def _spellings(folder: Path, name: str) -> Iterator[Path]:
    """Yield the paths that `name` can mean: systems differ in separators and in forms of Unicode."""
    for spelling in dict.fromkeys((name, name.replace("\\", "/"))):
        yield from (folder / unicodedata.normalize(form, spelling) for form in ("NFC", "NFD"))
        yield folder / spelling


def _hint(config: CsvData, folder: Path, name: str) -> str:
    if not folder.is_dir():
        return f": data.image_folder={config.image_folder} is no folder"
    if (folder / name).exists():
        return ": what is there is a folder, a pipe or a device"
    if re.match(r"\w+://", name):
        return ": files are read, not addresses; download them, and name the files"
    if config.image_folder and (config.manifest.parent / name).is_file():
        return f" in {folder}, but it is beside the manifest: leave data.image_folder out"
    return _likely_hint(folder, name) or _where_to_look(config, folder, name)


def _likely_hint(folder: Path, name: str) -> str:
    suffixes = [suffix for suffix in sorted(IMAGE_SUFFIXES) if (folder / f"{name}{suffix}").is_file()]
    if suffixes:
        return f", but {name}{suffixes[0]} is there: give data.extension={suffixes[0]}"
    likely = likely_path(folder / name)
    return "" if likely is None else f"; did you mean {printable(str(likely))!r}?"


def _where_to_look(config: CsvData, folder: Path, name: str) -> str:
    if Path(name).is_absolute() or PureWindowsPath(name).is_absolute():
        return ": name files relative to the manifest, or to data.image_folder"
    return f" in {folder}" + ("" if config.image_folder else "; data.image_folder=FOLDER names another one")


def _sample(config: CsvData, columns: Columns, row: _Row) -> Sample:
    name, given = _file_name(config, columns, row), columns.cell(columns.split, row.cells)
    split = split_called(given)
    if given and split is None:
        known = ", ".join(SPLITS)
        raise ThawError(f"{config.manifest} line {row.line}: split {given!r} is none of {known}; rename or remove it")
    try:
        label = columns.label_of(row.cells)
    except ValueError as error:
        raise ThawError(f"{config.manifest} line {row.line}: {error}") from error
    return Sample(name, label, split, columns.cell(columns.group, row.cells) or None)


def _check(config: CsvData, samples: list[tuple[Path, Sample]]) -> None:
    seen: dict[str, str] = {}
    for real, (_, sample) in zip(real_paths([path for path, _ in samples]), samples, strict=True):
        before = seen.get(real)
        if before is not None:
            labels = f", as {before!r} and as {sample.label!r}" if before != sample.label else ""
            raise ThawError(f"{config.manifest}: {sample.name!r} is named twice{labels}; remove one of the rows")
        seen[real] = sample.label
    with_split = sum(sample.split is not None for _, sample in samples)
    if 0 < with_split < len(samples):
        without = f"{len(samples) - with_split} of {len(samples)} rows have no split"
        raise ThawError(f"{config.manifest}: {without}; fill it in, or leave the column out")
