"""The samples by name, label, split and group, before anything is decoded."""

import functools
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

Split = Literal["train", "val", "test"]
SPLITS: tuple[Split, ...] = ("train", "val", "test")

Image = NDArray[np.uint8]
"""Raw RGB, shape (height, width, 3), 0–255."""


class UnreadableImageError(Exception):
    """A file that no image could be made of; the text says why."""


@dataclass(frozen=True, slots=True)
class Sample:
    """One image to be.

    Attributes:
        name: what people are shown: a path below the data's root, or the generated image's number.
        split: None where the data leave it to Thaw.
        group: images of one group never part over splits; None: a group of its own.
    """

    name: str
    label: str
    split: Split | None = None
    group: str | None = None


@dataclass(frozen=True)
class Listing:
    """All samples of a data set, in an order that does not depend on the machine.

    Attributes:
        source: where the data come from, for people.
        read: draws or decodes sample i as a square RGB image of the given side, px; raises UnreadableImageError.
        stamps: one per sample; equal stamps mean equal pixels (path, size and times of a file, or a seed).
        warnings: a line for each thing that was guessed, or that is there and plays no part.
        paths: the file of each sample; empty where the images are drawn.
    """

    source: str
    samples: Sequence[Sample]
    read: Callable[[int, int], Image]
    stamps: Sequence[str]
    warnings: tuple[str, ...] = ()
    paths: tuple[Path, ...] = ()


def file_stamps(paths: Sequence[Path]) -> list[str]:
    """Return each file's place, size (bytes) and times of change (ns).

    The second is the system's own, which no program sets: files are unpacked and restored with the first one of old.

    Raises:
        OSError: a file is not there or not open to us.
    """
    files = [(real, path.stat()) for real, path in zip(real_paths(paths), paths, strict=True)]
    return [f"{real}|{status.st_size}|{status.st_mtime_ns}|{status.st_ctime_ns}" for real, status in files]


def real_paths(paths: Sequence[Path]) -> list[str]:
    """Return each file's path with links resolved, as text: a data set has thousands, and each trial lists them."""
    real_folder = functools.cache(os.path.realpath)
    return [
        os.path.realpath(path) if path.is_symlink() else f"{real_folder(path.parent)}{os.sep}{path.name}"
        for path in paths
    ]
