"""Messages on files and folders that do not exist: what is there, and what may be meant."""

import os
import unicodedata
from difflib import get_close_matches
from pathlib import Path

from src.common.errors import printable
from src.common.shell import setting

_ARCHIVES = {".zip", ".tar", ".tgz", ".gz", ".bz2", ".xz", ".7z", ".rar"}
_TABLES = {".csv", ".tsv", ".txt"}
_LOOKED_AT = 10_000


def no_such_folder(path: Path) -> str:
    """Return why `path` is no folder, and what to do.

    >>> no_such_folder(Path("/nowhere"))
    'no such folder'
    """
    if not path.is_file():
        return "is a pipe or a device, not a folder" if path.exists() else _not_there(path, "folder")
    if path.suffix.lower() in _ARCHIVES:
        return "is an archive, not a folder: unpack it, and give the folder that it makes"
    if path.suffix.lower() in _TABLES:
        return f"is a file, not a folder: for a table of images give data=csv {setting('data.manifest', path)}"
    return "is a file, not a folder: give the folder that holds the class folders"


def no_such_file(path: Path) -> str:
    """Return why `path` is no file, and what to do.

    >>> no_such_file(Path("/nowhere.csv"))
    'No such file'
    """
    if path.is_dir():
        return "is a folder, not a file"
    return "is a pipe or a device, not a file" if path.exists() else _not_there(path, "file")


def _not_there(path: Path, kind: str) -> str:
    if path.is_symlink():
        return f"is a link that leads to no {kind}"
    said = "no such folder" if kind == "folder" else "No such file"
    where = "" if path.is_absolute() else f" in {printable(os.getcwd())}"  # noqa: PTH109 - a folder may be gone
    likely = likely_path(path)
    hint = f"; did you mean {printable(str(likely))!r}?" if likely else ""
    return f"{said}{where}{hint}" if hint or where else said


def likely_path(path: Path) -> Path | None:
    """Return what is there and is called nearly like `path`: letter case, form of Unicode, or a letter differ."""
    existing = Path()
    for name in path.parts:
        close = name if (existing / name).exists() else _close(name, existing)
        if not close:
            return None
        existing /= close
    return existing if existing != path else None


def _close(name: str, folder: Path) -> str:
    try:
        with os.scandir(folder) as entries:
            names = {_plain(entry.name): entry.name for entry, _ in zip(entries, range(_LOOKED_AT), strict=False)}
    except OSError:
        return ""
    close = get_close_matches(_plain(name), names, n=1, cutoff=0.75)
    return names[close[0]] if close else ""


def _plain(name: str) -> str:
    return " ".join(unicodedata.normalize("NFKC", name).casefold().split())
