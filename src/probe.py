"""Compare frozen features with a linear probe on generated trees and on photos: ``python -m src.probe``."""

import argparse
import os
import sys
from pathlib import Path

from src import collect_as_usual
from src.cli.signals import closed_pipe_ends_quietly
from src.common.errors import ThawError, one_line


def main(arguments: list[str] | None = None) -> int:
    """Print one row of scores for each data set and return the exit status."""
    parser = argparse.ArgumentParser(prog="python -m src.probe", description=__doc__)
    parser.add_argument("--photos", type=Path, help="folder with photos in train/CLASS/, val/CLASS/ and test/CLASS/")
    parser.add_argument("--part", choices=("val", "test"), default="val", help="split to score (default: %(default)s)")
    parser.add_argument("--weights", type=Path, help="ImageNet weights of MobileNetV2 0.35 without top (.weights.h5)")
    parser.add_argument("--formula", type=Path, help="formula weights (.npz); default: the embedded ones")
    options = parser.parse_args(arguments)
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    try:
        from src.demo.formula.linear_probe import compare

        collect_as_usual()
        compare(options.part, options.photos, options.weights, options.formula)
    except (ThawError, ValueError, OSError) as error:
        print(f"thaw: {one_line(error, 2000)}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    with closed_pipe_ends_quietly():
        sys.exit(main())
