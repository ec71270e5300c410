"""`data=csv`: a table that names images and their classes, as Thaw, a spreadsheet or Kaggle writes it."""

import csv
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from src.config import CsvData
from src.data.columns import Columns, find_columns
from src.data.folder import list_files
from src.data.layout import IMAGE_SUFFIXES
from src.data.listing import SPLITS, Listing, Sample, Split
from src.data.names import match_classes, split_named
from src.errors import ThawError, one_line

_SEPARATORS = ",;\t|"


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
    read = [(_path(config, columns, row), _sample(config, columns, row)) for row in rows]
    used: dict[Split | None, set[str]] = {}
    for _, sample in read:
        used.setdefault(sample.split, set()).add(sample.label)
    classes, lines = match_classes(str(config.manifest), used)
    found = [(path, _labelled(sample, classes[sample.split, sample.label])) for path, sample in read]
    found.sort(key=lambda pair: pair[1].name)
    _check(config, found)
    return list_files(config, str(config.manifest), found, [*columns.lines, *lines])


def _labelled(sample: Sample, label: str) -> Sample:
    return Sample(sample.name, label, sample.split, sample.group)


def _read(manifest: Path) -> tuple[list[str], list[_Row]]:
    """The header, and the rows that are not blank."""
    lines = _text(manifest).splitlines(keepends=True)
    reader = csv.reader(iter(lines), delimiter=_separator(lines), strict=True)
    try:
        table = [
            _Row(reader.line_num, [cell.strip() for cell in cells]) for cells in reader if any(map(str.strip, cells))
        ]
    except csv.Error as error:
        raise ThawError(f"data.manifest={manifest}: line {reader.line_num}: {one_line(error)}") from error
    header = list(table[0].cells) if table else []
    if table and not table[1:]:
        raise ThawError(f"data.manifest={manifest}: no rows")
    return header, [_fitted(manifest, header, row) for row in table[1:]]


def _text(manifest: Path) -> str:
    """The file's text, in UTF-8 or in what its byte-order mark says."""
    try:
        content = manifest.read_bytes()
        marked = content.startswith((b"\xff\xfe", b"\xfe\xff"))
        return content.decode("utf-16" if marked else "utf-8-sig")
    except OSError as error:
        raise ThawError(f"data.manifest={manifest}: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise ThawError(f"data.manifest={manifest}: not UTF-8 text; save it as CSV UTF-8") from error


def _separator(lines: Sequence[str]) -> str:
    """The separator that stands most often in the first line with text, outside quotes; a comma where none does."""
    first = next((line for line in lines if line.strip()), "")
    bare = "".join(first.split('"')[::2])
    return max(_SEPARATORS, key=bare.count)


def _fitted(manifest: Path, header: Sequence[str], row: _Row) -> _Row:
    """`row` with as many cells as the header."""
    if any(row.cells[len(header) :]):
        raise ThawError(
            f"{manifest} line {row.line}: {len(row.cells)} cells, but {len(header)} columns in the first line; put "
            "names that hold a separator into quotes"
        )
    return _Row(row.line, [*row.cells, *[""] * len(header)][: len(header)])


def _path(config: CsvData, columns: Columns, row: _Row) -> Path:
    folder = config.manifest.parent / (config.image_folder or "")
    name = _file_name(config, columns, row)
    try:
        path = next((path for path in _spellings(folder, name) if path.is_file()), None)
    except OSError as error:
        raise ThawError(f"{config.manifest} line {row.line}: {error.filename}: {error.strerror}") from error
    if path is None:
        raise ThawError(f"{config.manifest} line {row.line}: no such file {name!r}{_hint(config, folder, name)}")
    return path


def _file_name(config: CsvData, columns: Columns, row: _Row) -> str:
    name = row.cells[columns.path]
    if not name:
        raise ThawError(f"{config.manifest} line {row.line}: no path")
    if config.extension is None or Path(name).suffix.lower() in IMAGE_SUFFIXES:
        return name
    return f"{name}.{config.extension.removeprefix('.')}"


def _spellings(folder: Path, name: str) -> Iterator[Path]:
    """Where a file may be that is written `name`: another system has other separators and other forms of Unicode."""
    for each in dict.fromkeys((name, name.replace("\\", "/"))):
        yield from (folder / unicodedata.normalize(form, each) for form in ("NFC", "NFD"))
        yield folder / each


def _hint(config: CsvData, folder: Path, name: str) -> str:
    if not folder.is_dir():
        return f": data.image_folder={config.image_folder} is no folder"
    suffixes = [suffix for suffix in sorted(IMAGE_SUFFIXES) if (folder / f"{name}{suffix}").is_file()]
    if suffixes:
        return f", but {name}{suffixes[0]} is there: give data.extension={suffixes[0]}"
    return f" in {folder}" + ("" if config.image_folder else "; data.image_folder=FOLDER names another one")


def _sample(config: CsvData, columns: Columns, row: _Row) -> Sample:
    name, given = _file_name(config, columns, row), columns.cell(columns.split, row.cells)
    split = split_named(given)
    if given and split is None:
        raise ThawError(f"{config.manifest} line {row.line}: split {given!r} is none of {', '.join(SPLITS)}")
    try:
        label = columns.label_of(row.cells)
    except ValueError as error:
        raise ThawError(f"{config.manifest} line {row.line}: {error}") from error
    return Sample(name, label, split, columns.cell(columns.group, row.cells) or None)


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
