"""The statements of an audit, the same on the page and on the terminal; their words are in statements.j2."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from src.auditing.findings import MANIFEST, Audit, crossing_groups
from src.auditing.groups import infer_pattern
from src.common.errors import one_line
from src.common.metrics import METRICS
from src.common.shell import setting
from src.data.dataset import remark_warnings
from src.data.listing import SPLITS
from src.data.names import some_of
from src.reporting.templates import say

_FOLDER = Path(__file__).parent
_IMBALANCED, _SMALL_CLASS, _ELONGATED = 3.0, 10, 2.0


@dataclass(frozen=True)
class Statement:
    """One thing to know.

    Attributes:
        anchor: the page's section that shows it.
        asks: whether something should be done about it.
    """

    anchor: str
    text: str
    asks: bool = False


def statements(audit: Audit) -> list[Statement]:
    """Return what there is to know, section by section."""
    makers = (_labels, _duplicates, _groups, _balance, _absent, _files, _sizes)
    return [statement for make in makers for statement in make(audit)]


def _statement(anchor: str, macro: str, *facts: Any, asks: bool = False) -> Statement:
    return Statement(anchor, say("statements.j2", macro, METRICS["accuracy"], *facts, folder=_FOLDER), asks)


def _labels(audit: Audit) -> Iterator[Statement]:
    if audit.suspicion is None:
        yield _statement("labels", "not_searched", asks=True)
        return
    result, names = audit.suspicion, audit.images.class_names
    confident = sum(suspect.is_confident for suspect in result.suspects)
    others = len(result.suspects) - confident
    yield _statement("labels", "doubted", confident, others, result.accuracy, asks=confident > 0)
    if result.excluded:
        yield _statement("labels", "too_few", some_of([names[k] for k in result.excluded]), asks=True)


def _duplicates(audit: Audit) -> Iterator[Statement]:
    samples, split_of, pairs = audit.images.samples, audit.images.split_of, audit.groups.pairs.tolist()
    conflicts = sum(samples[i].label != samples[j].label for i, j, _ in pairs)
    across = [(i, j) for i, j, _ in pairs if split_of[i] != split_of[j]]
    if conflicts:
        yield _statement("duplicates", "conflicts", conflicts, asks=True)
    if across:
        yield _statement("duplicates", "across", len(across), len({i for pair in across for i in pair}), asks=True)
    yield _statement("duplicates", "pairs", len(pairs))


def _groups(audit: Audit) -> Iterator[Statement]:
    members = audit.groups.members
    if not members:
        return
    inside, crossing = sum(map(len, members)), len(crossing_groups(audit))
    yield _statement("groups", "groups", inside, len(members), len(members[0]), asks=crossing > 0)
    pattern = infer_pattern(audit.images, audit.groups) if audit.images.takes_pattern else None
    if pattern:
        yield _statement("groups", "pattern", setting("data.group_pattern", pattern.text), pattern, asks=True)
    if audit.has_manifest:
        statement = _statement("groups", "with_manifest", crossing, MANIFEST, asks=crossing > 0)
        yield replace(statement, text=f"{statement.text} {setting('data.manifest', audit.output / MANIFEST)}")


def _balance(audit: Audit) -> Iterator[Statement]:
    counts, total = audit.images.counts("train"), audit.images.splits.train.size
    (largest, most), (smallest, least) = counts.most_common()[0], counts.most_common()[-1]
    yield _statement("classes", "guessing", one_line(largest, 60), len(counts), most / total)
    if most >= _IMBALANCED * least:
        yield _statement("classes", "unequal", one_line(largest, 60), most, one_line(smallest, 60), least, asks=True)
    small = [name for name, count in counts.items() if count < _SMALL_CLASS]
    if small:
        yield _statement("classes", "small", _SMALL_CLASS, some_of(sorted(small)), asks=True)


def _absent(audit: Audit) -> Iterator[Statement]:
    for split in SPLITS:
        counts = audit.images.counts(split)
        absent = [name for name in audit.images.class_names if not counts[name]]
        if counts and absent:
            yield _statement("classes", "absent", split, some_of(absent), asks=True)


def _files(audit: Audit) -> Iterator[Statement]:
    images = audit.images
    for line in (*images.listing.warnings, *remark_warnings(images.listing, images.store)):
        yield Statement("files", one_line(line), True)
    unreadable = [images.samples[i].name for i in images.store.unreadable]
    if unreadable:
        yield _statement("files", "unreadable", len(unreadable), some_of(unreadable), asks=True)
    if images.skipped:
        reasons = Counter(file.why for file in images.skipped).most_common()
        yield _statement("files", "skipped", len(images.skipped), reasons)


def _sizes(audit: Audit) -> Iterator[Statement]:
    facts = [file for i in audit.images.readable if (file := audit.images.facts[i])]
    if not facts:
        yield _statement("sizes", "drawn", audit.image_size)
        return
    short, long = np.sort([(file.width, file.height) for file in facts]).T
    enlarged, elongated = int((short < audit.image_size).sum()), int((long > _ELONGATED * short).sum())
    ends = int(short.min()), int(short.max()), float(np.median(short))
    yield _statement("sizes", "sizes", *ends, audit.image_size, enlarged, asks=enlarged > 0.1 * len(facts))
    if elongated:
        yield _statement("sizes", "elongated", elongated, _ELONGATED)
    modes = Counter(file.mode for file in facts)
    if len(modes) > 1 or "RGB" not in modes:
        yield _statement("sizes", "modes", [(kinds_of_pixels(mode), count) for mode, count in modes.most_common()])


_MODES = {
    "RGB": "RGB",
    "L": "grey",
    "LA": "grey with alpha",
    "RGBA": "RGB with alpha",
    "P": "palette",
    "CMYK": "CMYK",
    "1": "black and white",
}


def kinds_of_pixels(mode: str) -> str:
    """Return Pillow's `mode` in words."""
    return _MODES.get(mode, mode)
