"""Report what a study shows about unfreezing: ``python -m src.report --study NAME``."""

import argparse
import contextlib
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from src.common.errors import ThawError, one_line
from src.common.metrics import METRICS, known_objective

if TYPE_CHECKING:
    from mlflow import MlflowClient


_STUDY_HELP = "its name; given several times, the studies' trials are judged together, and what differs makes facets"

_OBJECTIVE_HELP = f"judge by {', '.join(METRICS)}; default: what the study's latest sweep was judged by"


def main(arguments: list[str] | None = None) -> int:
    """Write the report of the studies, judged together, and tell the verdict; return the exit status."""
    parser = argparse.ArgumentParser(prog="python -m src.report", description=__doc__)
    parser.add_argument("--study", action="append", required=True, help=_STUDY_HELP)
    parser.add_argument("--tracking-uri", help="MLflow's; default: MLFLOW_TRACKING_URI, else the project's own store")
    parser.add_argument("--out", type=Path, default=Path("report"), help="folder to write (default: %(default)s)")
    parser.add_argument("--objective", help=_OBJECTIVE_HELP)
    options = parser.parse_args(arguments)
    try:
        _report(list(dict.fromkeys(options.study)), options.tracking_uri, options.out, options.objective)
    except ThawError as error:
        return _refuse(one_line(error, 2000))
    except OSError as error:
        return _refuse(one_line(f"--out {error.filename or options.out}: {error.strerror or error}", 2000))
    return 0


def _refuse(line: str) -> int:
    print(f"thaw: {line}", file=sys.stderr)
    return 1


def _report(names: Sequence[str], uri: str | None, out: Path, objective: str | None) -> None:
    from src.common.project import PROJECT
    from src.reporting.study_report import make_joint_report
    from src.tracking.mlflow_store import existing_store
    from src.tracking.study import find_study

    chosen = known_objective("--objective ", objective)
    _spare_others(out)
    client = existing_store(uri, PROJECT)
    _close_dead(client, PROJECT)
    report = make_joint_report(client, {name: find_study(client, name) for name in names}, out, chosen)
    print(one_line(report.name))
    for line in report.lines():
        print(one_line(line, 2000))


def _spare_others(out: Path) -> None:
    """Refuse a file, and a folder that has files of a report's names and no report, such as a trial's own figures.

    Raises:
        ThawError: it is one.
    """
    from src.reporting.page import is_report
    from src.reporting.study_figures import NAMES

    if out.exists() and not out.is_dir():
        raise ThawError(f"--out {out}: is a file; give a folder")
    names = [*(f"{name}.png" for name in NAMES), "trials.csv", "verdict.json"]
    others = [name for name in names if (out / name).exists()]
    page = out / "report.html"
    if (others or page.exists()) and not is_report(page):
        raise ThawError(f"--out {out}: {(*others, page.name)[0]} lies there and is of no report; give another folder")


def _close_dead(client: "MlflowClient", project: Path) -> None:
    """Close the runs whose process ended without a word, where the store may be written, so that none reads running."""
    from mlflow.exceptions import MlflowException

    from src.tracking.locks import own_lock_folder
    from src.tracking.trial_runs import TrialRuns

    with contextlib.suppress(MlflowException, OSError):
        TrialRuns(client).close_dead(own_lock_folder(project))


if __name__ == "__main__":
    sys.exit(main())
