"""The sentences of an audit, the same on the page and on the terminal."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from src.auditing.findings import MANIFEST, Audit, crossing_groups
from src.auditing.groups import infer_pattern
from src.common.errors import one_line
from src.common.shell import setting
from src.data.dataset import remark_warnings
from src.data.listing import SPLITS
from src.data.names import some_of

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


def _labels(audit: Audit) -> Iterator[Statement]:
    if audit.suspicion is None:
        yield Statement("labels", "Label errors were not searched: too few classes have two images or groups.", True)
        return
    result, names = audit.suspicion, audit.images.class_names
    confident = sum(suspect.is_confident for suspect in result.suspects)
    others, percent = len(result.suspects) - confident, f"{100 * result.accuracy:.0f}%"
    text = (
        f"{_many(confident, 'label is', 'labels are')} confidently doubted, and {others} more images are "
        f"predicted as another class. A head on frozen features predicts {percent} of the given labels for images "
        "that it has not seen; the lower that is, the more of the doubts are the head's own."
    )
    yield Statement("labels", text + (" Look at the first of them." if confident else ""), confident > 0)
    if result.excluded:
        names_of_small = some_of([names[k] for k in result.excluded])
        yield Statement("labels", f"Too few images to search for label errors: {names_of_small}.", True)


def _duplicates(audit: Audit) -> Iterator[Statement]:
    samples, split_of, pairs = audit.images.samples, audit.images.split_of, audit.groups.pairs.tolist()
    conflicts = sum(samples[i].label != samples[j].label for i, j, _ in pairs)
    across = sum(split_of[i] != split_of[j] for i, j, _ in pairs)
    if conflicts:
        yield Statement(
            "duplicates",
            f"{_many(conflicts, 'near-equal pair has', 'near-equal pairs have')} different labels: one of "
            "each pair is probably wrong. Mend the label, or remove one of them.",
            True,
        )
    if across:
        held = len({i for pair in pairs if split_of[pair[0]] != split_of[pair[1]] for i in pair[:2]})
        yield Statement(
            "duplicates",
            f"{_many(across, 'near-equal pair is', 'near-equal pairs are')} across splits ({held} images), "
            "so that validation or test looks better than it is. data.near_duplicates=drop leaves the earlier one out.",
            True,
        )
    yield Statement("duplicates", f"{_many(len(pairs), 'near-equal pair', 'near-equal pairs')} in all.")


def _groups(audit: Audit) -> Iterator[Statement]:
    members = audit.groups.members
    if not members:
        return
    inside, crossing = sum(map(len, members)), len(crossing_groups(audit))
    yield Statement(
        "groups",
        f"{inside} images form {_many(len(members), 'group', 'groups')} (bursts, copies), the largest of "
        f"{len(members[0])}. Images of a group belong in one split.",
        crossing > 0,
    )
    pattern = infer_pattern(audit.images, audit.groups) if audit.images.takes_pattern else None
    if pattern:
        yield Statement(
            "groups",
            f"The names say so too: {setting('data.group_pattern', pattern.text)} keeps "
            f"{100 * pattern.kept_together:.0f}% of the links together, in {pattern.groups} groups.",
            True,
        )
    if audit.has_manifest:
        yield Statement("groups", _with_manifest(audit, crossing), crossing > 0)


def _with_manifest(audit: Audit, crossing: int) -> str:
    how = f"{MANIFEST} has them in a group column"
    if crossing:
        crossing_text = f"{_many(crossing, 'group is', 'groups are')} in several splits"
        how = f"{crossing_text}. {MANIFEST} leaves the splits out; Thaw splits anew, each group whole"
    return f"{how}: data=csv {setting('data.manifest', audit.output / MANIFEST)}"


def _balance(audit: Audit) -> Iterator[Statement]:
    counts, total = audit.images.counts("train"), audit.images.splits.train.size
    (largest, most), (smallest, least) = counts.most_common()[0], counts.most_common()[-1]
    yield Statement(
        "classes",
        f"Always guessing {one_line(largest, 60)}, the largest of {len(counts)} classes, is right for "
        f"{_percent(most / total)} of train; chance is {_percent(1 / len(counts))}. A trial must be better than both.",
    )
    if most >= _IMBALANCED * least:
        yield Statement(
            "classes",
            f"Classes are unequal: {one_line(largest, 60)} has {most} training images, {one_line(smallest, 60)} "
            f"{least} ({most / least:.0f} times fewer). Accuracy says little of small classes: judge by "
            "objective=balanced_accuracy and train with class_weights=balanced.",
            True,
        )
    small = [name for name, count in counts.items() if count < _SMALL_CLASS]
    if small:
        yield Statement(
            "classes", f"Fewer than {_SMALL_CLASS} training images: {some_of(sorted(small))}. Add some.", True
        )


def _absent(audit: Audit) -> Iterator[Statement]:
    for split in SPLITS:
        counts = audit.images.counts(split)
        absent = [name for name in audit.images.class_names if not counts[name]]
        if counts and absent:
            says = "no trial can learn them" if split == "train" else f"{split} accuracy says nothing of them"
            yield Statement("classes", f"{split} has no image of {some_of(absent)}: {says}.", True)


def _files(audit: Audit) -> Iterator[Statement]:
    images = audit.images
    for line in (*images.listing.warnings, *remark_warnings(images.listing, images.store)):
        yield Statement("files", one_line(line), True)
    unreadable = audit.images.store.unreadable
    if unreadable:
        names = some_of([audit.images.samples[i].name for i in unreadable])
        yield Statement("files", f"{_many(len(unreadable), 'file is no image', 'files are no images')}: {names}.", True)
    if audit.images.skipped:
        reasons = Counter(file.why for file in audit.images.skipped)
        counts = "; ".join(f"{count} {why}" for why, count in reasons.most_common())
        yield Statement("files", f"{_many(len(audit.images.skipped), 'file plays', 'files play')} no part: {counts}.")


def _sizes(audit: Audit) -> Iterator[Statement]:
    facts = [file for i in audit.images.readable if (file := audit.images.facts[i])]
    if not facts:
        yield Statement("sizes", f"The images are drawn at {audit.image_size} px: there are no files to look at.")
        return
    short = np.array([min(file.width, file.height) for file in facts])
    long = np.array([max(file.width, file.height) for file in facts])
    enlarged, elongated = int((short < audit.image_size).sum()), int((long > _ELONGATED * short).sum())
    yield Statement(
        "sizes",
        f"The shorter side is {short.min()} to {short.max()} px (median {np.median(short):.0f}); the network takes "
        f"{audit.image_size} px. {_many(enlarged, 'image is', 'images are')} smaller and enlarged.",
        enlarged > 0.1 * len(facts),
    )
    if elongated:
        text = f"{_many(elongated, 'image is', 'images are')} more than {_ELONGATED:g} times as long as wide"
        yield Statement("sizes", f"{text}: data.resize=crop or pad keeps their shape.")
    modes = Counter(file.mode for file in facts)
    if len(modes) > 1 or "RGB" not in modes:
        counts = ", ".join(f"{count} {_MODES.get(mode, mode)}" for mode, count in modes.most_common())
        yield Statement("sizes", f"Kinds of pixels: {counts}; all become RGB.")


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


def _many(count: int, one: str, several: str) -> str:
    """Return a count and its noun.

    >>> _many(1, "image is", "images are"), _many(0, "image", "images"), _many(1200, "image", "images")
    ('1 image is', 'No images', '1,200 images')
    """
    return f"{count:,} {one if count == 1 else several}" if count else f"No {several}"


def _percent(proportion: float) -> str:
    return f"{100 * proportion:.1f}%"
