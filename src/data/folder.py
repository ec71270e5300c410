"""`data=folder`: a folder per class, with or without train/ val/ test/ above them."""

import os
import re
from collections.abc import Iterator
from pathlib import Path

from src.config import FolderData
from src.data.decode import Resize, read_image
from src.data.listing import SPLITS, Image, Listing, Sample, Split, file_stamp
from src.errors import ThawError

_NOT_PHOTOS = {"thumbs.db", "desktop.ini"}


def list_folder(config: FolderData) -> Listing:
    """The photos below `config.root`, by split, class and name.

    Raises:
        ThawError: the folder is missing, empty, or its layout is not one of the two.
    """
    root = config.root.expanduser()
    if not root.is_dir():
        raise ThawError(f"data.root={config.root}: no such folder")
    found = [
        (path, Sample(path.relative_to(root).as_posix(), label, split, _group(config.group_pattern, path, folder)))
        for split, label, folder in _class_folders(root)
        for path in _photos(folder)
    ]
    if not found:
        raise ThawError(f"data.root={config.root}: no photos; expected {root.name}/train/CLASS/*.jpg or CLASS/*.jpg")
    return list_files(str(root), found, config.resize)


def list_files(source: str, found: list[tuple[Path, Sample]], resize: Resize) -> Listing:
    """A listing of photo files.

    Raises:
        ThawError: a file is not there or not open to us.
    """
    paths = [path for path, _ in found]

    def read(index: int, size: int) -> Image:
        return read_image(paths[index], size, resize)

    try:
        stamps = [f"{file_stamp(path)}|{resize}" for path in paths]
    except OSError as error:
        raise ThawError(f"{source}: {error.filename}: {error.strerror}") from error
    return Listing(source, [sample for _, sample in found], read, stamps)


def _class_folders(root: Path) -> Iterator[tuple[Split | None, str, Path]]:
    present = [split for split in SPLITS if (root / split).is_dir()]
    if not present:
        yield from ((None, folder.name, folder) for folder in _subfolders(root))
        return
    if "train" not in present:
        raise ThawError(f"{root} has {present[0]}/ but no train/")
    for split in present:
        yield from ((split, folder.name, folder) for folder in _subfolders(root / split))


def _subfolders(folder: Path) -> list[Path]:
    return sorted(child for child in folder.iterdir() if child.is_dir() and not child.name.startswith("."))


def _photos(folder: Path) -> Iterator[Path]:
    for parent, folders, files in os.walk(folder, followlinks=True):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in sorted(files):
            if not name.startswith(".") and name.lower() not in _NOT_PHOTOS:
                yield Path(parent, name)


def _group(pattern: str | None, path: Path, folder: Path) -> str | None:
    match = re.search(pattern, path.relative_to(folder).as_posix()) if pattern else None
    return f"{folder.name}/{match.group(match.lastindex or 0)}" if match else None
