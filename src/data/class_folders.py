"""Find the class folders of `data.root` by folder names, before any image is read."""

import os
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePath

from src.common.errors import ThawError, one_line
from src.common.shell import setting
from src.data.listing import Split
from src.data.names import is_container, some_of, split_called

IMAGE_SUFFIXES = (
    ".avif", ".bmp", ".gif", ".heic", ".heif", ".hif", ".ico", ".j2k", ".jfif", ".jp2", ".jpe", ".jpeg", ".jpg", ".pbm",
    ".pgm", ".png", ".ppm", ".tga", ".tif", ".tiff", ".webp",
)  # fmt: skip
_OTHER_SUFFIXES = (
    ".aae", ".avi", ".csv", ".db", ".doc", ".docx", ".htm", ".html", ".ini", ".ipynb", ".json", ".jsonl", ".lnk",
    ".log", ".m4v", ".md", ".mov", ".mp3", ".mp4", ".pdf", ".py", ".rtf", ".tsv", ".txt", ".url", ".wav", ".xls",
    ".xlsx", ".xml", ".xmp", ".yaml", ".yml",
)  # fmt: skip
"""Of files beside images: notes, edits, films, files of systems."""

_FINDERS_FILE = ".ds_store"
_SYSTEM_FOLDERS = {
    "__macosx", "@eadir", "#recycle", "$recycle.bin", "system volume information", "lost+found", "__pycache__",
    ".ipynb_checkpoints", ".thumbnails", ".trashes", ".spotlight-v100", ".fseventsd",
}  # fmt: skip


@dataclass(frozen=True)
class ClassFolder:
    """A folder with images of one class, as it is named."""

    split: Split | None
    name: str
    path: Path


@dataclass(frozen=True)
class Layout:
    """The class folders below `top`, and a line for each thing that was guessed or plays no part."""

    top: Path
    folders: tuple[ClassFolder, ...]
    lines: tuple[str, ...]


@dataclass(frozen=True)
class _Folder:
    """The content of a folder: sub-folders, files that are named like images, and broken links."""

    path: Path
    folders: tuple[Path, ...]
    images: tuple[str, ...]
    broken_links: tuple[str, ...]

    @property
    def splits(self) -> dict[Split, Path]:
        """Return the sub-folders that are called a split."""
        paths: dict[Split, Path] = {}
        for folder in self.folders:
            split = split_called(folder.name)
            if split and split in paths:
                raise ThawError(f"{self.path} has both {paths[split].name}/ and {folder.name}/: keep one")
            if split:
                paths[split] = folder
        return paths

    @property
    def names(self) -> set[str]:
        """Return the sub-folders' names, in lower case."""
        return {folder.name.casefold() for folder in self.folders}


def find_layout(root: Path) -> Layout:
    """Return the class folders of `root`: ROOT/SPLIT/CLASS, ROOT/CLASS or ROOT/CLASS/SPLIT.

    Raises:
        ThawError: a folder cannot be read, or the layout is none of these, or may be more than one.
    """
    top = _descended(_look(root))
    lines = [f"{root}: the class folders are below {top.path.relative_to(root)}/"] if top.path != root else []
    lines += _other_splits(root)
    if top.splits:
        folders, more = _in_splits(top)
    else:
        children = [_look(folder) for folder in top.folders]
        with_splits = [child for child in children if child.splits]
        by_class = len(with_splits) == len(children) > 1
        folders, more = _split_below_classes(children) if by_class else _classes(top, children)
    return Layout(top.path, tuple(folders), (*lines, *more))


def _other_splits(root: Path) -> list[str]:
    """Return a line if `root` is itself a split with others beside it."""
    split, parent = split_called(root.resolve().name), root.resolve().parent
    if split is None:
        return []
    try:
        beside = [folder for folder in _look(parent).folders if split_called(folder.name) not in (None, split)]
    except ThawError:  # that folder was not asked for
        return []
    names = some_of([f"{folder.name}/" for folder in beside])
    parent_as_typed = root.parent if len(root.parts) > 1 else parent
    return (
        [f"{root} is read as a whole data set; to use {names} beside it, give {setting('data.root', parent_as_typed)}"]
        if beside
        else []
    )


@dataclass(frozen=True)
class FolderContent:
    """The files below a folder, each kind sorted.

    Attributes:
        images: files that may be images; their content says whether they are.
        not_images: files that are called otherwise, such as notes and films.
        no_files: pipes, links to nothing or back.
    """

    images: tuple[Path, ...]
    not_images: tuple[Path, ...]
    no_files: tuple[Path, ...]


def walk_images(folder: Path) -> FolderContent:
    """Return what is below `folder`.

    Links are followed, but no folder is entered twice, and none that holds `folder`. Hidden files and folders, and
    folders that systems make, are not counted.

    Raises:
        ThawError: a folder cannot be read.
    """
    try:
        paths = [(path, path.is_file()) for path in walk(folder)]
    except OSError as error:
        raise _no_access(error, folder) from error
    files = [path for path, is_file in paths if is_file]
    return FolderContent(
        tuple(path for path in files if not _is_called_otherwise(path.name)),
        tuple(path for path in files if _is_called_otherwise(path.name)),
        tuple(path for path, is_file in paths if not is_file),
    )


def _has_images(folder: Path) -> bool:
    try:
        return any(path.is_file() and not _is_called_otherwise(path.name) for path in walk(folder))
    except OSError as error:
        raise _no_access(error, folder) from error


def _is_called_otherwise(name: str) -> bool:
    lower = name.lower()
    return lower == _FINDERS_FILE or lower.endswith(_OTHER_SUFFIXES)


def kind_of_file(path: Path) -> str:
    """Return what files like `path` are counted by: the suffix, or the name where it has none.

    >>> kind_of_file(Path("a/IMG_1.XMP")), kind_of_file(Path("a/.DS_Store"))
    ('.xmp', '.DS_Store')
    """
    return path.suffix.lower() or path.name


def kinds_of_files(paths: Iterable[Path]) -> str:
    """Return how many files there are of each kind, the most frequent one first.

    >>> kinds_of_files([Path("a.XMP"), Path("b.txt"), Path("c.txt")])
    '2 .txt, 1 .xmp'
    """
    counts = Counter(map(kind_of_file, paths))
    return some_of([f"{counts[kind]} {kind}" for kind in sorted(counts, key=lambda kind: (-counts[kind], kind))])


def why_skipped(below: PurePath) -> str:
    """Return why a file, `below` the data's root, is not counted; "" where its name says nothing against it.

    >>> why_skipped(PurePath("ash/@eaDir/a.jpg")), why_skipped(PurePath("ash/.cache/a.jpg"))
    ("in a system's folder (@eaDir)", "hidden (its name, or its folder's, starts with a dot)")
    >>> why_skipped(PurePath("ash/a.xmp")), why_skipped(PurePath("ash/a.jpg"))
    ('not an image (.xmp)', '')
    """
    system = next((part for part in below.parts[:-1] if part.lower() in _SYSTEM_FOLDERS), "")
    if system:
        return f"in a system's folder ({system})"
    if _is_called_otherwise(below.name) and all(map(_counts, below.parts)):
        return f"not an image ({kind_of_file(Path(below))})"
    is_hidden = any(part.startswith(".") for part in below.parts)
    return "hidden (its name, or its folder's, starts with a dot)" if is_hidden else ""


def walk(folder: Path, *, every: bool = False) -> Iterator[Path]:
    """Yield all that is no folder below `folder`, in order; with `every`, also what :func:`walk_images` does not count.

    A link to a folder above `folder` is yielded and not followed.

    Raises:
        OSError: a folder cannot be read; with `every`, such folders are passed over.
    """
    entered: set[str] = set()
    above = {str(path) for path in Path(os.path.realpath(folder)).parents}
    for parent, folders, names in os.walk(folder, onerror=None if every else _raise, followlinks=True):
        real = os.path.realpath(parent)
        if real in above:
            yield Path(parent)
        if real in entered | above:
            folders.clear()
            continue
        entered.add(real)
        folders[:] = sorted(name for name in folders if every or _counts(name))
        yield from (Path(parent, name) for name in sorted(names) if every or _counts(name))


def _raise(error: OSError) -> None:
    raise error


def _no_access(error: OSError, folder: Path) -> ThawError:
    return ThawError(f"{one_line(error.filename or folder, 300)}: {error.strerror}; make it readable, or move it away")


def _counts(name: str) -> bool:
    lower = name.lower()
    return lower == _FINDERS_FILE or not (lower.startswith(".") or lower in _SYSTEM_FOLDERS)


def _is_folder(entry: "os.DirEntry[str]") -> bool:
    try:
        return entry.is_dir()
    except OSError:
        if entry.is_symlink():  # a loop of links leads nowhere, as a link to nothing does
            return False
        raise


def _look(path: Path) -> _Folder:
    folders, images, broken_links = [], [], []
    try:
        with os.scandir(path) as entries:
            for entry in [entry for entry in entries if _counts(entry.name)]:
                if _is_folder(entry):
                    folders.append(path / entry.name)
                elif entry.is_symlink() and not (path / entry.name).exists():
                    broken_links.append(entry.name)
                elif entry.name.lower().endswith(IMAGE_SUFFIXES):
                    images.append(entry.name)
    except OSError as error:
        raise _no_access(error, path) from error
    return _Folder(path, tuple(sorted(folders)), tuple(sorted(images)), tuple(sorted(broken_links)))


def _descended(folder: _Folder) -> _Folder:
    """Return the first folder with more than one sub-folder that has folders: archives often add outer folders."""
    entered = {folder.path.resolve()}
    while len(folder.folders) == 1 and not folder.splits and not folder.images:
        inner = _look(folder.folders[0])
        if not inner.folders or inner.path.resolve() in entered:
            break
        folder = inner
        entered.add(folder.path.resolve())
    return folder


def _in_splits(top: _Folder) -> tuple[list[ClassFolder], list[str]]:
    splits = top.splits
    if "train" not in splits:
        raise ThawError(_no_train(top.path, splits))
    beside = [folder for folder in top.folders if folder not in splits.values()]
    class_folders: list[ClassFolder] = []
    lines = _no_part(top.path, "no split (train, val, test)", [f"{folder.name}/" for folder in beside])
    lines += _no_part(top.path, "in no split", top.images) + _broken_links(top)
    for split, path in splits.items():
        parent, more = _class_parent(split, _look(path))
        class_folders += [ClassFolder(split, folder.name, folder) for folder in parent.folders]
        lines += more
    return class_folders, lines


def _class_parent(split: Split, folder: _Folder) -> tuple[_Folder, list[str]]:
    """Return the folder that holds the class folders of `split`, and lines on what plays no part there."""
    lines: list[str] = []
    while len(folder.folders) == 1 and not folder.images:
        name, inner = folder.folders[0].name, _look(folder.folders[0])
        if not inner.folders or not (is_container(name) or split_called(name) == split):
            break
        folder, lines = inner, [f"{split}: the class folders are below {inner.path}/"]
    if folder.images and not folder.folders:
        raise ThawError(
            f"{folder.path}/ lacks class folders: it holds {len(folder.images)} loose images ({folder.images[0]}, …); "
            "put those of each class into a folder of its own, or move it away"
        )
    with_images = [path for path in folder.folders if _has_images(path)]
    empty = [path for path in folder.folders if path not in with_images]
    if not with_images or (empty and split == "train"):
        raise ThawError(
            f"{empty[0] if empty and with_images else folder.path}/ is empty: put photos there, or remove it"
        )
    _refuse_same_folders(folder.path, [_look(path) for path in with_images])
    return folder, lines + _no_part(folder.path, "in no class folder", folder.images) + _broken_links(folder)


def _split_below_classes(classes: Sequence[_Folder]) -> tuple[list[ClassFolder], list[str]]:
    class_folders: list[ClassFolder] = []
    lines: list[str] = []
    names = [f"{class_folder.path.name}/" for class_folder in classes]
    for class_folder in classes:
        splits = class_folder.splits
        if "train" not in splits:
            raise ThawError(_no_train(class_folder.path, splits))
        beside = [f"{folder.name}/" for folder in class_folder.folders if folder not in splits.values()]
        lines += _no_part(class_folder.path, "no split (train, val, test)", [*beside, *class_folder.images])
        for split, path in splits.items():
            inner = _look(path)
            if inner.folders and not inner.images:
                raise ThawError(
                    f"{class_folder.path.parent} holds several data sets, {some_of(names)}: point "
                    f"data.root at one of them, as in {setting('data.root', class_folder.path)}"
                )
            class_folders.append(ClassFolder(split, class_folder.path.name, path))
    return class_folders, lines


def _classes(top: _Folder, children: Sequence[_Folder]) -> tuple[list[ClassFolder], list[str]]:
    for child in children:
        is_data_set = "train" in child.splits or (is_container(child.path.name) and child.folders)
        if is_data_set and len(children) > 1:
            beside = some_of([f"{one.path.name}/" for one in children if one is not child])
            raise ThawError(
                f"{top.path} holds {child.path.name}/ (with {some_of([f'{f.name}/' for f in child.folders])}) beside "
                f"{beside}: point data.root at the folder that is meant, as in {setting('data.root', child.path)}"
            )
    with_images = [child for child in children if _has_images(child.path)]
    _refuse_same_folders(top.path, with_images)
    lines = _no_part(top.path, "empty", [f"{child.path.name}/" for child in children if child not in with_images])
    lines += _no_part(top.path, "in no class folder", top.images) + _broken_links(top)
    lines += _containers_as_classes(top.path, with_images)
    return [ClassFolder(None, child.path.name, child.path) for child in with_images], lines


def _containers_as_classes(top: Path, classes: Sequence[_Folder]) -> list[str]:
    alike = [f"{child.path.name}/" for child in classes if is_container(child.path.name)]
    if not alike or len(classes) < 2:
        return []
    return [
        f"{one_line(top, 200)}: {some_of(alike)} is read as a class; if it holds the images of all classes, put those "
        "of each class into a folder of its own"
    ]


def _no_train(folder: Path, splits: Mapping[Split, Path]) -> str:
    beside = next(iter(splits.values())).name
    return f"{folder} has {beside}/ but no train/: call the folder with the training images train/"


def _refuse_same_folders(parent: Path, classes: Sequence[_Folder]) -> None:
    """Refuse "classes" that hold the same sub-folders: those may be the classes."""
    common = set.intersection(*(folder.names for folder in classes)) if classes else set()
    if len(classes) > 1 and len(common) > 1 and not any(folder.images for folder in classes):
        raise ThawError(
            f"{parent} holds {some_of([f'{folder.path.name}/' for folder in classes])}, and each of them "
            f"{some_of([f'{name}/' for name in sorted(common)])}: which are the classes? Name splits train/ "
            "val/ test/, or point data.root at one of the folders, as in "
            f"{setting('data.root', classes[0].path)}, or use data=csv"
        )


def _broken_links(folder: _Folder) -> list[str]:
    return _no_part(folder.path, "a link that leads nowhere", folder.broken_links)


def _no_part(parent: Path, why: str, names: Sequence[str]) -> list[str]:
    return [f"{one_line(parent, 200)}: {why}, so it plays no part: {some_of(names)}"] if names else []
