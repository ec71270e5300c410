"""Match names: one rule for the names of splits, one for names that mean the same class."""

import functools
import os
import re
import unicodedata
from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from difflib import get_close_matches
from pathlib import Path

from src.common.errors import ThawError, one_line
from src.data.listing import Split

_AFFIXES = (
    r"(?:seg|data|datasets?|sets?|splits?|images?|imgs?|photos?|pictures?|pics?|files?|samples?|folder|jpe?gs?|pngs?)*"
)
_SPLIT_PATTERNS: dict[Split, re.Pattern[str]] = {
    "train": re.compile(rf"{_AFFIXES}(?:train|training|trn){_AFFIXES}"),
    "val": re.compile(
        rf"{_AFFIXES}(?:val|valid|validate|validating|validation|dev|devel|development|eval|evaluation){_AFFIXES}"
    ),
    "test": re.compile(rf"{_AFFIXES}(?:test|testing|tst){_AFFIXES}"),
}

ClassNames = dict[tuple[Split | None, str], str]
"""The class that a name means within a split."""


def split_called(name: str) -> Split | None:
    """Return the split that people call `name`, or None.

    Case and separators do not count, nor does what a name says besides the split: set, data, images, seg and the like.

    >>> [split_called(name) for name in ("Training", "seg_test", "Validation Set", "train_images", "dev", "trainee")]
    ['train', 'test', 'val', 'train', 'val', None]
    """
    return next((split for split, pattern in _SPLIT_PATTERNS.items() if pattern.fullmatch(_letters(name))), None)


def is_container(name: str) -> bool:
    """Return whether `name` says that there are images, and not which.

    >>> is_container("Image_Data"), is_container("ash")
    (True, False)
    """
    letters = _letters(name)
    return bool(letters) and re.fullmatch(_AFFIXES, letters) is not None


def match_classes(source: str, given: Mapping[Split | None, Collection[str]]) -> tuple[ClassNames, list[str]]:
    """Match the class names of all splits with those of train.

    Names are brought into Unicode's composed form (NFC). A name that train lacks means the one class of train that
    differs in letter case and blanks alone, if there is exactly one and its split does not hold it already.

    Args:
        source: where the data come from, for messages.
        given: the names in use, as they are written, by split.

    Returns:
        The class of each name, and a line for each match that is a guess.

    Raises:
        ThawError: a split has a class that train lacks.
    """
    matched: ClassNames = {
        (split, name): unicodedata.normalize("NFC", name) for split, names in given.items() for name in names
    }
    composed = {split: {matched[split, name] for name in names} for split, names in given.items()}
    lines = [line for split, names in given.items() for line in _merged(split, names)]
    known = composed.get("train", composed.get(None, set()))
    lines += _kept_apart(known)
    for split, names in composed.items():
        others = {name: _counterpart(name, names, known) for name in sorted(names - known) if "train" in given}
        strangers = [_stranger(name, known) for name, other in others.items() if other is None]
        if strangers:
            lacks = f"{split} has classes that train lacks: {some_of(strangers)}"
            raise ThawError(f"{source}: {lacks}; remove them, or add such images to train")
        lines += [f"{split}: class {name!a} is taken as train's {other!a}" for name, other in others.items()]
        matched |= {key: others[name] or name for key, name in matched.items() if key[0] == split and name in others}
    return matched, lines


def classes_of_folders(paths: Iterable[Path], known: Collection[str]) -> list[str | None]:
    """Return the class of each file: what the nearest folder above it is called, or None where none is called a class.

    Names match as those of splits do: in Unicode's composed form, else where exactly one class differs in letter case
    and blanks alone.

    >>> classes_of_folders([Path("/photos/Ash /2024/a.jpg"), Path("/photos/yew/b.jpg")], ["ash", "birch"])
    ['ash', None]
    """
    by_plain: dict[str, list[str]] = {}
    for name in known:
        by_plain.setdefault(_plain(name), []).append(name)

    def called(name: str) -> str | None:
        alike, composed = by_plain.get(_plain(name), []), unicodedata.normalize("NFC", name)
        return composed if composed in alike else alike[0] if len(alike) == 1 else None

    @functools.cache
    def above(folder: Path) -> str | None:
        return next(filter(None, (called(part) for part in reversed(folder.parts))), None)

    return [above(Path(os.path.abspath(path)).parent) for path in paths]  # noqa: PTH100 - links keep their names


def some_of(names: Collection[str], most: int = 5) -> str:
    """Return the first `most` of `names` in a line, and how many more there are.

    >>> some_of(["ash", "birch", "cedar"], 2)
    'ash, birch, and 1 more'
    """
    shown = [one_line(name, 200) for name in list(names)[:most]]
    return ", ".join(shown + [f"and {len(names) - most} more"] * (len(names) > most))


def _letters(name: str) -> str:
    return re.sub(r"[\W_]+", "", unicodedata.normalize("NFKC", name).casefold())


def _plain(name: str) -> str:
    """Return `name` without what may differ between two spellings of one class."""
    return " ".join(unicodedata.normalize("NFC", name).casefold().split())


def _merged(split: Split | None, names: Iterable[str]) -> list[str]:
    written: dict[str, list[str]] = {}
    for name in sorted(names):
        written.setdefault(unicodedata.normalize("NFC", name), []).append(ascii(name))
    where = f"{split}: " if split else ""
    several = (similar for similar in written.values() if len(similar) > 1)
    return [f"{where}{' and '.join(similar)} are one class, whose name is written in two ways" for similar in several]


def _kept_apart(names: Iterable[str]) -> list[str]:
    alike: dict[str, list[str]] = {}
    for name in sorted(names):
        alike.setdefault(_plain(name), []).append(ascii(name))
    several = (names for names in alike.values() if len(names) > 1)
    return [
        f"classes {' and '.join(names)} differ in letter case or blanks alone; they are kept apart" for names in several
    ]


def _counterpart(name: str, names: Collection[str], known: Collection[str]) -> str | None:
    """Return the class of `known` that differs from `name` in case and blanks alone, if exactly one does."""
    alike = [other for other in known if _plain(other) == _plain(name)]
    rivals = Counter(_plain(other) for other in names)
    return alike[0] if len(alike) == 1 and rivals[_plain(name)] == 1 else None


def _stranger(name: str, known: Collection[str]) -> str:
    """Return `name` with the names of `known` that it resembles, every difference visible."""
    alike = sorted(other for other in known if _plain(other) == _plain(name)) or get_close_matches(name, known, n=1)
    shown = one_line(name, 60)
    return f"{shown} (this is {name!a}, train has {', '.join(map(ascii, alike))})" if alike else shown
