"""An audit's findings as rows: findings.csv, and a manifest that keeps groups together."""

import csv
import io
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from src.auditing.groups import Groups
from src.auditing.image_facts import AuditedImages
from src.auditing.labels import Suspicion
from src.data.duplicates import BITS
from src.data.listing import SPLITS

CONFLICT, ACROSS, WITHIN = "conflicting labels", "near-duplicate across splits", "near-duplicate within a split"
SUSPECT, GROUP, SMALL, UNREADABLE, SKIPPED = "suspected label", "group", "small image", "unreadable", "skipped"
ABSENT = "absent class"

PAGE, FINDINGS, MANIFEST = "audit.html", "findings.csv", "manifest.csv"

_COLUMNS = ("kind", "split", "path", "label", "suggested_label", "details", "score")
_FORMULA = ("=", "+", "-", "@", "\t", "\r")


@dataclass(frozen=True)
class Finding:
    """One row of findings.csv.

    Attributes:
        kind: one of this module's names.
        score: 0–1, comparable within a kind: the larger, the sooner to look at.
    """

    kind: str
    split: str = ""
    path: str = ""
    label: str = ""
    suggested_label: str = ""
    details: str = ""
    score: float = 1.0


@dataclass(frozen=True)
class Audit:
    """All that an audit found.

    Attributes:
        image_size: side of the images that the network takes, px.
        output: the folder of the audit's files.
        suspicion: suspected label errors, their positions among `images.readable`; None where none could be searched.
    """

    images: AuditedImages
    image_size: int
    output: Path
    groups: Groups
    suspicion: Suspicion | None

    @property
    def has_manifest(self) -> bool:
        """Return whether the images have groups and file names, so that a manifest can keep groups together."""
        return bool(self.groups.members and self.images.listing.paths)


def all_findings(audit: Audit) -> list[Finding]:
    """Return every finding, by kind, most urgent first within a kind."""
    makers = (_unreadable, _skipped, _absent, _small, _pairs, _grouped, _suspects)
    findings = [finding for make in makers for finding in make(audit)]
    return sorted(findings, key=lambda finding: (finding.kind, -finding.score))


def as_csv(findings: Iterable[Finding]) -> str:
    """Return findings.csv: text that a spreadsheet would run as a formula has an apostrophe before it."""
    return _csv(_COLUMNS, ([_harmless(str(getattr(finding, name))) for name in _COLUMNS[:-1]] + [f"{finding.score:.4f}"]
                           for finding in findings))  # fmt: skip


def kind_of_pair(audit: Audit, i: int, j: int) -> str:
    """Return the kind of finding that a near-equal pair is."""
    if audit.images.samples[i].label != audit.images.samples[j].label:
        return CONFLICT
    return ACROSS if audit.images.split_of[i] != audit.images.split_of[j] else WITHIN


def crossing_groups(audit: Audit) -> list[tuple[int, ...]]:
    """Return the groups whose images are in several splits."""
    return [group for group in audit.groups.members if len({audit.images.split_of[i] for i in group}) > 1]


def manifest(audit: Audit) -> str:
    """Return a manifest of all readable images with their groups, for data=csv; "" where there is no group or no file.

    The stated splits are kept unless a group is in several of them: Thaw then splits anew, each group whole.
    """
    images = audit.images
    if not audit.has_manifest:
        return ""
    names = {i: f"group_{k:04}" for k, group in enumerate(audit.groups.members) for i in group}
    keeps_splits = not crossing_groups(audit) and any(sample.split for sample in images.samples)
    columns = ("path", "label", "group", *(["split"] if keeps_splits else []))
    rows = (
        [str(images.listing.paths[i].resolve()), images.samples[i].label, names.get(i, ""),
         *([images.split_of[i]] if keeps_splits else [])]
        for i in images.readable.tolist()
    )  # fmt: skip
    return _csv(columns, rows)


def _csv(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows(rows)
    return text.getvalue()


def _harmless(cell: str) -> str:
    """Return `cell` as text to a spreadsheet (OWASP: CSV injection).

    >>> _harmless("=1+1"), _harmless("rose.jpg")
    ("'=1+1", 'rose.jpg')
    """
    return f"'{cell}" if cell.startswith(_FORMULA) else cell


def _unreadable(audit: Audit) -> Iterator[Finding]:
    for i, why in audit.images.store.unreadable.items():
        sample = audit.images.samples[i]
        yield Finding(UNREADABLE, sample.split or "", sample.name, sample.label, details=why)


def _skipped(audit: Audit) -> Iterator[Finding]:
    return (Finding(SKIPPED, path=file.name, details=file.why) for file in audit.images.skipped)


def _absent(audit: Audit) -> Iterator[Finding]:
    for split in SPLITS:
        counts = audit.images.counts(split)
        if counts:
            for name in audit.images.class_names:
                if not counts[name]:
                    yield Finding(ABSENT, split, label=name, details=f"{split} has no image of it")


def _small(audit: Audit) -> Iterator[Finding]:
    for i in audit.images.readable.tolist():
        facts = audit.images.facts[i]
        if facts and min(facts.width, facts.height) < audit.image_size:
            details = f"{facts.width} × {facts.height} px, enlarged to {audit.image_size}"
            yield _of(audit, i, SMALL, details=details, score=1 - min(facts.width, facts.height) / audit.image_size)


def _pairs(audit: Audit) -> Iterator[Finding]:
    samples, split_of = audit.images.samples, audit.images.split_of
    for i, j, bits in audit.groups.pairs.tolist():
        kind = kind_of_pair(audit, i, j)
        suggested = samples[j].label if kind == CONFLICT else ""
        details = f"and {samples[j].name} ({split_of[j]}, {samples[j].label}): {bits} of {BITS} bits differ"
        yield _of(audit, i, kind, suggested, details, 1 - bits / BITS)


def _grouped(audit: Audit) -> Iterator[Finding]:
    largest = len(audit.groups.members[0]) if audit.groups.members else 1
    for k, group in enumerate(audit.groups.members):
        for i in group:
            yield _of(audit, i, GROUP, details=f"group_{k:04}: {len(group)} images", score=len(group) / largest)


def _suspects(audit: Audit) -> Iterator[Finding]:
    if audit.suspicion is None:
        return
    names, readable = audit.images.class_names, audit.images.readable
    for suspect in audit.suspicion.suspects:
        details = (
            f"{'confident' if suspect.is_confident else 'possible'}: probability {suspect.given_probability:.3f} of "
            f"the given label, {suspect.suggested_probability:.3f} of the suggested one"
        )
        yield _of(audit, int(readable[suspect.position]), SUSPECT, names[suspect.suggested], details, suspect.score)


def _of(audit: Audit, i: int, kind: str, suggested: str = "", details: str = "", score: float = 1.0) -> Finding:
    sample = audit.images.samples[i]
    return Finding(
        kind, audit.images.split_of[i], sample.name, sample.label, suggested, details, float(np.clip(score, 0, 1))
    )
