"""The folder that a trial leaves its files in: its own, or refused."""

import shutil
from pathlib import Path

from src.common.errors import ThawError

_MARKER = ".thaw-trial"
SUMMARY = "summary.json"
_FOLDERS = ("figures", "model", "predictions")


def prepare_output(output: Path) -> None:
    """Make `output` a trial's own folder, without an earlier trial's summary.

    Raises:
        ThawError: it holds files or folders with a trial's names that no trial made.
    """
    output.mkdir(parents=True, exist_ok=True)
    present = [name for name in (*_FOLDERS, SUMMARY) if (output / name).exists()]
    if present and not (output / _MARKER).exists():
        raise ThawError(f"hydra.run.dir={output}: holds {present[0]} that no trial made; choose another folder")
    (output / _MARKER).touch()
    (output / SUMMARY).unlink(missing_ok=True)


def clear_output(output: Path) -> None:
    """Remove what an earlier trial left in `output`."""
    for name in _FOLDERS:
        shutil.rmtree(output / name, ignore_errors=True)
