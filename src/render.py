"""Make a trial's figures and model from its checkpoints: ``python -m src.render runs:/ID``."""

import argparse
import re

from src.cli.command import STORE_HELP, run_command


def main(arguments: list[str] | None = None) -> int:
    """Make what the runs' trials lack of figures and model; return the exit status."""
    parser = argparse.ArgumentParser(prog="python -m src.render", description=__doc__)
    parser.add_argument("runs", nargs="+", type=_run_id, metavar="runs:/ID", help="a finished trial's run; or its id")
    parser.add_argument("--tracking-uri", help=STORE_HELP)
    return _render(parser.parse_args(arguments))


def _render(options: argparse.Namespace) -> int:
    from src.common.project import PROJECT
    from src.tracking.mlflow_store import existing_store, refusals_as_errors
    from src.tracking.trial_runs import Artifact
    from src.trial.rendering import render_run

    client = existing_store(options.tracking_uri, PROJECT)
    with refusals_as_errors():
        for run_id in options.runs:
            render_run(client, run_id, Artifact.FIGURES | Artifact.MODEL)
            print(f"figures  {client.get_run(run_id).info.artifact_uri}/figures\nmodel    runs:/{run_id}/model")
    return 0


def _run_id(text: str) -> str:
    """Return the id of the run that an argument names."""
    named = re.fullmatch(r"(?:runs:/)?([0-9a-zA-Z][\w-]*)/?", text)
    if named is None:
        raise argparse.ArgumentTypeError(f"{text}: give runs:/ID")
    return named[1]


if __name__ == "__main__":
    run_command(main)
