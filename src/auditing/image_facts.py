"""The images of an audit: listed, decoded and split as a trial does it, with what their files say of themselves."""

import os
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path, PurePath

import numpy as np
from numpy.typing import NDArray
from PIL import Image as PillowImage

from src.common.errors import ThawError, one_line
from src.common.events import EventHandler
from src.config import DataConfig, FolderData, RuntimeConfig
from src.data.class_folders import walk, why_skipped
from src.data.dataset import list_samples, split_readable
from src.data.folder import as_written
from src.data.image_cache import ImageCache, cache_images
from src.data.listing import SPLITS, Listing, Sample, Split
from src.data.remarks import collected_remarks
from src.data.split import Splits

_ORIENTATION, _EXIF, _TAKEN, _UPRIGHT = 0x0112, 0x8769, 0x9003, 1


@dataclass(frozen=True)
class FileFacts:
    """The header of an image file, read without decoding.

    Attributes:
        width, height: px, before its orientation is applied.
        taken: the time of capture as EXIF writes it ("2024:05:01 12:30:00"), or "".
    """

    format: str
    mode: str
    width: int
    height: int
    is_turned: bool
    taken: str


@dataclass(frozen=True)
class Skipped:
    """A file that plays no part."""

    name: str
    why: str


@dataclass(frozen=True)
class AuditedImages:
    """The images of an audit. Arrays and sequences are indexed as the samples of the listing.

    Attributes:
        splits: indices of readable images by split; `data.fraction` leaves none out.
        split_of: each image's split; "" where it could not be read.
        facts: what the files say; None of an image that is drawn or cannot be opened.
        skipped: files that the listing leaves out.
        takes_pattern: whether `data.group_pattern` goes with this kind of data.
    """

    listing: Listing
    store: ImageCache
    splits: Splits
    split_of: tuple[Split | str, ...]
    facts: tuple[FileFacts | None, ...]
    skipped: tuple[Skipped, ...]
    takes_pattern: bool

    @property
    def samples(self) -> Sequence[Sample]:
        """Return all samples, the unreadable ones too."""
        return self.listing.samples

    @cached_property
    def readable(self) -> NDArray[np.int64]:
        """Indices of the images that could be read, ascending."""
        return np.flatnonzero([bool(split) for split in self.split_of])

    @cached_property
    def class_names(self) -> tuple[str, ...]:
        """Return the classes of readable images, sorted."""
        return tuple(sorted({self.samples[i].label for i in self.readable}))

    def counts(self, split: Split) -> Counter[str]:
        """Return how many images of `split` each class has."""
        return Counter(self.samples[i].label for i in self.splits[split])


def load_images(config: DataConfig, image_size: int, machine: RuntimeConfig, emit: EventHandler) -> AuditedImages:
    """Read the images that `config` names at `image_size` px; unreadable files are left out.

    Raises:
        ThawError: nothing is there, no file can be read, one class only, or the images cannot be split.
    """
    listing = list_samples(config, image_size)
    store = cache_images(listing, image_size, machine, emit)
    samples, readable = listing.samples, [i for i in range(len(listing.samples)) if i not in store.unreadable]
    if not readable:
        why = one_line(next(iter(store.unreadable.values())), 100)
        raise ThawError(f"{listing.source}: none of {len(samples)} files is an image; {samples[0].name}: {why}")
    classes = {samples[i].label for i in readable}
    if len(classes) < 2:
        raise ThawError(f"{listing.source}: found one class ({one_line(classes.pop(), 80)}); an audit compares classes")
    unthinned = config.model_copy(update={"fraction": 1.0})
    splits = split_readable(unthinned, [samples[i] for i in readable], np.array(readable, np.int64))
    split_of: list[Split | str] = [""] * len(samples)
    for split in SPLITS:
        for i in splits[split].tolist():
            split_of[i] = split
    with collected_remarks(), ThreadPoolExecutor(machine.decoding_threads) as pool:  # said when the images were decoded
        facts = tuple(pool.map(_facts, listing.paths)) if listing.paths else (None,) * len(samples)
    skipped = tuple(sorted(_skipped(config, listing), key=lambda file: file.name))
    return AuditedImages(listing, store, splits, tuple(split_of), facts, skipped, isinstance(config, FolderData))


def _facts(path: Path) -> FileFacts | None:
    try:
        with PillowImage.open(path) as image:
            exif = image.getexif()
            taken = str(exif.get_ifd(_EXIF).get(_TAKEN, ""))
            turned = exif.get(_ORIENTATION, _UPRIGHT) != _UPRIGHT
            return FileFacts(image.format or "?", image.mode, image.width, image.height, turned, taken)
    except Exception:  # decoders complain in every way; the decoded images say which files are unreadable
        return None


def _skipped(config: DataConfig, listing: Listing) -> Iterator[Skipped]:
    """Yield the files below the root, or beside a manifest's images, that the listing leaves out."""
    if not listing.paths:
        return
    listed, top = set(listing.paths), _top(config, listing)
    for path in walk(top, every=True) if isinstance(config, FolderData) else _beside(listed):
        if path not in listed and path != getattr(config, "manifest", None):
            yield Skipped(_below(path, top), _why_skipped(path, top, is_folder=isinstance(config, FolderData)))


def _top(config: DataConfig, listing: Listing) -> Path:
    return as_written(config.root) if isinstance(config, FolderData) else Path(os.path.commonpath(listing.paths))


def _beside(listed: set[Path]) -> Iterator[Path]:
    """Yield the files in the folders of the listed images."""
    for folder in {path.parent for path in listed}:
        yield from (path for path in folder.iterdir() if not path.is_dir())


def _below(path: Path, top: Path) -> str:
    return path.relative_to(top).as_posix() if path.is_relative_to(top) else str(path)


def _why_skipped(path: Path, top: Path, *, is_folder: bool) -> str:
    if not path.is_file():
        return "no file (a pipe, or a link to nothing)"
    return why_skipped(PurePath(_below(path, top))) or (
        "in no class folder" if is_folder else "not named in the manifest"
    )
