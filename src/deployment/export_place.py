"""The place of an export: nothing but an earlier export is replaced, and that once the new one is whole."""

from pathlib import Path

from src.common.errors import ThawError, one_line
from src.deployment.exporters import Format

_OF_SAVED_MODEL = {"saved_model.pb", "fingerprint.pb", "keras_metadata.pb", "variables", "assets", "assets.extra"}


def check_place(path: Path, kind: Format) -> None:
    """Check that nothing but an earlier export is at `path`, and that its folder is none or a folder.

    Raises:
        ThawError: something else is.
    """
    if path.parent.exists() and not path.parent.is_dir():
        raise ThawError(f"--out {path.parent}: is a file; give a folder")
    if not path.exists():
        return
    if path.is_dir() != (kind == "saved_model"):
        raise ThawError(f"{path}: is a {'folder' if path.is_dir() else 'file'}; give another folder with --out")
    others = sorted({entry.name for entry in path.iterdir()} - _OF_SAVED_MODEL) if path.is_dir() else []
    if others:
        raise ThawError(f"{path}: holds {one_line(others[0], 100)}, which no export is; give another folder with --out")


def put_in_place(made: Path, path: Path) -> None:
    """Move an export to `path`, in place of an earlier one, which is moved beside `made`."""
    if path.is_dir():
        path.rename(made.with_name(f"{made.name}.earlier"))  # a folder does not replace another
    made.replace(path)
