"""Split images into train, val and test: stratified, by seed, with groups kept together."""

import warnings
from collections import Counter, defaultdict
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Self

import numpy as np
from numpy.typing import NDArray

from src.common.errors import ThawError, one_line
from src.data.listing import SPLITS, Sample, Split

Indices = NDArray[np.int64]


@dataclass(frozen=True)
class Splits:
    """Indices into the data set's images, ascending; `test` may be empty."""

    train: Indices
    val: Indices
    test: Indices

    def __getitem__(self, split: Split) -> Indices:
        return {"train": self.train, "val": self.val, "test": self.test}[split]

    def without(self, indices: Collection[int]) -> Self:
        """Return the splits but for `indices`.

        Raises:
            ThawError: nothing is left to train or to validate on.
        """
        excluded = np.array(sorted(indices), np.int64)
        remaining = {split: np.setdiff1d(self[split], excluded, assume_unique=True) for split in SPLITS}
        for split in ("train", "val"):
            if not remaining[split].size:
                raise ThawError(f"data.near_duplicates=drop: no photo of {split} is left; data.near_duplicates=keep?")
        return type(self)(**remaining)


def split_samples(samples: Sequence[Sample], *, validation: float, test: float, fraction: float, seed: int) -> Splits:
    """Take the splits that `samples` state, and make those that they leave open.

    Without any split, `test` and `validation` are parts of all images; with train alone given, `validation` is a part
    of train, and there is no test unless one is given.

    Raises:
        ThawError: nothing to train on, too few images of a class, a stated split that parts a group.
    """
    given = np.array([sample.split or "" for sample in samples])
    pool = np.flatnonzero(given == "")
    parts = {split: np.flatnonzero(given == split) for split in SPLITS}
    if pool.size:
        parts["test"], pool = _take(samples, pool, test, seed, "test")
        parts["train"] = pool
    if not parts["train"].size:
        raise ThawError("no photo to train on: the train split is empty; name some of the images train")
    if not parts["val"].size:
        size = validation / (1 - test) if not np.any(given) else validation
        parts["val"], parts["train"] = _take(samples, parts["train"], size, (seed + 1) % 2**32, "validation")
    _check_groups(samples, parts)
    parts["train"] = _thin(samples, parts["train"], fraction, seed)
    return Splits(**{split: np.sort(indices).astype(np.int64) for split, indices in parts.items()})


def _take(samples: Sequence[Sample], pool: Indices, size: float, seed: int, split: str) -> tuple[Indices, Indices]:
    """Return a stratified part of `pool`, and the rest."""
    if size == 0 and split == "test":
        return pool[:0], pool
    if size == 0:
        raise ThawError("no validation photos: give a val split, or data.validation above 0")
    grouped = any(samples[i].group is not None for i in pool)
    try:
        taken, rest = (_take_groups if grouped else _take_images)(samples, pool, size, seed)
    except ValueError as error:
        raise ThawError(_cannot_hold_out(samples, pool, size, split)) from error
    if {samples[i].label for i in taken} - {samples[i].label for i in rest}:
        raise ThawError(_cannot_hold_out(samples, pool, size, split))
    return taken, rest


def _cannot_hold_out(samples: Sequence[Sample], pool: Indices, size: float, split: str) -> str:
    counts = Counter(samples[i].label for i in pool)
    rarest, count = min(counts.items(), key=lambda item: item[1])
    doubt = f" ({len(counts)} classes of {len(pool)} images: are these classes?)" if 2 * len(counts) > len(pool) else ""
    return (
        f"too few photos (or groups) to hold out a {split} part of {size:.2g} and train on the rest in every class: "
        f"class {one_line(rarest, 60)!r} has {count}{doubt}; add photos, change data.{split}, or give the splits "
        "yourself"
    )


def _take_images(samples: Sequence[Sample], pool: Indices, size: float, seed: int) -> tuple[Indices, Indices]:
    from sklearn.model_selection import train_test_split

    labels = [samples[i].label for i in pool]
    rest, taken = train_test_split(pool, test_size=size, random_state=seed, stratify=labels)
    return taken, rest


def _take_groups(samples: Sequence[Sample], pool: Indices, size: float, seed: int) -> tuple[Indices, Indices]:
    """Return a part as near to `size` as whole groups allow (the nearest n of up to ten folds), and the rest."""
    from sklearn.model_selection import StratifiedGroupKFold

    labels = [samples[i].label for i in pool]
    groups = [f"group {samples[i].group}" if samples[i].group is not None else f"image {i}" for i in pool]
    part = min(max(Fraction(size).limit_denominator(10), Fraction(1, 10)), Fraction(9, 10))
    folds, folds_taken = part.denominator, part.numerator
    splitter = StratifiedGroupKFold(n_splits=folds, shuffle=True, random_state=seed)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # classes rarer than there are folds: what comes of it is checked
        held_out = [fold for _, fold in splitter.split(pool, labels, groups)]
    taken = np.concatenate(held_out[:folds_taken])
    return pool[taken], np.delete(pool, taken)


def _check_groups(samples: Sequence[Sample], parts: dict[Split, Indices]) -> None:
    home: dict[str, Split] = {}
    for split, indices in parts.items():
        for i in indices:
            group = samples[i].group
            if group is not None and home.setdefault(group, split) != split:
                raise ThawError(f"group {group!r} is in both {home[group]} and {split}: a group never crosses splits")


def _thin(samples: Sequence[Sample], train: Indices, fraction: float, seed: int) -> Indices:
    """Return the first `fraction` of every class in an order fixed by `seed`, one image at least: smaller sets nest."""
    if fraction == 1:
        return train
    order = np.random.default_rng(seed).permutation(np.sort(train))
    by_label: dict[str, list[int]] = defaultdict(list)
    for i in order:
        by_label[samples[i].label].append(i)
    kept = [mine[: max(1, round(fraction * len(mine)))] for mine in by_label.values()]
    return np.concatenate(kept)
