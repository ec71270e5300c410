"""Prepare the command line for Hydra: quote texts that its grammar rejects, and report mistakes with their remedy.

Hydra's grammar takes only ASCII letters without quotes, and gives a meaning to ``~ , = [ ] { } ( )`` and blanks.
Paths and names have all of these, and a shell takes away the quotes that are typed around them.
"""

from argparse import ArgumentError
from collections.abc import Sequence
from pathlib import Path

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override, QuotedString
from hydra.errors import HydraException

from src.cli.hydra_internals import options_parser
from src.common.errors import ThawError, did_you_mean, one_line
from src.common.project import CONF
from src.common.shell import hydra_override, setting, shell_word

TEXTS = {
    "data.root", "data.manifest", "data.image_folder", "data.group_pattern", "data.path_column", "data.label_column",
    "data.split_column", "data.group_column", "weights.path", "runtime.cache_dir", "runtime.work_dir", "tracking.uri",
    "tracking.experiment", "tracking.run_name", "study", "hydra.run.dir", "hydra.sweep.dir",
}  # fmt: skip
"""Keys whose values are paths, names or patterns."""


def as_hydra_reads(arguments: Sequence[str]) -> list[str]:
    """Return `arguments` as Hydra reads them: options first, then overrides, their texts in quotes where they must be.

    Raises:
        ThawError: an option that Hydra does not have, or a word that is no override.

    >>> as_hydra_reads(["data.root=~/my photos", "-m", "unfrozen=0,2"])
    ['-m', "data.root='~/my photos'", 'unfrozen=0,2']
    """
    parser = options_parser()
    try:
        known, _ = parser.parse_known_intermixed_args(list(arguments))
    except ArgumentError:  # Hydra says what an option lacks
        return list(arguments)
    options, overrides = list(arguments), list(known.overrides)
    for override in overrides:
        options.remove(override)
    unknown = _unknown(parser.parse_known_args(options)[1])
    if unknown:
        name = unknown.lstrip("-")
        raise ThawError(f"unknown option {unknown}: settings have no dashes, as in {_example(name)}; --help says more")
    several = known.multirun
    return [*options, *(_readable(override, several=several) for override in overrides)]


def how_to_quote(override: str) -> str:
    """Return what to type for an `override` that Hydra cannot read, in a shell."""
    key, equals, value = override.partition("=")
    if not equals or not key.strip():
        return "a setting is KEY=VALUE, without blanks around the ="
    return f"put its value in quotes: {shell_word(hydra_override(key, value))}"


def _unknown(extras: Sequence[str]) -> str | None:
    return next((option.partition("=")[0] for option in extras if option.startswith("-")), None)


def _example(name: str) -> str:
    return f"{name}=VALUE" if name and name.isidentifier() else "data=folder"


def _readable(override: str, *, several: bool) -> str:
    key, equals, value = override.partition("=")
    if not equals and not override.startswith("~"):
        raise ThawError(f"cannot read {one_line(override, 200)!r}: {_no_override(override)}")
    if key not in {"", "experiment"} and (CONF / key).is_dir() and value.lower() in {"null", "true", "false"}:
        known = sorted(path.stem for path in (CONF / key).glob("*.yaml") if not path.stem.startswith("_"))
        raise ThawError(f"{override}: {key} is one of a list; {did_you_mean(value, known)}")
    if key.lstrip("+") not in TEXTS or value[:1] in {"'", '"', ""}:
        return override
    return override if _is_text(override, value, several=several) else hydra_override(key, value)


def _no_override(word: str) -> str:
    if Path(word).is_dir():
        return f"for the images in a folder type data=folder {setting('data.root', word)}"
    return how_to_quote(word)


def _is_text(override: str, value: str, *, several: bool) -> bool:
    """Return whether Hydra reads the value as it is typed: a word, or several where a sweep is asked for."""
    try:
        parsed: Override = OverridesParser.create().parse_override(override)
    except HydraException:
        return False
    if parsed.is_sweep_override():
        return several and not Path(value).exists()
    read = parsed.value()
    return read is None or isinstance(read, str | QuotedString)  # a number's spelling would be lost: 2024_05
