"""The image files that a command line names."""

import glob
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from src.common.errors import ThawError
from src.data.class_folders import walk_images


@dataclass(frozen=True)
class ImageFiles:
    """Files to predict, and why other words of the command name none.

    Attributes:
        missing: a reason for each word that names no image.
    """

    paths: tuple[Path, ...]
    missing: dict[str, str]


def image_files(words: Sequence[str]) -> ImageFiles:
    """Return the images that `words` name: files, folders with all below them, and globs; each once, in order."""
    paths: dict[Path, None] = {}
    missing: dict[str, str] = {}
    for word in words:
        images, reason = _named(word)
        paths |= dict.fromkeys(images)
        if reason:
            missing[word] = reason
    return ImageFiles(tuple(paths), missing)


def _named(word: str) -> tuple[list[Path], str]:
    try:
        return _matching(word)
    except OSError as error:  # a name that is too long, a folder that may not be read
        return [], error.strerror or str(error)


def _matching(word: str) -> tuple[list[Path], str]:
    path = Path(word)
    if path.is_dir():
        return _below(path)
    if path.exists():
        return ([path], "") if path.is_file() else ([], "a pipe or a device, not a file")
    matches = sorted(glob.glob(word, recursive=True)) if glob.has_magic(word) else []  # noqa: PTH207 - from any root
    parts = [_below(Path(entry)) for entry in matches if Path(entry).is_dir()]
    parts += [([Path(entry)], "") for entry in matches if Path(entry).is_file()]
    images = [image for some, _ in parts for image in some]
    return images, "" if images else "no images there" if matches else "no such file"


def _below(folder: Path) -> tuple[list[Path], str]:
    try:
        images = list(walk_images(folder).images)
    except ThawError as error:
        return [], str(error)
    return images, "" if images else "no images in this folder"
