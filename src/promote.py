"""Register the model that a study recommends: ``python -m src.promote --study NAME --as champion``."""

import argparse

from src.cli.command import FORCE_HELP, NAME_HELP, STORE_HELP, alias, model_name, not_empty, run_command
from src.common.errors import one_line


def main(arguments: list[str] | None = None) -> int:
    """Promote the study's recommended trial; return the exit status: 1 if the alias did not move."""
    parser = argparse.ArgumentParser(prog="python -m src.promote", description=__doc__)
    parser.add_argument("--study", required=True, type=not_empty, help="its name")
    parser.add_argument("--as", dest="alias", type=alias, default="champion", help="the alias (default: %(default)s)")
    parser.add_argument("--name", type=model_name, help=NAME_HELP)
    parser.add_argument("--force", action="store_true", help=FORCE_HELP)
    parser.add_argument("--tracking-uri", help=STORE_HELP)
    return _promote(parser.parse_args(arguments))


def _promote(options: argparse.Namespace) -> int:
    from src.common.project import PROJECT
    from src.deployment.kept_model import run_with_model
    from src.deployment.promotion import name_by_alias, promote, promotion_lines, version_tags
    from src.deployment.recommended_trial import recommended_trial
    from src.reporting.terminal import Notices
    from src.tracking import schema
    from src.tracking.mlflow_store import existing_store, refusals_as_errors

    client, notices = existing_store(options.tracking_uri, PROJECT), Notices(shown=True)
    with refusals_as_errors():
        trial = recommended_trial(client, options.study)
        run = run_with_model(client, trial.run_id, notices)
        tags = version_tags(client, run) | schema.VERDICT.of(trial.verdict) | schema.STUDY_NAME.of(options.study)
        name = options.name or name_by_alias(client, run, options.alias)
        done = promote(client, run, name, options.alias, tags, force=options.force, emit=notices)
    version = f"{name} version {done.version.version}: run {run.info.run_id}"
    for line in (trial.verdict, version, *promotion_lines(client, done, options.alias)):
        print(one_line(line, 2000))
    return 0 if done.has_alias else 1


if __name__ == "__main__":
    run_command(main)
