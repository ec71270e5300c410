"""Move runs and studies to another MLflow store: ``python -m src.migrate --from sqlite:///mlflow.db --to http://…``."""

import argparse

from src.cli.command import run_command

_FROM_HELP = "the store whose runs are copied; nothing is removed from it"


def main(arguments: list[str] | None = None) -> int:
    """Copy the runs, compare both sides, and return the exit status, 1 where they differ."""
    parser = argparse.ArgumentParser(prog="python -m src.migrate", description=__doc__)
    parser.add_argument("--from", dest="source", required=True, metavar="URI", help=_FROM_HELP)
    parser.add_argument("--to", dest="target", required=True, metavar="URI", help="the store that gets them")
    options = parser.parse_args(arguments)
    return _migrate(options.source, options.target)


def _migrate(source: str, target: str) -> int:
    from src.common.project import PROJECT
    from src.reporting.terminal import Notices
    from src.tracking.migration import migrate
    from src.tracking.mlflow_store import existing_store, refusals_as_errors

    with refusals_as_errors():
        stores = (existing_store(source, PROJECT), existing_store(target, PROJECT))
        differences = migrate(*stores, Notices(shown=True))
    for line in differences:
        print(line)
    print(f"{len(differences)} differences" if differences else "both sides are equal")
    return 1 if differences else 0


if __name__ == "__main__":
    run_command(main)
