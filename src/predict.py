"""Predict images with a trained model: ``python -m src.predict --model champion IMAGES``."""

import argparse
import math
import os
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from src.cli.command import (
    IMAGES_HELP,
    MODEL_HELP,
    STORE_HELP,
    check_page,
    not_empty,
    positive,
    refuse,
    run_command,
    share,
)  # fmt: skip
from src.common.errors import ThawError, printable

if TYPE_CHECKING:
    from src.deployment.model_source import OpenedModel
    from src.deployment.predict_files import FilePredictions
    from src.inference.calibration import Confidence


def main(arguments: list[str] | None = None) -> int:
    """Predict the images and print what they show; return the exit status: 1 if anything could not be read."""
    parser = argparse.ArgumentParser(prog="python -m src.predict", description=__doc__)
    parser.add_argument("images", nargs="+", type=not_empty, help=IMAGES_HELP)
    parser.add_argument("--model", required=True, type=not_empty, help=MODEL_HELP)
    parser.add_argument("--top", type=positive, default=3, help="classes shown for an image (default: %(default)s)")
    shape = parser.add_mutually_exclusive_group()
    shape.add_argument("--json", action="store_const", const="json", dest="shape", help="print JSON")
    shape.add_argument("--csv", action="store_const", const="csv", dest="shape", help="print a CSV table")
    parser.add_argument("--sheet", type=Path, help="also write a contact sheet, the least confident image first")
    abstain = parser.add_mutually_exclusive_group()
    abstain.add_argument("--abstain-below", type=share, help="no answer where the confidence is lower (0–1)")
    abstain.add_argument("--target-accuracy", type=share, help="choose that confidence by validation images, so that "
                         "answers are right this often (0–1)")  # fmt: skip
    parser.add_argument(
        "--score", action="store_true", help="count files that are predicted as the nearest folder called like a class"
    )
    parser.add_argument("--tracking-uri", help=STORE_HELP)
    return _predict(parser.parse_args(arguments))


def _predict(options: argparse.Namespace) -> int:
    from src.deployment.image_files import image_files, print_missing, print_unreadable

    if options.sheet is not None:
        check_page("--sheet", options.sheet)
    files = image_files(options.images)
    print_missing(files)
    if not files.paths:
        return 1
    from src.deployment.model_source import opened_model
    from src.deployment.predict_files import predict_files
    from src.models import runtime  # noqa: F401 - first: it starts TensorFlow quietly
    from src.reporting.terminal import Terminal

    with opened_model(options.model, options.tracking_uri) as model:
        threshold, lines = _threshold(model, options)
        with Terminal(sys.stderr.isatty()) as terminal:
            threads, has_sheet = os.cpu_count() or 2, options.sheet is not None
            results = predict_files(model.classifier, files.paths, terminal, threads=threads, thumbnails=has_sheet)
        print_unreadable(results.unreadable, results.warnings)
        is_scored = _tell(model, replace(results, missing=files.missing), threshold, lines, options)
    return 1 if files.missing or results.unreadable or not is_scored else 0


def _threshold(model: "OpenedModel", options: argparse.Namespace) -> tuple[float, list[str]]:
    """Return the confidence below which there is no answer, and sentences on its coverage and accuracy.

    Raises:
        ThawError: validation images are to choose it, and there are none, or they show less than is asked for.
    """
    below, target = options.abstain_below, options.target_accuracy
    if below is None and target is None:
        return 0.0, []
    from src.reporting.calibration_figure import calibration_sentences
    from src.tracking.known_confidence import known_confidence

    known = known_confidence(model.client, model.run) if model.client and model.run else None
    if known is not None:
        threshold = below if target is None else _chosen(known.after["val"], target)
        return threshold, calibration_sentences(known, threshold)
    reason = "its run keeps no probabilities" if model.run else "the model comes without a run"
    if target is not None:
        raise ThawError(
            f"--target-accuracy {target:g}: {model.name}: {reason}, so no validation images can choose the confidence; "
            "give the model as runs:/ID or by its alias, or give the confidence with --abstain-below"
        )
    return below, [f"Coverage and accuracy at this confidence are not known: {reason}."]


def _chosen(confidence: "Confidence", target: float) -> float:
    """Return the confidence that validation images choose for the accuracy `target`.

    Raises:
        ThawError: they show no such accuracy.
    """
    from src.inference.calibration import most_accuracy_shown, threshold_for

    threshold = threshold_for(confidence, target)
    if threshold is None:
        most = math.floor(1000 * most_accuracy_shown(confidence)) / 1000
        raise ThawError(
            f"--target-accuracy {target:g}: {confidence.values.size:,} validation images do not show that at any "
            f"confidence (by the lower end of the 95% interval); give {most:g} or less, or more validation images"
        )
    return threshold


def _tell(
    model: "OpenedModel", results: "FilePredictions", threshold: float, lines: list[str], options: argparse.Namespace
) -> bool:
    """Print the predictions and write the contact sheet; return False if --score finds nothing to count."""
    from src.data.names import some_of
    from src.deployment import prediction_table as table

    names, top = model.classifier.facts.class_names, min(options.top, len(model.classifier.facts.class_names))
    if options.shape:
        write: Callable[..., str] = {"json": table.as_json, "csv": table.as_csv}[options.shape]
        print(write(results, names, top, threshold).rstrip("\n"))
    else:
        for line in table.as_lines(results, names, top, threshold):
            print(line)
    score = table.accuracy_by_folder(results, names) if options.score else None
    notes = [*lines, *([score.line()] if score else [])]
    for line in notes:
        print(line, file=sys.stderr if options.shape else sys.stdout)
    if score and not score.counted:
        refuse(f"--score: no image is in a folder that is called like a class of the model: {some_of(names)}")
    if options.sheet is not None:
        from src.deployment.prediction_sheet import write_sheet

        write_sheet(options.sheet, results, names, model.name, notes, top=top, threshold=threshold)
        print(f"page: {printable(str(options.sheet))}", file=sys.stderr if options.shape else sys.stdout)
    return score is None or score.counted > 0


if __name__ == "__main__":
    run_command(main)
