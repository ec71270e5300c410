"""Settings and words as they are typed in a shell, for commands in messages that people copy."""

import os
import re
import shlex
from collections.abc import Iterable
from pathlib import Path

from src.common.errors import one_line

TRAIN = ("python", "-m", "src.train")
"""The command that trains, before its overrides."""

RENDER = ("python", "-m", "src.render")
"""The command that makes a trial's figures and model, before its run."""

PROMOTE = ("python", "-m", "src.promote")
"""The command that registers a study's recommended model, before its options."""

_READ_OTHERWISE = re.compile(r"""\s|['"]|.*(?:[,\\]|\$\{|\s$)|\w+\(|(?:null)?$""", re.IGNORECASE | re.DOTALL)
"""Texts that Hydra does not read as they are: quotes, lists, functions, keys, null, and blanks that it strips."""


def setting(key: str, value: Path | str) -> str:
    r"""Return the setting of `key`, whose values are texts, to `value` as it is typed in a shell.

    >>> print(setting("data.root", "photos"), setting("data.root", "my photos (2024)"))
    data.root=photos 'data.root=my photos (2024)'
    >>> print(setting("data.root", "a,b"))
    'data.root="a,b"'
    """
    return shell_word(text_override(key, value))


def text_override(key: str, value: Path | str) -> str:
    r"""Return the override of `key`, whose values are texts, with `value` as a command without a shell takes it.

    >>> print(text_override("tracking.experiment", "a,b"), text_override("data.root", "my photos"))
    tracking.experiment="a,b" data.root=my photos
    """
    text = str(value)
    if not _READ_OTHERWISE.match(text):
        return f"{key}={text}"
    literal = re.sub(r"(\\*)\$\{", lambda match: match[1] * 2 + r"\${", text)  # else OmegaConf puts a key's value there
    return hydra_override(key, literal, "'" if '"' in literal else '"')


def hydra_override(key: str, value: str, mark: str = "'") -> str:
    r"""Return the override of `key` with `value` as one text, as Hydra reads it, in quotation marks `mark`.

    >>> hydra_override("data.root", "it's")
    "data.root='it\\'s'"
    """
    text = re.sub(rf"(\\*)({mark}|$)", lambda match: match[1] * 2 + (f"\\{mark}" if match[2] else ""), value)
    return f"{key}={mark}{text}{mark}"


def shell_word(text: str) -> str:
    r"""Return `text` as one word of a shell, on one line and printable.

    >>> print(shell_word("it's"), shell_word("new\nline"))
    'it'"'"'s' $'new\x0aline'
    """
    if one_line(text, len(text) + 1) == text:
        return shlex.quote(text)
    return f"$'{''.join(c if c.isprintable() and c not in _ESCAPED else _escaped(c) for c in text)}'"


def shell_line(words: Iterable[str]) -> str:
    """Return `words` as a line of a shell, such as a command."""
    return " ".join(shell_word(word) for word in words)


_ESCAPED = " '\\"


def _escaped(character: str) -> str:
    return "".join(f"\\x{byte:02x}" for byte in os.fsencode(character))
