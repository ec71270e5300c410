"""An audit on one page that opens from disk, with its photos inside and all names as plain text."""

import base64
import io
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image as PillowImage

from src.auditing.findings import ABSENT, ACROSS, CONFLICT, SMALL, WITHIN, Audit, Finding, kind_of_pair
from src.auditing.image_facts import FileFacts
from src.auditing.statements import Statement, kinds_of_pixels
from src.common.errors import one_line, printable
from src.data.listing import SPLITS
from src.reporting.templates import environment

MOST_SUSPECTS, MOST_PAIRS, MOST_GROUPS, MOST_OF_A_GROUP, MOST_ROWS = 60, 12, 8, 8, 40
"""What the page shows of each kind: at most so much, however many images there are."""

_THUMBNAIL, _QUALITY = 112, 80
_LONGEST = 90


@dataclass(frozen=True)
class _Photo:
    """A photo as the page shows it: base64 JPEG, and the lines below."""

    data: str
    name: str
    lines: tuple[str, ...]


@dataclass(frozen=True)
class _Pairs:
    """Near-equal pairs of one kind."""

    title: str
    shown: tuple[tuple[_Photo, _Photo], ...]
    count: int


def page_text(audit: Audit, all_statements: Sequence[Statement], findings: Sequence[Finding]) -> str:
    """Return the audit as a self-contained page that says `all_statements` and lists `findings`."""
    groups = audit.groups.members
    sections = ("labels", "duplicates", "groups", "classes", "files", "sizes")
    return environment(escapes=True, folder=Path(__file__).parent).get_template("audit.html.j2").render(
        name=printable(audit.images.listing.source),
        extent=_extent(audit),
        asks=[statement for statement in all_statements if statement.asks],
        told={anchor: [statement for statement in all_statements if statement.anchor == anchor] for anchor in sections},
        suspects=_suspects(audit),
        all_suspects=len(audit.suspicion.suspects) if audit.suspicion else 0,
        pairs=_pairs(audit),
        groups=[(k, len(group), [_photo(audit, i) for i in group[:MOST_OF_A_GROUP]])
                for k, group in enumerate(groups[:MOST_GROUPS])],
        all_groups=len(groups),
        splits=[split for split in SPLITS if audit.images.splits[split].size],
        classes=_classes(audit),
        tables=_tables(audit),
        findings=_listed(findings),
        counts=Counter(finding.kind for finding in findings),
    )  # fmt: skip


def _extent(audit: Audit) -> str:
    sizes = ", ".join(f"{audit.images.splits[split].size} {split}" for split in SPLITS)
    return f"{len(audit.images.class_names)} classes; {sizes}; looked at as {audit.image_size} px squares."


def _photo(audit: Audit, index: int, *lines: str) -> _Photo:
    image = PillowImage.fromarray(np.asarray(audit.images.store.pixels[index]))
    image.thumbnail((_THUMBNAIL, _THUMBNAIL))
    content = io.BytesIO()
    image.save(content, "JPEG", quality=_QUALITY)
    sample = audit.images.samples[index]
    below = lines or (one_line(sample.label, _LONGEST), audit.images.split_of[index])
    return _Photo(base64.b64encode(content.getvalue()).decode(), _short(sample.name), below)


def _suspects(audit: Audit) -> list[_Photo]:
    if audit.suspicion is None:
        return []
    names, readable, split_of = audit.images.class_names, audit.images.readable, audit.images.split_of
    return [
        _photo(
            audit, int(readable[suspect.position]),
            f"given: {one_line(names[suspect.given], _LONGEST)} ({_percent(suspect.given_probability)})",
            f"predicted: {one_line(names[suspect.suggested], _LONGEST)} ({_percent(suspect.suggested_probability)})",
            ("confident, " if suspect.is_confident else "possible, ") + split_of[readable[suspect.position]],
        )
        for suspect in audit.suspicion.suspects[:MOST_SUSPECTS]
    ]  # fmt: skip


def _pairs(audit: Audit) -> list[_Pairs]:
    kinds: dict[str, list[tuple[int, int]]] = {CONFLICT: [], ACROSS: [], WITHIN: []}
    for i, j, _ in audit.groups.pairs.tolist():
        kinds[kind_of_pair(audit, i, j)].append((i, j))
    return [
        _Pairs(kind, tuple((_photo(audit, i), _photo(audit, j)) for i, j in pairs[:MOST_PAIRS]), len(pairs))
        for kind, pairs in kinds.items() if pairs
    ]  # fmt: skip


def _classes(audit: Audit) -> list[tuple[str, list[tuple[int, float]]]]:
    """Return each class with its count and share of the largest count, by split; the largest in train first."""
    counts = [audit.images.counts(split) for split in SPLITS if audit.images.splits[split].size]
    most = [max(count.values()) for count in counts]
    names = sorted(audit.images.class_names, key=lambda name: (-counts[0][name], name))
    return [
        (printable(name), [(count[name], count[name] / top) for count, top in zip(counts, most, strict=True)])
        for name in names
    ]


def _tables(audit: Audit) -> list[tuple[str, list[tuple[str, int, float]]]]:
    """Return tables of formats, pixel kinds, sizes and shapes: value, images, and the count relative to the largest."""
    facts = [file for i in audit.images.readable if (file := audit.images.facts[i])]
    if not facts:
        return []
    return [
        ("Format", _counted(file.format for file in facts)),
        ("Pixels", _counted(kinds_of_pixels(file.mode) for file in facts)),
        ("Shorter side, px", _counted(map(_size_range, facts), ordered=True)),
        ("Shape", _counted(map(_shape, facts))),
        ("Turned by EXIF", _counted("yes" if file.is_turned else "no" for file in facts)),
    ]


def _counted(values: Iterable[str], *, ordered: bool = False) -> list[tuple[str, int, float]]:
    counts = Counter(values)
    most = max(counts.values())
    rows = sorted(counts.items(), key=lambda row: int(row[0].split("–")[0])) if ordered else counts.most_common()
    return [(value, count, count / most) for value, count in rows[:12]]


def _size_range(facts: FileFacts) -> str:
    """Return the range of the shorter side, a power of two.

    >>> _size_range(FileFacts("PNG", "RGB", 640, 300, False, ""))
    '256–511'
    """
    least = 1 << (min(facts.width, facts.height).bit_length() - 1)
    return f"{least}–{2 * least - 1}"


def _shape(facts: FileFacts) -> str:
    ratio = facts.width / facts.height
    return "square" if 0.95 < ratio < 1.05 else "wide" if ratio > 1 else "tall"


def _listed(findings: Sequence[Finding]) -> list[tuple[Finding, str]]:
    """Return the findings that have no photo to show, each with its path as the page writes it."""
    kinds = {"unreadable", "skipped", SMALL, ABSENT}
    seen: Counter[str] = Counter()
    rows = []
    for finding in findings:
        seen[finding.kind] += 1
        if finding.kind in kinds and seen[finding.kind] <= MOST_ROWS:
            rows.append((finding, _short(finding.path)))
    return rows


def _percent(probability: float) -> str:
    """Return a probability as a percentage that is never 0% or 100%: no classifier is certain.

    >>> _percent(0.001), _percent(0.5), _percent(0.999)
    ('<1%', '50%', '>99%')
    """
    return "<1%" if probability < 0.01 else ">99%" if probability > 0.99 else f"{probability:.0%}"


def _short(name: str) -> str:
    """Return the end of a long path: there the file's name is."""
    safe = printable(name)
    return safe if len(safe) <= _LONGEST else "…" + safe[-_LONGEST + 1 :]
