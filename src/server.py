"""Serve an MLflow store over PostgreSQL on this machine: ``python -m src.server``."""

import argparse
import contextlib
from pathlib import Path

from src.cli.command import port, positive, run_command
from src.cli.signals import outlived
from src.common.errors import Interrupted

_FOLDER_HELP = "of the database, the artifacts and the logs (default: .thaw/server in the project)"
_PORT_HELP = "on 127.0.0.1 (default: %(default)s); 0 takes a free one"
_ARTIFACTS_HELP = "where artifacts are kept: a folder, or s3://BUCKET/FOLDER; default: in the folder"
_AUTH_HELP = "ask for a name and a password; the one of the user admin is MLFLOW_AUTH_ADMIN_PASSWORD"


def main(arguments: list[str] | None = None) -> int:
    """Serve until a signal ends it; return the exit status."""
    from src.common.project import PROJECT

    parser = argparse.ArgumentParser(prog="python -m src.server", description=__doc__)
    parser.add_argument("--folder", type=Path, default=PROJECT / ".thaw" / "server", help=_FOLDER_HELP)
    parser.add_argument("--port", type=port, default=5000, help=_PORT_HELP)
    parser.add_argument("--artifacts", help=_ARTIFACTS_HELP)
    parser.add_argument("--auth", action="store_true", help=_AUTH_HELP)
    parser.add_argument("--workers", type=positive, default=2, help="processes that answer (default: %(default)s)")
    options = parser.parse_args(arguments)
    return outlived(lambda: _serve(options))


def _serve(options: argparse.Namespace) -> int:
    from src.tracking.mlflow_server import ServerSettings, store_server

    folder = options.folder.absolute()
    settings = ServerSettings(folder, options.port, options.artifacts, options.auth, options.workers)
    with contextlib.suppress(Interrupted), store_server(settings) as server:
        print(f"server   {server.uri} over PostgreSQL in {folder}; Ctrl-C ends it")
        print(f"database {server.cluster.uri('mlflow')}")
        print(f"trials   python -m src.train tracking.uri={server.uri}", flush=True)
        server.wait()
    return 0


if __name__ == "__main__":
    run_command(main)
