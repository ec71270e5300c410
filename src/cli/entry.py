"""An entry under Hydra: what the running job is, how its end is left, and the status that its command ends with."""

import contextlib
import functools
import os
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from hydra.core.hydra_config import HydraConfig
from hydra.types import RunMode
from omegaconf import DictConfig

from src.cli.command_line import as_hydra_reads
from src.cli.error_messages import explain, is_mendable
from src.cli.signals import closed_pipe_interrupts, end_of, hidden_interrupts_show, raise_interrupted
from src.cli.streams import discard, escape_unencodable
from src.common.errors import Interrupted
from src.trial.origin import Origin

if TYPE_CHECKING:
    from src.tracking.study import StudyContext
    from src.trial.result import TrialResult

_WANTS_TRACEBACK = os.environ.get("HYDRA_FULL_ERROR") == "1"


def output_dir() -> Path:
    """Return Hydra's folder of the running job."""
    return Path(HydraConfig.get().runtime.output_dir)


def overrides() -> list[str]:
    """Return the running job's overrides."""
    return list(HydraConfig.get().overrides.task)


def _sweep_folder() -> Path:
    """Return the folder of the running job's sweep; jobs may have changed to another one (`hydra.job.chdir`)."""
    hydra = HydraConfig.get()
    return Path(hydra.runtime.cwd, hydra.sweep.dir)


def study_context() -> "StudyContext | None":
    """Return the study that the running job belongs to; None outside a sweep."""
    hydra = HydraConfig.get()
    if hydra.mode == RunMode.RUN:
        return None
    from src.cli.overrides import that_change_numbers
    from src.tracking.study import StudyContext

    return StudyContext.load(_sweep_folder(), that_change_numbers(hydra.overrides.task))


def origin() -> Origin:
    """Return the origin of the running job's configuration: the words that were typed, and its group choices."""
    hydra = HydraConfig.get()
    options = [] if hydra.job.config_name == "config" else ["-cn", str(hydra.job.config_name), "hydra.mode=RUN"]
    return origin_of(hydra.runtime.choices, overrides(), options)


def origin_of(choices: Mapping[str, Any], typed: Sequence[str], options: Sequence[str] = ()) -> Origin:
    """Return the origin of a configuration of the group `choices`, typed as the overrides `typed` after `options`."""
    from src.cli.overrides import that_change_numbers

    chosen = {group: str(choice) for group, choice in choices.items() if not group.startswith("hydra/")}
    return Origin((*options, *that_change_numbers(typed)), chosen)


def job(task: Callable[[DictConfig], "TrialResult"]) -> Callable[[DictConfig], float]:
    """Run `task` as a command of its own, or as a sweep's job, which leaves its result for the sweep to show."""

    @functools.wraps(task)
    def run(composed: DictConfig) -> float:
        hydra = HydraConfig.get()
        with contextlib.suppress(FileNotFoundError):  # another host may not have it
            os.chdir(hydra.runtime.cwd)  # hydra.job.chdir leaves it; relative paths start where the command was typed
        if hydra.mode == RunMode.RUN:
            with errors_as_messages():
                return task(composed).score
        from src.cli.job_results import write_result

        return write_result(
            lambda: hidden_interrupts_show()(task)(composed),
            _sweep_folder(),
            int(hydra.job.num),
            fail_fast=bool(composed.fail_fast),
        )

    return run


@contextlib.contextmanager
def errors_as_messages() -> Iterator[None]:
    """End the command with a line where the block raises what the user can mend; Hydra would put its own before it."""
    try:
        with hidden_interrupts_show(), closed_pipe_interrupts():
            yield
    except Exception as error:
        if _WANTS_TRACEBACK or not is_mendable(error):
            raise
        _leave(f"thaw: {explain(error)}", 1)


def run_entry(main: Callable[[], Any]) -> NoReturn:
    """Run a Hydra entry; print errors in a line or two, and end with the status that shells expect.

    0 done, 1 bad input or failure, 128 + N ended by signal N. With HYDRA_FULL_ERROR=1 errors keep their traceback.
    """
    os.environ["HYDRA_FULL_ERROR"] = "1"  # Hydra then raises what it would print, and it is printed once, here.
    escape_unencodable()
    raise_interrupted()
    try:
        with hidden_interrupts_show(), closed_pipe_interrupts():
            sys.argv[1:] = as_hydra_reads(sys.argv[1:])
            main()
    except Interrupted as stop:
        _leave("", end_of(stop))
    except Exception as error:
        if _WANTS_TRACEBACK or not is_mendable(error):
            raise
        _leave("" if getattr(error, "is_reported", False) else f"thaw: {explain(error)}", 1)
    sys.exit(0)


def _leave(message: str, status: int) -> NoReturn:
    try:
        print(end="", flush=True)
    except OSError:  # standard output may be what is full
        discard(1)
    if message:
        print(message, file=sys.stderr, flush=True)
    sys.exit(status)
