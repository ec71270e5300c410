"""Assign the columns of a manifest, by `data.*_column` or by their usual names."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from src.common.errors import ThawError, did_you_mean, one_line
from src.config import CsvData
from src.data.class_folders import IMAGE_SUFFIXES
from src.data.names import some_of

_Role = Literal["path", "label", "split", "group"]
_USUAL: dict[_Role, tuple[str, ...]] = {
    "path": (
        "path",
        """filepath filename file files image images imagepath imagefile imagefilename imagename img imgpath imgfile
        imgname photo photopath photofile photoname picture""",
        "imageid imgid photoid fileid idcode",
        "id name",
    ),
    "label": (
        "label",
        """labels labelname class classes classname classlabel category categoryname target species breed diagnosis""",
        "classid categoryid labelid targetid",
    ),
    "split": ("split", "subset set partition phase splitname datasplit usage"),
    "group": ("group", "groupid burst burstid sequence sequenceid patient patientid subject subjectid"),
}
"""Usual names without case and separators, in the order in which they are looked for."""

_TRUE, _FALSE = {"1", "1.0", "true"}, {"0", "0.0", "false"}


@dataclass(frozen=True)
class Columns:
    """Columns by place; `label` is one with classes, or `one_hot` are several named after them.

    `header` holds all names, `lines` what was guessed and what is not used.
    """

    header: Sequence[str]
    path: int
    label: int | None
    one_hot: tuple[int, ...]
    split: int | None
    group: int | None
    lines: tuple[str, ...] = ()

    def cell(self, column: int | None, cells: Sequence[str]) -> str:
        """Return a row's cell, empty where there is no such column."""
        return "" if column is None else cells[column]

    def label_of(self, cells: Sequence[str]) -> str:
        """Return a row's class.

        Raises:
            ValueError: it has none, or several.
        """
        if self.label is not None:
            if not cells[self.label]:
                raise ValueError("no label")
            return cells[self.label]
        odd = next((k for k in self.one_hot if cells[k].lower() not in _TRUE | _FALSE), None)
        if odd is not None:
            raise ValueError(f"column {self.header[odd]!r} says {one_line(cells[odd], 40)!r}, which is neither 0 nor 1")
        ones = [self.header[k] for k in self.one_hot if cells[k].lower() in _TRUE]
        if len(ones) != 1:
            raise ValueError(f"{len(ones)} of the columns {self.names(self.one_hot)} are 1; exactly one must be")
        return ones[0]

    def names(self, columns: Sequence[int]) -> str:
        """Return the names of `columns` in a line."""
        return some_of([self.header[k] or "(no name)" for k in columns], 8)


def find_columns(config: CsvData, header: Sequence[str], rows: Sequence[Sequence[str]]) -> Columns:
    """Find the columns of a manifest.

    Where it has the columns path and label, it is in Thaw's own form, and no other usual name counts.

    Raises:
        ThawError: a column is missing, or may be one of several.
    """
    finder = _Finder(config, header)
    path = finder.find("path", config.path_column)
    if path is None:
        raise finder.missing("path")
    label = None if config.label_columns else finder.find("label", config.label_column)
    split, group = finder.find("split", config.split_column), finder.find("group", config.group_column)
    taken = [column for column in (path, label, split, group) if column is not None]
    one_hot: tuple[int, ...] = ()
    if label is None:
        given = [finder.column_called("label_columns", name) for name in config.label_columns or ()]
        one_hot = tuple(given) or _one_hot([k for k in range(len(header)) if k not in taken and header[k]], rows)
        if not one_hot:
            raise finder.missing("label")
    columns = Columns(header, path, label, one_hot, split, group)
    lines = tuple(_guesses(config, columns)) + tuple(_unused(config, columns, rows))
    return Columns(header, path, label, one_hot, split, group, lines)


class _Finder:
    """Looks for columns in one header."""

    def __init__(self, config: CsvData, header: Sequence[str]) -> None:
        self.where, self.header = f"data.manifest={config.manifest}", header
        plain = [name.lower() for name in header if name]
        if len(set(plain)) < len(plain):
            raise ThawError(f"{self.where}: its first line names a column twice; it says {self._given()}; rename one")
        self.has_thaw_columns = {"path", "label"} <= set(plain)

    def find(self, role: _Role, given: str | None) -> int | None:
        """Return the column that is called `given`, or else by a usual name; None where there is none."""
        if given is not None:
            return self.column_called(f"{role}_column", given)
        for names in _USUAL[role][:1] if self.has_thaw_columns else _USUAL[role]:
            matches = [k for k, name in enumerate(self.header) if re.sub(r"[\W_]+", "", name.lower()) in names.split()]
            if len(matches) > 1:
                names_of_matches = " and ".join(repr(one_line(self.header[k], 60)) for k in matches)
                raise ThawError(f"{self.where}: {role} may be {names_of_matches}: give data.{role}_column")
            if matches:
                return matches[0]
        return None

    def column_called(self, key: str, given: str) -> int:
        """Return the column that is called `given`, in upper or lower case."""
        lower = [name.lower() for name in self.header]
        if given in self.header or given.lower() in lower:
            return self.header.index(given) if given in self.header else lower.index(given.lower())
        hint = did_you_mean(given, [one_line(name, 60) for name in self.header if name])
        raise ThawError(f"{self.where}: no column {given!r} (data.{key}): {hint}")

    def missing(self, role: _Role) -> ThawError:
        """Return the error of a file that lacks a column."""
        if not any(self.header):
            return ThawError(f"{self.where}: its first line must name path,label[,split][,group]; it says nothing")
        if any(Path(name).suffix.lower() in IMAGE_SUFFIXES for name in self.header):
            return ThawError(
                f"{self.where}: its first line is an image's ({self._given()}); put the names of the columns above it, "
                "such as path,label"
            )
        ways = (
            "data.label_column=NAME, or data.label_columns for one-hot columns"
            if role == "label"
            else "data.path_column=NAME"
        )
        return ThawError(
            f"{self.where}: its first line must name path,label[,split][,group]; it says {self._given()}: none is a "
            f"usual name for {role}; give {ways}"
        )

    def _given(self) -> str:
        return one_line(",".join(self.header) or "nothing", 100)


def _one_hot(candidates: Sequence[int], rows: Sequence[Sequence[str]]) -> tuple[int, ...]:
    """Return the columns that hold 0 and 1 in every row, if there are several."""
    columns = tuple(k for k in candidates if all(row[k].lower() in _TRUE | _FALSE for row in rows))
    return columns if len(columns) > 1 else ()


def _guesses(config: CsvData, columns: Columns) -> list[str]:
    """Return a line on what was found by names other than Thaw's own."""
    roles: dict[_Role, int | None] = {
        "path": columns.path, "label": columns.label, "split": columns.split, "group": columns.group,
    }  # fmt: skip
    guesses = [
        f"{role} from {columns.header[k]!r}"
        for role, k in roles.items()
        if k is not None and columns.header[k].lower() != role and getattr(config, f"{role}_column") is None
    ]
    if columns.one_hot and not config.label_columns:
        guesses.append(f"labels from the one-hot columns {columns.names(columns.one_hot)}")
    return [f"{config.manifest}: takes {', '.join(guesses)}"] if guesses else []


def _unused(config: CsvData, columns: Columns, rows: Sequence[Sequence[str]]) -> list[str]:
    used = {columns.path, columns.label, columns.split, columns.group, *columns.one_hot}
    unused = [k for k, name in enumerate(columns.header) if k not in used and (name or any(row[k] for row in rows))]
    return [f"{config.manifest}: columns that are not used: {columns.names(unused)}"] if unused else []
