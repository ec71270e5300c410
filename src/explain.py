"""Show where a trained model looked: ``python -m src.explain --model champion IMAGES``."""

import argparse
import os
from pathlib import Path

from src.cli.command import IMAGES_HELP, MODEL_HELP, STORE_HELP, check_page, not_empty, run_command
from src.common.errors import ThawError, did_you_mean, printable


def main(arguments: list[str] | None = None) -> int:
    """Write a page with the images and what the model looked at; return the exit status: 1 if any cannot be read."""
    parser = argparse.ArgumentParser(prog="python -m src.explain", description=__doc__)
    parser.add_argument("images", nargs="+", type=not_empty, help=IMAGES_HELP)
    parser.add_argument("--model", required=True, type=not_empty, help=MODEL_HELP)
    parser.add_argument("--true", help="their class; default: that of the nearest folder called like a class")
    parser.add_argument("--out", type=Path, default=Path("explained.html"), help="page to write (default: %(default)s)")
    parser.add_argument("--tracking-uri", help=STORE_HELP)
    return _explain(parser.parse_args(arguments))


def _explain(options: argparse.Namespace) -> int:
    from src.deployment.image_files import image_files, print_missing, print_unreadable

    check_page("--out", options.out)
    files = image_files(options.images)
    print_missing(files)
    if not files.paths:
        return 1
    from src.models import runtime  # noqa: F401, I001 - first: it starts TensorFlow quietly
    from src.deployment.explain_files import explain_files
    from src.deployment.model_source import opened_model

    with opened_model(options.model, options.tracking_uri) as model:
        names = model.classifier.facts.class_names
        if options.true is not None and options.true not in names:
            raise ThawError(f"--true {options.true}: no class of the model; {did_you_mean(options.true, names)}")
        explained = explain_files(model, files.paths, options.true, options.out, os.cpu_count() or 2)
    print_unreadable(explained.unreadable, explained.warnings)
    if len(explained.unreadable) < len(files.paths):
        print(f"page: {printable(str(options.out))}")
    return 1 if files.missing or explained.unreadable else 0


if __name__ == "__main__":
    run_command(main)
