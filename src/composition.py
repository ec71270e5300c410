"""Hydra's side of an entry: where the configuration lives, how it is composed, and how its errors are told."""

import contextlib
import errno
import functools
import io
import os
import re
import shlex
import signal
import sys
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from hydra.core.config_store import ConfigStore
from hydra.core.hydra_config import HydraConfig
from hydra.core.plugins import Plugins
from hydra.errors import HydraException, OverrideParseException
from hydra.types import RunMode
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from src.config import TrialConfig, parse
from src.errors import Interrupted, ThawError, did_you_mean, one_line
from src.models.catalog import CATALOG
from src.project import PROJECT
from src.signals import raise_interrupted

if TYPE_CHECKING:
    from src.tracking.study import Membership
    from src.trial import Result

CONF = PROJECT / "conf"
_WANTS_TRACEBACK = os.environ.get("HYDRA_FULL_ERROR") == "1"


def prepare() -> None:
    """Make what `conf/` refers to known to Hydra: the project's folder, and every class of keras.applications."""
    known = Plugins.instance()  # before ours are imported: Hydra's scan makes the classes that they build on anew
    from hydra_plugins.thaw import PLUGINS

    for plugin in PLUGINS:
        known.register(plugin)
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


def membership() -> "Membership | None":
    """The study that the running job belongs to, if its sweep left one."""
    hydra = HydraConfig.get()
    if hydra.mode == RunMode.RUN:
        return None
    from src.search.axes import label
    from src.tracking.study import Membership

    return Membership.load(Path(hydra.sweep.dir).absolute(), label(hydra.overrides.task))


def origin() -> dict[str, str]:
    """Where the running job's configuration came from, as tags: the command that composes it, and its group choices."""
    hydra = HydraConfig.get()
    own = [] if hydra.job.config_name == "config" else ["-cn", str(hydra.job.config_name), "hydra.mode=RUN"]
    from src.search.axes import changes_numbers

    overrides = [line for line in hydra.overrides.task if changes_numbers(line)]
    chosen = {group: str(choice) for group, choice in hydra.runtime.choices.items() if not group.startswith("hydra/")}
    command = shlex.join(["python", "-m", "src.train", *own, *overrides])
    return {"command": command} | {f"group.{group}": choice for group, choice in chosen.items()}


def job(task: Callable[[DictConfig], "Result"]) -> Callable[[DictConfig], float]:
    """Run `task` as a command of its own, or as a sweep's job: that leaves its outcome for the sweep to tell."""

    @functools.wraps(task)
    def run(composed: DictConfig) -> float:
        hydra = HydraConfig.get()
        if hydra.mode == RunMode.RUN:
            return _alone(lambda: task(composed))
        from src.search.jobs import leave_outcome

        return leave_outcome(
            lambda: task(composed),
            Path(hydra.sweep.dir).absolute(),
            int(hydra.job.num),
            fail_fast=bool(composed.fail_fast),
            explain=explain,
        )

    return run


def _alone(task: "Callable[[], Result]") -> float:
    """Run a trial that is no sweep's; Hydra would put a line of its own before the error's."""
    try:
        return float(task().summary["best/val_accuracy"])
    except Exception as error:
        if _WANTS_TRACEBACK or not _is_mendable(error):
            raise
        _leave(f"thaw: {explain(error)}", 1)


def run_entry(main: Callable[[], Any]) -> NoReturn:
    """Run a Hydra entry; tell errors in a line or two, and end with the status that shells expect.

    0 done, 1 bad input or failure, 128 + N ended by signal N. With HYDRA_FULL_ERROR=1 errors keep their traceback.
    """
    os.environ["HYDRA_FULL_ERROR"] = "1"  # Hydra then raises what it would print, and it is told here alone.
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    raise_interrupted()
    try:
        main()
    except Interrupted as stop:
        _leave(f"thaw: stopped by {signal.Signals(stop.signal_number).name}", 128 + stop.signal_number)
    except Exception as error:
        if _WANTS_TRACEBACK or not _is_mendable(error):
            raise
        _leave("" if getattr(error, "told", False) else f"thaw: {explain(error)}", 1)
    sys.exit(0)


def explain(error: Exception) -> str:
    """What went wrong, in one line, for every error that is the user's to mend."""
    if isinstance(error, ThawError):
        return one_line(error, 2000)
    for each in (error.__cause__, error):
        if isinstance(each, OmegaConfBaseException):
            return _omegaconf_line(each)
    if isinstance(error, OSError) and not isinstance(error, HydraException):
        return one_line(f"{error.filename or 'the disk'}: {error.strerror or error}; mend that and run it again")
    if isinstance(error, OverrideParseException):
        return one_line(f"cannot read {error.override!r}: put its value in quotes, as in \"data.root='~/my photos'\"")
    if isinstance(error, HydraException) or _raised_in_hydra(error):
        return _hydra_line(str(error))
    return one_line(f"{type(error).__name__}: {error}")


_SURROUNDINGS = {
    errno.ENOSPC, errno.EDQUOT, errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOTDIR, errno.ENAMETOOLONG, errno.ELOOP,
    errno.EPIPE,
}  # fmt: skip


def _is_mendable(error: Exception) -> bool:
    """Whether `error` is the user's to mend; anything else is a bug and keeps its traceback."""
    if isinstance(error, (ThawError, HydraException, OmegaConfBaseException)):
        return True
    if isinstance(error, OSError):
        return error.errno in _SURROUNDINGS or "errno = 28" in str(error)  # h5py puts the number into the text
    return _raised_in_hydra(error)


def _raised_in_hydra(error: Exception) -> bool:
    """Hydra refuses some overrides with a plain ValueError or TypeError."""
    frames = list(traceback.walk_tb(error.__traceback__))
    return bool(frames) and str(frames[-1][0].f_globals.get("__name__")).startswith("hydra._internal")


def _leave(message: str, status: int) -> NoReturn:
    with contextlib.suppress(OSError):  # standard output may be what is full or closed
        sys.stdout.flush()
    if message:
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
