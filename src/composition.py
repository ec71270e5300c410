"""Hydra's side of an entry: where the configuration lives, how it is composed, and how its errors are told."""

import errno
import functools
import os
import re
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import Any, NoReturn

from hydra.core.config_store import ConfigStore
from hydra.core.hydra_config import HydraConfig
from hydra.errors import HydraException
from hydra.types import RunMode
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from src.config import TrialConfig, parse
from src.errors import Interrupted, ThawError, did_you_mean, one_line
from src.models.catalog import CATALOG

PROJECT = Path(__file__).resolve().parent.parent
CONF = PROJECT / "conf"


def prepare() -> None:
    """Make what `conf/` refers to known to Hydra: the project's folder, and every class of keras.applications."""
    OmegaConf.register_new_resolver("project", lambda path: str(PROJECT / path), replace=True)
    named_in_conf = {path.stem for path in (CONF / "backbone").glob("*.yaml")}
    for spec in CATALOG.values():
        if spec.name not in named_in_conf:
            node = {"backbone": spec.class_name}
            ConfigStore.instance().store(
                group="backbone", name=spec.class_name, node=node, package="_global_", provider="keras.applications"
            )


def trial_config(composed: DictConfig) -> TrialConfig:
    """The checked configuration of one trial.

    Raises:
        ThawError: with one line for every key at fault.
    """
    try:
        plain = OmegaConf.to_container(composed, resolve=True, throw_on_missing=True)
    except OmegaConfBaseException as error:
        raise ThawError(_omegaconf_line(error)) from error
    if not isinstance(plain, dict):
        raise TypeError(f"composed configuration is a {type(plain).__name__}")
    return parse({str(key): value for key, value in plain.items()})


def output_dir() -> Path:
    """Hydra's folder of the running job."""
    return Path(HydraConfig.get().runtime.output_dir)


def job(task: Callable[[DictConfig], float]) -> Callable[[DictConfig], float]:
    """Tell an error of `task` as it happens: it ends a single run, while a sweep's other jobs go on."""

    @functools.wraps(task)
    def told(composed: DictConfig) -> float:
        try:
            return task(composed)
        except (ThawError, OSError) as error:
            if not _is_mendable(error):
                raise
            if HydraConfig.get().mode == RunMode.RUN:
                _leave(f"thaw: {explain(error)}", 1)
            overrides = " ".join(HydraConfig.get().overrides.task)
            print(f"thaw: {one_line(overrides)}: {explain(error)}", file=sys.stderr, flush=True)
            raise

    return told


def run_entry(main: Callable[[], Any]) -> NoReturn:
    """Run a Hydra entry; tell errors in a line or two, and end with the status that shells expect.

    0 done, 1 bad input or failure, 128 + N ended by signal N.
    """
    wants_traceback = os.environ.get("HYDRA_FULL_ERROR") == "1"
    os.environ["HYDRA_FULL_ERROR"] = "1"  # Hydra then raises what it would print, and it is told here alone.
    signal.signal(signal.SIGTERM, _interrupt)
    signal.signal(signal.SIGINT, _interrupt)
    try:
        main()
    except Interrupted as stop:
        _leave(f"thaw: stopped by {signal.Signals(stop.signal_number).name}", 128 + stop.signal_number)
    except (ThawError, HydraException, OmegaConfBaseException, OSError) as error:
        if wants_traceback or not _is_mendable(error):
            raise
        _leave(f"thaw: {explain(error)}", 1)
    sys.exit(0)


def explain(error: Exception) -> str:
    """What went wrong, in one line, for errors of Thaw's, Hydra's and OmegaConf's."""
    if isinstance(error, ThawError):
        return one_line(error, 2000)
    if isinstance(error, OSError) and not isinstance(error, HydraException):
        return one_line(f"the disk is full: {error}; free some space and run the command again")
    if isinstance(error.__cause__, OmegaConfBaseException):
        return _omegaconf_line(error.__cause__)
    if isinstance(error, OmegaConfBaseException):
        return _omegaconf_line(error)
    return _hydra_line(str(error))


def _is_mendable(error: Exception) -> bool:
    """Whether `error` is the user's to mend (a full disk is); anything else is a bug and keeps its traceback."""
    if isinstance(error, OSError) and not isinstance(error, HydraException):
        return error.errno in (errno.ENOSPC, errno.EDQUOT) or "errno = 28" in str(error)  # as h5py says it
    return True


def _interrupt(signal_number: int, _frame: FrameType | None) -> NoReturn:
    signal.signal(signal_number, signal.SIG_IGN)  # A second Ctrl-C must not cut short the closing of the run.
    raise Interrupted(signal_number)


def _leave(message: str, status: int) -> NoReturn:
    sys.stdout.flush()
    print(message, file=sys.stderr, flush=True)
    sys.exit(status)


def _omegaconf_line(error: OmegaConfBaseException) -> str:
    key = str(error.full_key or "")
    if "Missing mandatory value" in str(error):
        return f"{key} is not set: give {key}=VALUE"
    if "is not in struct" in str(error):
        known = [str(name) for name in error.parent_node] if isinstance(error.parent_node, DictConfig) else []
        return f"unknown key {key!r}: {did_you_mean(key.rsplit('.', 1)[-1], known)}"
    return one_line(f"{key}: {str(error).splitlines()[0]}")


def _hydra_line(text: str) -> str:
    missing = re.search(r"Could not find '([^']+)/([^'/]+)'", text)
    if missing:
        group, name = missing.groups()
        return f"unknown {group} {name!r}: {did_you_mean(name, _options(group))}"
    return one_line(text.split("Config search path:", maxsplit=1)[0])


def _options(group: str) -> list[str]:
    in_conf = sorted(path.stem for path in (CONF / group).glob("*.yaml") if not path.stem.startswith("_"))
    classes = [spec.class_name for spec in CATALOG.values() if group == "backbone" and spec.name not in in_conf]
    return in_conf + classes
