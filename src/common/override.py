"""One override as Hydra reads it, such as `+augment.views=2`; several are a sequence of such texts, never one text."""

import re


def override_key(line: str) -> str:
    """Return the key that an override sets, without what says how (`+`, `++`, `~`) and without a package.

    >>> override_key("++augment.views=2"), override_key("~dropout"), override_key("optimizer@x=sgd")
    ('augment.views', 'dropout', 'optimizer')
    """
    return re.sub(r"^[+~]+", "", line).partition("=")[0].partition("@")[0]


def override_value(line: str) -> str:
    """Return what an override sets its key to, as Hydra reads it.

    >>> override_value("data.root='a=b'")
    "'a=b'"
    """
    return line.partition("=")[2]
