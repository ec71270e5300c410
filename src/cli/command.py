"""Commands whose options argparse reads: an error is a line, and the exit status is the one that shells expect."""

import argparse
import math
import os
import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import NoReturn

from src.cli.signals import closed_pipe_interrupts, end_of, hidden_interrupts_show, raise_interrupted
from src.cli.streams import discard, escape_unencodable
from src.common.errors import Interrupted, ThawError, one_line

MODEL_HELP = "runs:/ID, models:/NAME@ALIAS, models:/NAME/VERSION, an alias such as champion, a folder or a .keras file"
IMAGES_HELP = "files, folders with all below them, globs; put -- before names that begin with -"
STORE_HELP = "MLflow's; default: MLFLOW_TRACKING_URI, else the project's own store"
NAME_HELP = "of the registered model; default: that of the images, which champions compete on"
FORCE_HELP = "move the alias even to a model that is worse"


def run_command(main: Callable[[], int]) -> NoReturn:
    """Run `main`, print its error in a line, and end with the status that it returns.

    0 done, 1 bad input or failure, 2 wrong options, 128 + N ended by signal N.
    """
    escape_unencodable()
    raise_interrupted()
    try:
        with hidden_interrupts_show(), closed_pipe_interrupts():
            status = main()
    except Interrupted as stop:
        status = end_of(stop)
    except ThawError as error:
        status = refuse(error)
    except OSError as error:
        if error.filename is None:  # standard output may be what is full
            discard(1)
        status = refuse(f"{error.filename or 'standard output'}: {error.strerror or error}")
    sys.exit(status)


def refuse(reason: object) -> int:
    """Print why something is not done, in a line, and return the exit status."""
    print(f"thaw: {one_line(reason, 2000)}", file=sys.stderr)
    return 1


def positive(text: str) -> int:
    """Return the number that an option gives, 1 or more."""
    if not re.fullmatch(r"\d+", text) or not int(text):
        raise argparse.ArgumentTypeError(f"{text}: give 1 or more")
    return int(text)


def share(text: str) -> float:
    """Return the share that an option gives, 0–1."""
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not 0 <= value <= 1:
        raise argparse.ArgumentTypeError(f"{text}: give a share from 0 to 1, such as 0.8")
    return value


def port(text: str) -> int:
    """Return the port that an option gives, 0–65535."""
    if not re.fullmatch(r"[0-9]{1,5}", text) or int(text) > 65535:
        raise argparse.ArgumentTypeError(f"{text}: give a port from 0 to 65535; 0 takes a free one")
    return int(text)


def not_empty(text: str) -> str:
    """Return a word that is not empty, as that of an unset shell variable is."""
    if not text:
        raise argparse.ArgumentTypeError("is empty; give a name")
    return text


def model_name(text: str) -> str:
    """Return the name of a registered model that an option gives, as MLflow takes it."""
    if not text.strip() or re.search("[/:]", text):
        raise argparse.ArgumentTypeError(f"{text!r}: give a name without / and :")
    return text


def check_page(option: str, path: Path) -> None:
    """Check that a page can be written to `path`, before the work for it begins.

    Raises:
        ThawError: it is a folder, or its folder cannot be made or written; the text names `option`.
    """
    above = next(folder for folder in path.absolute().parents if folder.exists())
    if path.is_dir():
        raise ThawError(f"{option} {path}: is a folder; give a file, such as {path / 'page.html'}")
    if not above.is_dir() or not os.access(above, os.W_OK | os.X_OK):
        reason = "cannot be written" if above.is_dir() else "is a file, not a folder"
        raise ThawError(f"{option} {path}: {above} {reason}; give another place")


def alias(text: str) -> str:
    """Return the alias that an option gives, as MLflow takes it."""
    if not re.fullmatch(r"[A-Za-z][A-Za-z0-9_-]*", text) or re.fullmatch(r"(?i)latest|v\d+", text):
        raise argparse.ArgumentTypeError(f"{text!r}: letters, digits, - and _; neither latest nor v1, v2 …")
    return text
