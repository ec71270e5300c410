"""`data=folder`: a folder per class, with train/ val/ test/ above or below them, or neither."""

import re
import unicodedata
from collections.abc import Sequence
from pathlib import Path

from src.common.errors import ThawError, one_line
from src.config import CsvData, FolderData
from src.data.class_folders import IMAGE_SUFFIXES, FolderContent, find_layout, kinds_of_files, walk_images
from src.data.decode import read_image
from src.data.listing import Image, Listing, Sample, Split, file_stamps, real_paths
from src.data.missing_paths import no_such_folder
from src.data.names import match_classes, some_of


def list_folder(config: FolderData) -> Listing:
    """Return the images below `config.root`, by split, class and name.

    Raises:
        ThawError: the folder is missing, empty or not readable, its layout is not known, or a split has a class that
            train lacks.
    """
    root = as_written(config.root)
    if not root.is_dir():
        raise ThawError(f"data.root={config.root}: {no_such_folder(root)}")
    layout = find_layout(root)
    walked = [(folder, walk_images(folder.path)) for folder in layout.folders]
    if not any(files.images for _, files in walked):
        raise ThawError(f"data.root={config.root}: {_no_photos(layout.top)}")
    used: dict[Split | None, set[str]] = {}
    for folder, files in walked:
        if files.images:
            used.setdefault(folder.split, set()).add(folder.name)
    classes, lines = match_classes(str(layout.top), used)
    samples: list[tuple[Path, Sample]] = []
    for folder, files in walked:
        for path in files.images:
            label = classes[folder.split, folder.name]
            group = _group(config.group_pattern, label, path.relative_to(folder.path)) if config.group_pattern else None
            samples.append((path, Sample(path.relative_to(layout.top).as_posix(), label, folder.split, group)))
    _refuse_two_labels(layout.top, samples)
    lines = [*layout.lines, *lines, *_excluded(layout.top, [files for _, files in walked])]
    return list_files(config, str(layout.top), samples, lines)


def _refuse_two_labels(top: Path, samples: Sequence[tuple[Path, Sample]]) -> None:
    """Refuse images that links put into two classes.

    Raises:
        ThawError: there is one.
    """
    first: dict[str, Sample] = {}
    for real, (_, sample) in zip(real_paths([path for path, _ in samples]), samples, strict=True):
        other = first.setdefault(real, sample)
        if other.label != sample.label:
            names = f"{one_line(other.name, 200)} and {one_line(sample.name, 200)}"
            raise ThawError(f"{top}: {names} are one file in two classes; remove one of the links")


def _excluded(top: Path, contents: Sequence[FolderContent]) -> list[str]:
    """Return lines on the files in class folders that are not read."""
    no_files = [path.relative_to(top).as_posix() for files in contents for path in files.no_files]
    not_images = [path for files in contents for path in files.not_images]
    lines = [f"no files (links to nothing or back, pipes), so they play no part: {some_of(no_files)}"] * bool(no_files)
    return lines + [f"skipped: not images: {kinds_of_files(not_images)}"] * bool(not_images)


def as_written(root: Path) -> Path:
    """Return `root` in the form of Unicode that its name has on the disk."""
    forms = (Path(unicodedata.normalize(form, str(root))) for form in ("NFC", "NFD"))
    return root if root.is_dir() else next((path for path in forms if path.is_dir()), root)


def _no_photos(top: Path) -> str:
    loose = [path.name for path in sorted(top.iterdir()) if path.suffix.lower() in IMAGE_SUFFIXES and path.is_file()]
    if loose:
        return (
            f"{len(loose)} loose images ({some_of(loose, 1)}) and no class folders; put those of each class into a "
            "folder of its own, or point data.root at the folder that holds the class folders"
        )
    return f"no photos; expected {top.resolve().name}/train/CLASS/*.jpg or CLASS/*.jpg"


def list_files(
    config: FolderData | CsvData, source: str, read_samples: list[tuple[Path, Sample]], lines: list[str]
) -> Listing:
    """Return a listing of image files, with `lines` for the user.

    Raises:
        ThawError: a file is not there or not open to us.
    """
    paths = [path for path, _ in read_samples]

    def read(index: int, size: int) -> Image:
        return read_image(paths[index], size, config.resize, config.bit_depth)

    how = "|".join(str(option) for option in (config.resize, config.bit_depth) if option is not None)
    try:
        stamps = [f"{stamp}|{how}" for stamp in file_stamps(paths)]
    except OSError as error:
        raise ThawError(f"{source}: {error.filename}: {error.strerror}") from error
    return Listing(source, [sample for _, sample in read_samples], read, stamps, tuple(lines), tuple(paths))


def _group(pattern: str, label: str, below: Path) -> str | None:
    match = re.search(pattern, below.as_posix())
    return f"{label}/{match.group(match.lastindex or 0)}" if match else None
