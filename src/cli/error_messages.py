"""Report errors: those that the user can fix in a line or two, bugs with their traceback."""

import errno
import re
import traceback
from pathlib import PurePath

from hydra.core.config_store import ConfigStore
from hydra.errors import HydraException, OverrideParseException
from omegaconf import DictConfig
from omegaconf.errors import OmegaConfBaseException

from src.cli.command_line import how_to_quote
from src.common.errors import ThawError, did_you_mean, one_line
from src.common.project import CONF, PROJECT
from src.common.shell import setting
from src.config import unknown_key

_ENVIRONMENT_ERRORS = {
    errno.ENOSPC, errno.EDQUOT, errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOTDIR, errno.ENAMETOOLONG, errno.ELOOP,
    errno.EEXIST, errno.EISDIR,
}  # fmt: skip


def explain(error: Exception) -> str:
    """Return the error in one line."""
    return _line(error) or one_line(f"{type(error).__name__}: {error}")


def is_mendable(error: Exception) -> bool:
    """Return whether the user can fix `error`; any other error is a bug and keeps its traceback."""
    return _line(error) is not None


def _line(error: Exception) -> str | None:
    """Return the message of an error that the user can fix, None for a bug."""
    if isinstance(error, ThawError):
        return one_line(error, 2000)
    for candidate in (error.__cause__, error):
        if isinstance(candidate, OmegaConfBaseException):
            return _omegaconf_line(candidate)
    if isinstance(error, OverrideParseException):
        return one_line(f"cannot read {error.override!r}: {how_to_quote(str(error.override))}")
    if isinstance(error, OSError) and (line := _system_line(error)):
        return line
    if isinstance(error, HydraException) or _raised_in_hydra(error):
        return _hydra_line(str(error))
    return None


def _system_line(error: OSError) -> str | None:
    if isinstance(error, FileNotFoundError) and error.filename is None:  # of os.getcwd
        return "the folder in which this is typed was removed: change to one that is there"
    if error.errno in _ENVIRONMENT_ERRORS or "errno = 28" in str(error):  # h5py puts the number into the text
        return one_line(f"{error.filename or 'the disk'}: {error.strerror or error}; mend that and run it again")
    return None


def _raised_in_hydra(error: Exception) -> bool:
    """Return whether Hydra raised `error`: it refuses some overrides with a plain ValueError or TypeError."""
    frames = list(traceback.walk_tb(error.__traceback__))
    return bool(frames) and str(frames[-1][0].f_globals.get("__name__")).startswith("hydra.")


def _omegaconf_line(error: OmegaConfBaseException) -> str:
    key = str(error.full_key or "")
    if "Missing mandatory value" in str(error):
        return f"{key} is not set: give {key}=VALUE"
    if "is not in struct" in str(error):
        known = [str(name) for name in error.parent_node] if isinstance(error.parent_node, DictConfig) else []
        return unknown_key(key, known)
    if "Interpolation key" in str(error):
        return one_line(f"{key}: {str(error).splitlines()[0]}: ${{…}} stands for a key; write the value itself")
    return one_line(f"{key}: {str(error).splitlines()[0]}")


def _hydra_line(text: str) -> str:
    option = re.search(r"Could not find '([^']+)/([^'/]+)'", text)
    if option:
        group, name = option.groups()
        hint = f"; for images of your own: data=folder {setting('data.root', name)}" if group == "data" else ""
        return f"unknown {group} {name!r}: {did_you_mean(name, _options(group))}{hint}"
    study = re.search(r"Cannot find primary config '([^']+)'", text)
    if study:
        known = sorted(path.stem for path in (PROJECT / "sweeps").glob("*.yaml"))
        return one_line(f"unknown study {study[1]!r} (-cn): {did_you_mean(PurePath(study[1]).stem, known)}")
    several = re.match(r"Ambiguous value for argument '(.*)'$", text, re.MULTILINE)
    if several:
        return one_line(_several_line(several[1]))
    return one_line(text.split("Config search path:", maxsplit=1)[0])


def _several_line(override: str) -> str:
    """Return the message on several values for a key where there is no sweep."""
    value = override.partition("=")[2]
    point = f"; a decimal has a point ({value.replace(',', '.')})" if re.fullmatch(r"\d+,\d+", value) else ""
    return f"{override} names several values: add -m to train a trial for each; a list goes into brackets{point}"


def _options(group: str) -> list[str]:
    in_conf = sorted(path.stem for path in (CONF / group).glob("*.yaml") if not path.stem.startswith("_"))
    try:
        registered = [PurePath(name).stem for name in ConfigStore.instance().list(group)]
    except OSError:  # it has no such group
        registered = []
    return list({name.lower(): name for name in reversed(in_conf + registered)}.values())[::-1]
