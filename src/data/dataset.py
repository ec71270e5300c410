"""A data set ready to train on: images, labels, splits, and a fingerprint of all three."""

import hashlib
import pkgutil
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from src.common.errors import ThawError, one_line, printable
from src.common.events import EventHandler
from src.config import CsvData, DataConfig, FolderData, RuntimeConfig, TreesData
from src.data.duplicates import NearDuplicates, near_duplicates
from src.data.folder import list_folder
from src.data.image_cache import ImageCache, cache_images
from src.data.listing import SPLITS, Listing, Sample, Split
from src.data.manifest import list_manifest
from src.data.names import is_container, some_of
from src.data.split import Splits, split_samples


@dataclass(frozen=True)
class Dataset:
    """Images by index; `splits` says which index belongs where.

    Attributes:
        source: where the data come from, for people.
        pixels: uint8 [images, side, side, 3], memory-mapped.
        labels: int64 [images], an index into `class_names`; -1 for an image in no split.
        digests: uint64 [images], a hash of each image's pixels: what its random views follow from.
        groups: uint64 [images], a hash of the name of each image's group; the image's own where it has none.
        names: what people are shown for each image.
        class_names: sorted; the same numbers in every split.
        fingerprint: of the splits' pixels, labels and order: equal fingerprints, equal data.
        near_duplicates: near-equal photos across splits.
        warnings: a line each, for the user.
        remarks: a line for each file that is no image, or of which the decoder said something.
        idle: dotted keys of the configuration that played no part: rates and seed of splits that are given.
    """

    source: str
    pixels: NDArray[np.uint8]
    labels: NDArray[np.int64]
    digests: NDArray[np.uint64]
    groups: NDArray[np.uint64]
    names: tuple[str, ...]
    class_names: tuple[str, ...]
    splits: Splits
    fingerprint: str
    near_duplicates: NearDuplicates
    warnings: tuple[str, ...]
    remarks: tuple[str, ...]
    idle: frozenset[str] = frozenset()

    def class_counts(self, split: Split) -> dict[str, int]:
        """Return the number of images of each class in `split`."""
        counts = np.bincount(self.labels[self.splits[split]], minlength=len(self.class_names))
        return dict(zip(self.class_names, counts.tolist(), strict=True))

    def describe(self) -> str:
        """Return one line for people: where from, how many classes and images in each split."""
        sizes = ", ".join(f"{self.splits[split].size} {split}" for split in SPLITS)
        return f"{one_line(self.source, 100)}: {len(self.class_names)} classes, {sizes}"


def load_dataset(
    config: DataConfig, listing: Listing, image_size: int, machine: RuntimeConfig, emit: EventHandler
) -> Dataset:
    """Decode (or reopen) and split the samples of `listing`, which `config` names, at `image_size` px.

    Raises:
        ThawError: a class that train lacks, too few images to split, too many files that are no image.
    """
    store = cache_images(listing, image_size, machine, emit)
    readable = [i for i in range(len(listing.samples)) if i not in store.unreadable]
    warnings = [*listing.warnings, *_unreadable_warnings(config, listing, store), *remark_warnings(listing, store)]
    splits = split_readable(config, [listing.samples[i] for i in readable], np.array(readable, np.int64))
    names = tuple(sample.name for sample in listing.samples)
    near = _near_duplicates(store, splits, names)
    if near.pairs and config.near_duplicates == "drop":
        warnings.append(f"left out: {len(near.earlier)} photos with a near-duplicate in a later split")
        splits, near = _without(near, splits, listing), NearDuplicates()
    class_names, labels = _align(listing, splits)
    warnings += _absent_class_warnings(class_names, labels, splits)
    fingerprint = _fingerprint(class_names, labels, store, splits)
    warnings += _near_duplicate_warnings(near)
    remarks = tuple(f"{printable(names[i])}: {text}" for i, text in (store.unreadable | store.remarks).items())
    return Dataset(
        listing.source,
        store.pixels,
        labels,
        store.digests,
        _groups(listing.samples, store.digests),
        names,
        class_names,
        splits,
        fingerprint,
        near,
        tuple(warnings),
        remarks,
        _idle(config, listing.samples),
    )


def _groups(samples: Sequence[Sample], digests: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """Return the group of each image, uint64 [images]."""
    groups = np.array(digests, np.uint64)
    for i, sample in enumerate(samples):
        if sample.group is not None:
            name = sample.group.encode("utf-8", "surrogateescape")
            groups[i] = int.from_bytes(hashlib.blake2b(name, digest_size=8).digest(), "little")
    return groups


def _idle(config: DataConfig, samples: Sequence[Sample]) -> frozenset[str]:
    """Return the keys that nothing is split by, as :func:`split_samples` takes the splits that are given."""
    given = {sample.split for sample in samples}
    read = {"data.test": None in given, "data.validation": "val" not in given}
    read["data.split_seed"] = any(read.values()) or config.fraction < 1
    return frozenset(name for name, is_read in read.items() if not is_read)


def list_samples(config: DataConfig, image_size: int) -> Listing:
    """Return all samples that `config` names; nothing is decoded.

    Raises:
        ThawError: nothing is there, its layout is not known, or it has one class only.
    """
    listing = _list(config, image_size)
    _class_names(listing.source, (sample.label for sample in listing.samples if sample.split in (None, "train")))
    return listing


def _list(config: DataConfig, image_size: int) -> Listing:
    match config:
        case FolderData():
            return list_folder(config)
        case CsvData():
            return list_manifest(config)
        case TreesData():
            list_generated: Callable[[DataConfig, int], Listing] = pkgutil.resolve_name(config.lister)
            return list_generated(config, image_size)


def _unreadable_warnings(config: DataConfig, listing: Listing, store: ImageCache) -> list[str]:
    if not store.unreadable:
        return []
    files = f"{len(store.unreadable)} of {len(listing.samples)} files"
    text = f"{files} are no image: {_with_reasons(listing, store.unreadable)}"
    allowed = config.max_unreadable
    if not allowed or len(store.unreadable) > max(1, allowed * len(listing.samples)):
        raise ThawError(f"{text}; remove them, or raise data.max_unreadable ({allowed:g})")
    return [f"skipped: {text}"]


def remark_warnings(listing: Listing, store: ImageCache) -> list[str]:
    """Return a line on the files of which a decoder warned, if there are any."""
    if not store.remarks:
        return []
    files = f"{len(store.remarks)} of {len(listing.samples)} files"
    return [f"read, with a warning of the decoder: {files}: {_with_reasons(listing, store.remarks)}"]


def _with_reasons(listing: Listing, texts: Mapping[int, str]) -> str:
    """Return the names of the first images of `texts`, each with its text."""
    return some_of([f"{one_line(listing.samples[i].name, 120)} ({text})" for i, text in texts.items()])


def split_readable(config: DataConfig, samples: Sequence[Sample], indices: NDArray[np.int64]) -> Splits:
    """Return the splits of `samples`, which `indices` number within their listing.

    Raises:
        ThawError: there is none, or too few to split.
    """
    if not samples:
        raise ThawError("no photo could be read")
    splits = split_samples(
        samples, validation=config.validation, test=config.test, fraction=config.fraction, seed=config.split_seed
    )
    return Splits(**{split: indices[splits[split]] for split in SPLITS})


def _without(near: NearDuplicates, splits: Splits, listing: Listing) -> Splits:
    remaining = splits.without(near.earlier)
    before, after = ({listing.samples[i].label for i in indices} for indices in (splits.train, remaining.train))
    missing = sorted(before - after)
    if missing:
        raise ThawError(
            f"data.near_duplicates=drop leaves no photo of {some_of(missing)} in train: all have near-duplicates in "
            "a later split; give train others, or keep them with data.near_duplicates=keep"
        )
    return remaining


def _align(listing: Listing, splits: Splits) -> tuple[tuple[str, ...], NDArray[np.int64]]:
    """Return the class names of train, sorted, and every image's index into them."""
    names = _class_names(listing.source, (listing.samples[i].label for i in splits.train))
    number = {name: k for k, name in enumerate(names)}
    labels = np.array([number.get(sample.label, -1) for sample in listing.samples], np.int64)
    for split in ("val", "test"):
        strangers = sorted({listing.samples[i].label for i in splits[split] if labels[i] < 0})
        if strangers:
            raise ThawError(f"{listing.source}: {split} has classes that train lacks: {some_of(strangers)}")
    return names, labels


def _class_names(source: str, labels: Iterable[str]) -> tuple[str, ...]:
    """Return the classes of the training images, sorted; none where train is empty, which the split reports."""
    names = tuple(sorted(set(labels)))
    if len(names) == 1:
        where = "; put the images of each class into a folder of its own" if is_container(names[0]) else ""
        raise ThawError(f"{source}: found one class ({one_line(names[0], 80)}); two or more are needed{where}")
    return names


def _absent_class_warnings(class_names: Sequence[str], labels: NDArray[np.int64], splits: Splits) -> list[str]:
    warnings = []
    for split in ("val", "test"):
        absent = sorted(set(range(len(class_names))) - set(labels[splits[split]].tolist()))
        if absent and splits[split].size:
            names = some_of([class_names[k] for k in absent])
            warnings.append(f"{split} has no photo of {len(absent)} of {len(class_names)} classes: {names}")
    return warnings


def _near_duplicates(store: ImageCache, splits: Splits, names: Sequence[str]) -> NearDuplicates:
    digest = hashlib.blake2b(digest_size=8)
    for split in SPLITS:
        digest.update(f"|{split}|".encode() + splits[split].astype("<i8").tobytes())
    return near_duplicates(store.hashes, splits, names, store.folder / f"near_{digest.hexdigest()}.json")


def _near_duplicate_warnings(near: NearDuplicates) -> list[str]:
    if not near.pairs:
        return []
    examples = "; ".join(
        f"{_in_split(pair.first_name, pair.first_split)} and {_in_split(pair.second_name, pair.second_split)}"
        for pair in near.examples[:3]
    )
    more = f"; and {near.pairs - 3} more" if near.pairs > 3 else ""
    return [
        f"near-equal photos are in different splits, so validation or test may be optimistic: {examples}{more}; "
        "name such groups with data.group_pattern or in a manifest's group column, or leave them out with "
        "data.near_duplicates=drop"
    ]


def _in_split(name: str, split: str) -> str:
    """Return a photo's name, and its split where the name does not say it."""
    shown = one_line(name, 100)
    return shown if shown.startswith(f"{split}/") else f"{shown} ({split})"


def _fingerprint(class_names: Sequence[str], labels: NDArray[np.int64], store: ImageCache, splits: Splits) -> str:
    digest = hashlib.blake2b(digest_size=16)
    digest.update("\0".join(class_names).encode("utf-8", "surrogateescape"))
    for split in SPLITS:
        indices = splits[split]
        digest.update(f"|{split} {indices.size} {store.pixels.shape[1]}|".encode())
        digest.update(store.digests[indices].astype("<u8").tobytes())
        digest.update(labels[indices].astype("<i8").tobytes())
    return digest.hexdigest()
