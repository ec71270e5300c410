"""`data=folder`: a folder per class, with or without train/ val/ test/ above them."""

import os
import re
from collections.abc import Iterator
from pathlib import Path

from src.config import FolderData
from src.data.decode import Resize, read_image
from src.data.listing import SPLIT_NAMES, Image, Listing, Sample, Split, file_stamps
from src.errors import ThawError

_NOT_PHOTOS = {"thumbs.db", "desktop.ini"}


def list_folder(config: FolderData) -> Listing:
    """The photos below `config.root`, by split, class and name.

    Raises:
        ThawError: the folder is missing, empty, or its layout is not one of the two.
    """
    root = config.root
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
        stamps = [f"{stamp}|{resize}" for stamp in file_stamps(paths)]
    except OSError as error:
        raise ThawError(f"{source}: {error.filename}: {error.strerror}") from error
    return Listing(source, [sample for _, sample in found], read, stamps, paths=tuple(paths))


def _class_folders(root: Path) -> Iterator[tuple[Split | None, str, Path]]:
    splits = _split_folders(root)
    if not splits:
        yield from ((None, folder.name, folder) for folder in _subfolders(root))
        return
    if "train" not in splits:
        raise ThawError(f"{root} has {next(iter(splits.values())).name}/ but no train/")
    for split, parent in splits.items():
        classes = _subfolders(parent)
        empty = [folder for folder in classes if next(_photos(folder), None) is None]
        if not classes or (empty and split == "train"):
            raise ThawError(f"{empty[0] if empty else parent}/ is empty: put photos there, or remove it")
        yield from ((split, folder.name, folder) for folder in classes)


def _split_folders(root: Path) -> dict[Split, Path]:
    found: dict[Split, Path] = {}
    for folder in _subfolders(root):
        split = SPLIT_NAMES.get(folder.name.lower())
        if split and split in found:
            raise ThawError(f"{root} has both {found[split].name}/ and {folder.name}/: keep one")
        if split:
            found[split] = folder
    return found


def _subfolders(folder: Path) -> list[Path]:
    return sorted(child for child in folder.iterdir() if child.is_dir() and not child.name.startswith("."))


def _photos(folder: Path) -> Iterator[Path]:
    """The files below `folder`, sorted; links are followed, but no folder is entered twice, and pipes are no photos."""
    entered: set[str] = set()
    for parent, folders, files in os.walk(folder, followlinks=True):
        real = os.path.realpath(parent)
        if real in entered:
            folders.clear()
            continue
        entered.add(real)
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for path in (Path(parent, name) for name in sorted(files) if not name.startswith(".")):
            if path.name.lower() not in _NOT_PHOTOS and path.is_file():
                yield path


def _group(pattern: str | None, path: Path, folder: Path) -> str | None:
    match = re.search(pattern, path.relative_to(folder).as_posix()) if pattern else None
    return f"{folder.name}/{match.group(match.lastindex or 0)}" if match else None
