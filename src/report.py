"""What a study says about unfreezing: ``python -m src.report --study NAME``."""

import argparse
import sys
from pathlib import Path

from src.errors import ThawError, one_line
from src.files import folder_name


def main(arguments: list[str] | None = None) -> int:
    """Write the report of each study and tell its verdict; return the exit status."""
    parser = argparse.ArgumentParser(prog="python -m src.report", description=__doc__)
    parser.add_argument("--study", action="append", required=True, help="its name; may be given several times")
    parser.add_argument("--tracking-uri", help="MLflow's; default: MLFLOW_TRACKING_URI, else the project's own store")
    parser.add_argument("--out", type=Path, default=Path("report"), help="folder to write (default: %(default)s)")
    options = parser.parse_args(arguments)
    try:
        for name in options.study:
            _report(
                name, options.tracking_uri, options.out if len(options.study) == 1 else options.out / folder_name(name)
            )
    except ThawError as error:
        print(f"thaw: {one_line(error, 2000)}", file=sys.stderr)
        return 1
    return 0


def _report(name: str, uri: str | None, out: Path) -> None:
    from src.project import PROJECT
    from src.reporting.study import make_report
    from src.tracking.store import existing_store
    from src.tracking.study import Study, study_names

    client = existing_store(uri, PROJECT)
    study = Study.find(client, name)
    if study is None:
        known = ", ".join(one_line(each, 60) for each in study_names(client)) or "none"
        raise ThawError(f"--study {name}: no such study; known: {known}")
    report = make_report(client, study, name, out)
    print(one_line(name))
    for line in report.lines():
        print(one_line(line, 2000))


if __name__ == "__main__":
    sys.exit(main())
