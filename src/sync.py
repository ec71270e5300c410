"""Deliver what trials measured while their MLflow server did not answer: ``python -m src.sync``."""

import argparse
from pathlib import Path

from src.cli.command import STORE_HELP, run_command

_WORK_HELP = "the trials' runtime.work_dir (default: THAW_WORK_DIR, else .thaw/work in the project)"


def main(arguments: list[str] | None = None) -> int:
    """Deliver what waits; return the exit status, 1 where something still waits."""
    parser = argparse.ArgumentParser(prog="python -m src.sync", description=__doc__)
    parser.add_argument("--tracking-uri", help=STORE_HELP)
    parser.add_argument("--work-dir", type=Path, help=_WORK_HELP)
    return _sync(parser.parse_args(arguments))


def _sync(options: argparse.Namespace) -> int:
    from src.common.project import PROJECT
    from src.reporting.terminal import Notices
    from src.tracking.locks import default_work_dir, unsent_folder
    from src.tracking.mlflow_store import existing_store, public_uri
    from src.tracking.outbox import deliver_unsent, unsent_runs

    folder = unsent_folder(options.work_dir or default_work_dir(PROJECT))
    before = unsent_runs(folder)
    if not before:
        print(f"{folder}: nothing waits")
        return 0
    client = existing_store(options.tracking_uri, PROJECT)
    waiting = deliver_unsent(client, folder, Notices(shown=True))
    elsewhere = {run: uri for run, uri in before.items() if uri != public_uri(str(client.tracking_uri))}
    print(f"{len(before) - len(elsewhere) - len(waiting)} of {len(before)} runs delivered")
    for run_id, uri in {**{run: before[run] for run in waiting}, **elsewhere}.items():
        print(f"runs:/{run_id} still waits for {uri}")
    return 1 if waiting or elsewhere else 0


if __name__ == "__main__":
    run_command(main)
