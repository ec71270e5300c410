"""Show where a trained model looked: ``python -m src.explain --model champion IMAGES``."""

import argparse
import os
import sys
from pathlib import Path

from src.cli.signals import closed_pipe_ends_quietly
from src.common.errors import ThawError, one_line

_MODEL = "runs:/ID, models:/NAME@ALIAS, models:/NAME/VERSION, an alias such as champion, a folder or a .keras file"


def main(arguments: list[str] | None = None) -> int:
    """Write a page with the images and what the model looked at; return the exit status: 1 if any cannot be read."""
    parser = argparse.ArgumentParser(prog="python -m src.explain", description=__doc__)
    parser.add_argument("images", nargs="+", help="files, folders with all below them, globs")
    parser.add_argument("--model", required=True, help=_MODEL)
    parser.add_argument("--true", help="their class; default: the name of an image's folder, where that is a class")
    parser.add_argument("--out", type=Path, default=Path("explained.html"), help="page to write (default: %(default)s)")
    parser.add_argument("--tracking-uri", help="MLflow's; default: MLFLOW_TRACKING_URI, else the project's own store")
    options = parser.parse_args(arguments)
    try:
        return _explain(options)
    except ThawError as error:
        return _refuse(one_line(error, 2000))
    except OSError as error:
        return _refuse(one_line(f"--out {error.filename or options.out}: {error.strerror or error}", 2000))


def _explain(options: argparse.Namespace) -> int:
    from src.deployment.image_files import image_files

    files = image_files(options.images)
    for word, reason in files.missing.items():
        _refuse(f"{one_line(word, 300)}: {one_line(reason, 300)}")
    if not files.paths:
        return 1
    from src.models import runtime  # noqa: F401, I001 - first: it starts TensorFlow quietly
    from src.deployment.explain_files import explain_files
    from src.deployment.model_source import opened_model

    with opened_model(options.model, options.tracking_uri) as model:
        if options.true is not None and options.true not in model.classifier.facts.class_names:
            raise ThawError(f"--true {options.true}: no class of the model")
        unreadable = explain_files(model, files.paths, options.true, options.out, os.cpu_count() or 2)
    print(f"page: {options.out}")
    for path, reason in unreadable.items():
        _refuse(f"{one_line(path, 300)}: {reason}")
    return 1 if files.missing or unreadable else 0


def _refuse(line: str) -> int:
    print(f"thaw: {line}", file=sys.stderr)
    return 1


if __name__ == "__main__":
    with closed_pipe_ends_quietly():
        sys.exit(main())
