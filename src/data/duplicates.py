"""Near-duplicates in different splits, which make validation look better than it is.

A perceptual hash (pHash: Zauner 2010, Implementation and Benchmarking of Perceptual Image Hash Functions) of 256 bits:
of a photo's slow waves, which are above their median. Copies that were recompressed, lit otherwise, halved in size or
lost two per cent of a side differ by 30 bits or so. Of a million pairs of generated trees none is nearer than 76; of 9
million pairs of grocery photos the 14 up to 40 bits, and those up to 56, show the same thing in the same place.
"""

import contextlib
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from itertools import combinations, combinations_with_replacement, product
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image as PillowImage

from src.common.files import atomic_write
from src.data.listing import SPLITS, Image
from src.data.split import Indices, Splits

BITS = 256
RADIUS = 40
"""Photos that differ by so many bits at the most are near-equal."""

_SIDE, _WAVES = 64, 16
_AT_ONCE = 2048
_EXAMPLES = 12

Hashes = NDArray[np.uint64]


class Pair(NamedTuple):
    """Two near-equal photos: their places in the data set, their names, and the splits that they are in."""

    first: int
    second: int
    first_name: str
    second_name: str
    first_split: str
    second_split: str


@dataclass(frozen=True)
class NearDuplicates:
    """Near-equal photos across splits.

    Attributes:
        pairs: how many.
        photos: how many photos of validation and test are in one.
        examples: the nearest of them.
        earlier: photos with a near-duplicate in a later split, of train, validation and test in this order.
    """

    pairs: int = 0
    photos: int = 0
    examples: tuple[Pair, ...] = ()
    earlier: tuple[int, ...] = ()


def perceptual_hash(image: Image) -> Hashes:
    """Return the hash of one photo, uint64 [4]."""
    from scipy.fft import dctn  # an import of 0.1 s, for photos that are new

    size, smooth = (_SIDE, _SIDE), PillowImage.Resampling.BILINEAR
    grey = PillowImage.fromarray(image).convert("L").resize(size, smooth)
    slow = dctn(np.asarray(grey, np.float64))[:_WAVES, :_WAVES].ravel()
    return np.packbits(slow > np.median(slow)).view(np.uint64)


def near_duplicates(hashes: Hashes, splits: Splits, names: Sequence[str], memo: Path) -> NearDuplicates:
    """Return the near-equal photos of `splits`, from the file `memo` where they were looked for before.

    Args:
        hashes: uint64 [images, 4].
        splits: indices into `hashes`.
        names: of all images.
        memo: where the answer is kept; its name must be of the very images and splits.
    """
    known = _recall(memo)
    if known is None:
        known = _look(hashes, splits, names)
        with contextlib.suppress(OSError):  # a full or read-only disk: they are looked for again the next time
            atomic_write(memo, json.dumps(asdict(known)))
    return known


def near_pairs(hashes: Hashes, most: int = 1_000_000) -> NDArray[np.int64]:
    """Return the near-equal pairs among all of `hashes`, in any split, nearest first.

    Images of one hash are linked one to the next, and only the first of them is compared with others, so that a data
    set of copies gives as many pairs as it has images.

    Args:
        hashes: uint64 [images, 4].
        most: the search ends after so many pairs.

    Returns:
        int64 [pairs, 3]: the first image, the second, and by how many bits they differ.
    """
    distinct, first, home = np.unique(hashes, axis=0, return_index=True, return_inverse=True)
    order = np.argsort(home.ravel(), kind="stable")
    equal = np.flatnonzero(home.ravel()[order][1:] == home.ravel()[order][:-1])
    blocks = [np.stack([order[equal], order[equal + 1], np.zeros_like(equal)], axis=1)]
    for rows, columns in combinations_with_replacement(_blocks(np.arange(len(distinct))), 2):
        bits = _differing(distinct[rows], distinct[columns])
        i, j = np.nonzero((bits <= RADIUS) & (rows[:, None] < columns[None, :]))
        ends = np.sort(np.stack([first[rows[i]], first[columns[j]]], axis=1), axis=1)
        blocks.append(np.column_stack([ends, bits[i, j].astype(np.int64)]))
        if sum(map(len, blocks)) >= most:
            break
    pairs = np.concatenate(blocks)
    return np.asarray(pairs[np.lexsort(pairs.T)][:most], np.int64)


def _recall(memo: Path) -> NearDuplicates | None:
    try:
        content = json.loads(memo.read_text("utf-8"))
        examples = tuple(Pair(*pair) for pair in content["examples"])
        return NearDuplicates(content["pairs"], content["photos"], examples, tuple(content["earlier"]))
    except (OSError, ValueError, TypeError, KeyError):
        return None


def _look(hashes: Hashes, splits: Splits, names: Sequence[str]) -> NearDuplicates:
    pairs, earlier, later = 0, np.zeros(len(hashes), np.bool_), np.zeros(len(hashes), np.bool_)
    nearest: list[tuple[int, Pair]] = []
    for one, other in combinations(SPLITS, 2):
        for rows, columns in product(_blocks(splits[one]), _blocks(splits[other])):
            bits = _differing(hashes[rows], hashes[columns])
            near = bits <= RADIUS
            pairs += int(np.count_nonzero(near))
            earlier[rows[near.any(axis=1)]] = True
            later[columns[near.any(axis=0)]] = True
            for position in _least(bits, near):
                i, j = int(rows[position[0]]), int(columns[position[1]])
                nearest.append((int(bits[position]), Pair(i, j, names[i], names[j], one, other)))
            nearest = sorted(nearest)[:_EXAMPLES]
    alike = earlier | later
    held_out = alike[splits.val].sum() + alike[splits.test].sum()
    indices = tuple(int(index) for index in np.flatnonzero(earlier))
    return NearDuplicates(pairs, int(held_out), tuple(pair for _, pair in nearest), indices)


def _blocks(indices: Indices) -> list[Indices]:
    """Return `indices` in parts, so that what is compared at once fits into memory."""
    return np.array_split(indices, range(_AT_ONCE, indices.size, _AT_ONCE)) if indices.size else []


def _differing(one: Hashes, other: Hashes) -> NDArray[np.float32]:
    """Differing bits of every pair. Bits as ±1 make that a matrix product: 20,000 photos take some two seconds."""
    return np.asarray((BITS - _plus_minus_bits(one) @ _plus_minus_bits(other).T) / 2, np.float32)


def _least(bits: NDArray[np.float32], near: NDArray[np.bool_]) -> list[tuple[int, int]]:
    """Return the places of the nearest pairs among those that are `near`."""
    candidates = np.flatnonzero(near)
    order = np.argsort(bits.ravel()[candidates], kind="stable")[:_EXAMPLES]
    return [(int(position) // bits.shape[1], int(position) % bits.shape[1]) for position in candidates[order]]


def _plus_minus_bits(hashes: Hashes) -> NDArray[np.float32]:
    """Return the bits as -1 and 1, float32 [images, 256]."""
    bits = np.unpackbits(np.ascontiguousarray(hashes).view(np.uint8).reshape(len(hashes), BITS // 8), axis=1)
    return np.asarray(2 * bits.astype(np.float32) - 1, np.float32)
