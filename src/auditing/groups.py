"""Images that belong together: bursts and copies, which must not be parted over splits or folds."""

import itertools
import re
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import PurePosixPath

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from src.auditing.image_facts import AuditedImages
from src.data.names import split_called

BURST_SECONDS = 2
"""Images of one folder taken at most so long after one another are a burst."""
_LONGEST_BURST = 30
"""A longer chain of capture times is no burst: an archive that gives all its images one time makes such chains."""

_LEAST_GROUPS, _KEPT_TOGETHER, _LARGEST_SHARE = 3, 0.9, 0.5
_PATTERNS = (
    r"^(.+?)[-_ .(]*\d+\)?\.\w+$",  # all before the last number: rose_12_003.jpg, rose_12 (3).jpg
    r"^(.+)[-_ ][^-_ /]+\.\w+$",  # all before the last word: rose-12-left.jpg
    r"(\d{8}[-_ ]?\d{4})",  # date to the minute: IMG_20240501_123005.jpg
    r"^(.+)/[^/]+$",  # the sub-folder
    r"^([^-_ /]+)[-_ ]",  # the first word
)


@dataclass(frozen=True)
class Groups:
    """The groups of images that belong together, such as copies and bursts.

    Attributes:
        of: int64 [images], each image's group; an image that belongs to no other is a group of its own.
        members: the groups of two images or more, largest first.
        pairs: the near-equal pairs, int64 [pairs, 3]: image, image, differing bits; nearest first.
    """

    of: NDArray[np.int64]
    members: tuple[tuple[int, ...], ...]
    pairs: NDArray[np.int64]


@dataclass(frozen=True)
class Pattern:
    """A `data.group_pattern` that fits the groups found: the share of their links that it keeps together."""

    text: str
    kept_together: float
    groups: int


def find_groups(images: AuditedImages, pairs: NDArray[np.int64]) -> Groups:
    """Return the connected components of near-equal pairs, bursts by capture time, and groups that the data state."""
    edges = [(int(i), int(j)) for i, j, _ in pairs] + list(_stated(images)) + list(_taken_together(images))
    count = len(images.samples)
    first, second = np.array(edges, np.int64).reshape(-1, 2).T
    graph = coo_array((np.ones(len(edges), np.int8), (first, second)), shape=(count, count))
    of = connected_components(graph, directed=False)[1].astype(np.int64)
    by_group: dict[int, list[int]] = defaultdict(list)
    for index, group in enumerate(of.tolist()):
        by_group[group].append(index)
    members = [tuple(group) for group in by_group.values() if len(group) > 1]
    return Groups(of, tuple(sorted(members, key=lambda group: (-len(group), group))), pairs)


def infer_pattern(images: AuditedImages, groups: Groups) -> Pattern | None:
    """Return the finest of the usual patterns of names that keeps the groups found together, or None.

    A pattern is offered where three groups or more have links within a class, it keeps 90% of these links, puts no
    more than half of a class with two or more groups into one, and parts no group of its own over stated splits.
    """
    links = [pair for group in groups.members for pair in itertools.pairwise(group) if _one_class(images, pair)]
    linked = {int(groups.of[i]) for i, _ in links}
    if len(linked) < _LEAST_GROUPS:
        return None
    fitting = [pattern for text in _PATTERNS if (pattern := _fit(images, text, links))]
    return max(fitting, key=lambda pattern: pattern.groups, default=None)


def _fit(images: AuditedImages, text: str, links: Sequence[tuple[int, int]]) -> Pattern | None:
    names = {int(i): _named(images, int(i), text) for i in images.readable}
    kept_together = float(np.mean([names[i] == names[j] for i, j in links]))
    sizes, classes = Counter(names.values()), Counter(label for label, _ in names.values())
    too_coarse = any(size > _LARGEST_SHARE * classes[label] for (label, _), size in sizes.items() if classes[label] > 3)
    homes: dict[tuple[str, str], set[str]] = defaultdict(set)
    for i, name in names.items():
        homes[name].add(images.samples[i].split or "")
    crosses_splits = any(len(splits) > 1 for splits in homes.values())
    if kept_together < _KEPT_TOGETHER or too_coarse or crosses_splits:
        return None
    return Pattern(text, kept_together, sum(size > 1 for size in sizes.values()))


def _named(images: AuditedImages, index: int, text: str) -> tuple[str, str]:
    """Return the group that `data.group_pattern=text` puts the image in, as the class's own."""
    sample = images.samples[index]
    below = below_class(sample.name, sample.label)
    first, _, rest = below.partition("/")
    below = rest if rest and sample.split and split_called(first) == sample.split else below
    match = re.search(text, below)
    return sample.label, match.group(match.lastindex or 0) if match else f"/{index}"


def below_class(name: str, label: str) -> str:
    """Return the path below the class's folder.

    >>> below_class("train/rose/2024/a.jpg", "rose"), below_class("a.jpg", "rose")
    ('2024/a.jpg', 'a.jpg')
    """
    parts = PurePosixPath(name).parts
    composed = [unicodedata.normalize("NFC", part) for part in parts[:-1]]  # as labels are
    return "/".join(parts[composed.index(label) + 1 :]) if label in composed else parts[-1]


def _one_class(images: AuditedImages, pair: tuple[int, int]) -> bool:
    return images.samples[pair[0]].label == images.samples[pair[1]].label


def _stated(images: AuditedImages) -> Iterator[tuple[int, int]]:
    """Yield links within each group that a pattern or a manifest states."""
    first: dict[str, int] = {}
    for i in images.readable.tolist():
        group = images.samples[i].group
        if group is not None and first.setdefault(group, i) != i:
            yield first[group], i


def _taken_together(images: AuditedImages) -> Iterator[tuple[int, int]]:
    """Yield links between images of one folder that were taken within seconds of each other."""
    by_folder: dict[object, list[tuple[float, int]]] = defaultdict(list)
    for i in images.readable.tolist():
        facts = images.facts[i]
        seconds = _seconds(facts.taken) if facts else None
        if seconds is not None:
            by_folder[images.listing.paths[i].parent].append((seconds, i))
    for taken in by_folder.values():
        for chain in _chains(sorted(taken)):
            if len(chain) <= _LONGEST_BURST:
                yield from itertools.pairwise(chain)


def _seconds(taken: str) -> float | None:
    """Return EXIF's time as seconds; None where it is no time, as in cameras whose clock was never set."""
    try:
        return datetime.strptime(taken.strip("\0 "), "%Y:%m:%d %H:%M:%S").timestamp()
    except (ValueError, OverflowError):
        return None


def _chains(taken: Sequence[tuple[float, int]]) -> Iterator[list[int]]:
    """Yield images in order of time, parted where more than :data:`BURST_SECONDS` pass."""
    chain: list[int] = []
    last = -np.inf
    for seconds, index in taken:
        if seconds - last > BURST_SECONDS:
            yield chain
            chain = []
        chain.append(index)
        last = seconds
    yield chain
