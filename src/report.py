"""Report what a study shows about unfreezing: ``python -m src.report --study NAME``."""

import argparse
import contextlib
import sys
from collections.abc import Sequence
from pathlib import Path

from src.cli.signals import closed_pipe_ends_quietly
from src.common.errors import ThawError, one_line
from src.common.metrics import METRICS, known_objective

_STUDY_HELP = "its name; given several times, the studies' trials are judged together, and what differs makes facets"

_OBJECTIVE_HELP = f"judge by {', '.join(METRICS)}; default: what the study's latest sweep was judged by"


_MARGIN_HELP = "recommend the least depth that is expected to lose no more than so many points (default: 0)"


def main(arguments: list[str] | None = None) -> int:
    """Write the report of the studies, judged together, and print the verdict; return the exit status."""
    parser = argparse.ArgumentParser(prog="python -m src.report", description=__doc__)
    parser.add_argument("--study", action="append", required=True, help=_STUDY_HELP)
    parser.add_argument("--tracking-uri", help="MLflow's; default: MLFLOW_TRACKING_URI, else the project's own store")
    parser.add_argument("--out", type=Path, default=Path("report"), help="folder to write (default: %(default)s)")
    parser.add_argument("--objective", help=_OBJECTIVE_HELP)
    parser.add_argument("--margin", type=_margin, default=0.0, metavar="POINTS", help=_MARGIN_HELP)
    options = parser.parse_args(arguments)
    try:
        names = list(dict.fromkeys(options.study))
        lines = _report(names, options.tracking_uri, options.out, options.objective, options.margin)
    except ThawError as error:
        return _refuse(one_line(error, 2000))
    except OSError as error:
        return _refuse(one_line(f"--out {error.filename or options.out}: {error.strerror or error}", 2000))
    for line in lines:
        print(one_line(line, 2000))
    return 0


def _margin(text: str) -> float:
    """Return points as a share, 0–1."""
    with contextlib.suppress(ValueError):
        if 0 <= float(text) <= 100:
            return float(text) / 100
    raise argparse.ArgumentTypeError(f"{text}: give points from 0 to 100")


def _refuse(line: str) -> int:
    print(f"thaw: {line}", file=sys.stderr)
    return 1


def _report(names: Sequence[str], uri: str | None, out: Path, objective: str | None, margin: float) -> list[str]:
    from src.common.project import PROJECT
    from src.reporting.study_report import report_to
    from src.tracking.mlflow_store import existing_store
    from src.tracking.study import find_study

    chosen = known_objective("--objective ", objective)
    client = existing_store(uri, PROJECT)
    report = report_to(out, client, {name: find_study(client, name) for name in names}, chosen, margin)
    return [report.name, *report.lines()]


if __name__ == "__main__":
    with closed_pipe_ends_quietly():
        sys.exit(main())
