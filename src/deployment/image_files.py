"""The image files that a command line names."""

import glob
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from src.cli.command import refuse
from src.common.errors import ThawError, one_line
from src.data.class_folders import kinds_of_files, walk_images
from src.data.names import some_of

_NO_FILE = "a pipe or a device, not a file"
_NO_TARGET = "a link that leads to no file"


@dataclass(frozen=True)
class ImageFiles:
    """Files to predict, and the rest of what the words of a command name.

    Attributes:
        missing: a reason for each word, and for each path below its folder, that names no image.
        skipped: files that are called otherwise than images, such as notes; nobody misses them.
    """

    paths: tuple[Path, ...] = ()
    missing: Mapping[str, str] = field(default_factory=dict)
    skipped: tuple[Path, ...] = ()


def image_files(words: Sequence[str]) -> ImageFiles:
    """Return the images that `words` name: files, folders with all below them, and globs; each once, in order."""
    return _together([_named(word) for word in words])


def print_missing(files: ImageFiles) -> None:
    """Print on standard error which files are skipped, and why words of the command name no image."""
    if files.skipped:
        print(f"skipped: not images: {kinds_of_files(files.skipped)}", file=sys.stderr)
    for name, reason in files.missing.items():
        refuse(f"{one_line(name, 300)}: {one_line(reason, 300)}")


def print_unreadable(unreadable: Mapping[Path, str], warnings: Mapping[Path, str]) -> None:
    """Print on standard error what decoders say of files that they read, and why others cannot be read."""
    if warnings:
        count = f"{len(warnings):,} file{'s' * (len(warnings) > 1)}"
        named = some_of([f"{path} ({text})" for path, text in warnings.items()])
        print(f"warning: read, with a warning of the decoder: {count}: {named}", file=sys.stderr)
    for path, reason in unreadable.items():
        refuse(f"{one_line(path, 300)}: {reason}")


def _together(parts: Sequence[ImageFiles]) -> ImageFiles:
    paths = dict.fromkeys(path for part in parts for path in part.paths)
    missing = {name: reason for part in parts for name, reason in part.missing.items()}
    skipped = dict.fromkeys(path for part in parts for path in part.skipped if path not in paths)
    return ImageFiles(tuple(paths), missing, tuple(skipped))


def _named(word: str) -> ImageFiles:
    try:
        if Path(word).exists() or Path(word).is_symlink() or not glob.has_magic(word):
            return _entry(Path(word), word)
        matches = sorted(glob.glob(word, recursive=True))  # noqa: PTH207 - from any root
        parts = [_entry(Path(match), match) for match in matches]
    except OSError as error:  # a name that is too long, a folder that may not be read
        return ImageFiles(missing={word: error.strerror or str(error)})
    if not matches:
        return ImageFiles(missing={word: "no such file"})
    if all(part == _empty(match) for part, match in zip(parts, matches, strict=True)):
        return ImageFiles(missing={word: "no images there"})
    return _together(parts)


def _entry(path: Path, word: str) -> ImageFiles:
    """Return the images of a file or folder that is called `word`."""
    if path.is_dir():
        return _below(path, word)
    if path.is_file():
        return ImageFiles((path,))
    reason = _NO_FILE if path.exists() else _NO_TARGET if path.is_symlink() else "no such file"
    return ImageFiles(missing={word: reason})


def _empty(word: str) -> ImageFiles:
    return ImageFiles(missing={word: "no images in this folder"})


def _below(folder: Path, word: str) -> ImageFiles:
    try:
        content = walk_images(folder)
    except ThawError as error:
        return ImageFiles(missing={word: str(error)})
    missing = {str(path): _NO_FILE if path.exists() else _NO_TARGET for path in content.no_files if not path.is_dir()}
    if not content.images and not missing:
        missing = dict(_empty(word).missing)
    return ImageFiles(content.images, missing, content.not_images)
