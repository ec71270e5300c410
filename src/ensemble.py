"""Test what needs no training, seeds' ensemble, flips and soup: ``python -m src.ensemble --study NAME``."""

import argparse
from collections.abc import Sequence
from typing import TYPE_CHECKING

from src.cli.command import FORCE_HELP, NAME_HELP, STORE_HELP, alias, model_name, not_empty, run_command
from src.common.errors import one_line
from src.common.events import Noted

if TYPE_CHECKING:
    from src.deployment.free_accuracy import CombinationResult


def main(arguments: list[str] | None = None) -> int:
    """Test the combinations of the recommended depth's seeds; return the exit status: 1 if the alias did not move."""
    parser = argparse.ArgumentParser(prog="python -m src.ensemble", description=__doc__)
    parser.add_argument("--study", required=True, type=not_empty, help="its name")
    parser.add_argument(
        "--as", dest="alias", type=alias, help="promote the best that is clearly better under this alias"
    )
    parser.add_argument("--name", type=model_name, help=NAME_HELP)
    parser.add_argument("--force", action="store_true", help=FORCE_HELP)
    parser.add_argument("--tracking-uri", help=STORE_HELP)
    options = parser.parse_args(arguments)
    if (options.name or options.force) and not options.alias:
        parser.error(f"{'--name' if options.name else '--force'}: only with --as")
    return _test(options)


def _test(options: argparse.Namespace) -> int:
    from src.models import runtime  # noqa: F401, I001 - first: it starts TensorFlow quietly
    from src.common.project import PROJECT
    from src.common.shell import shell_line
    from src.deployment.combined_model import promote_combination
    from src.deployment.free_accuracy import best_of, try_combinations
    from src.deployment.kept_model import run_with_model
    from src.deployment.model_source import opened_models
    from src.deployment.promotion import name_by_alias, promotion_lines
    from src.deployment.recommended_trial import recommended_trial
    from src.deployment.trial_data import dataset_of
    from src.reporting.terminal import Notices
    from src.tracking import schema
    from src.tracking.mlflow_store import existing_store, refusals_as_errors, store_option

    client, notices = existing_store(options.tracking_uri, PROJECT), Notices(shown=True)
    with refusals_as_errors():
        trial = recommended_trial(client, options.study)
        runs = [run_with_model(client, run_id, notices) for run_id in trial.siblings]
        dataset = dataset_of(client, runs[0], notices)
        notices(Noted(f"predicting {dataset.splits['test'].size:,} test images in every way"))
        with opened_models(client, [run.info.run_id for run in runs]) as models:
            single, results = try_combinations([model.classifier.network for model in models], dataset)
            best = best_of(results)
            for line in _lines(single, results, dataset.splits["test"].size, len(models)):
                print(line)
            if best is not None and not options.alias:
                words = ("--study", options.study, "--as", "champion", *store_option(client, PROJECT))
                print(f"promote it: {shell_line(['python', '-m', 'src.ensemble', *words])}")
            if best is None or not options.alias:
                return 0
            members = [runs[k] for k in best.members]
            name = options.name or name_by_alias(client, runs[0], options.alias)
            tags = schema.VERDICT.of(f"{best.line()}. {trial.verdict}") | schema.STUDY_NAME.of(options.study)
            done = promote_combination(
                client, members, models[0], best, dataset, name, options.alias, tags, force=options.force
            )
    for line in promotion_lines(client, done, options.alias):
        print(one_line(line, 2000))
    return 0 if done.has_alias else 1


def _lines(single: float, results: "Sequence[CombinationResult]", images: int, seeds: int) -> list[str]:
    """Return the combinations beside the single model, and which is the best."""
    from src.deployment.free_accuracy import best_of

    best = best_of(results)
    few = "The recommended depth has one seed: an ensemble and a soup need two or more."
    corrected = f"p is corrected for {len(results)} comparisons; the intervals are not."
    nothing = "Nothing is clearly better than the single model: keep it."
    return [
        f"single model: {100 * single:.2f}% of {images:,} test images",
        *(result.line() for result in results),
        few if seeds == 1 else corrected,
        nothing if best is None else f"The {best.name} is clearly better than the single model.",
    ]


if __name__ == "__main__":
    run_command(main)
