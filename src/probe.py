"""Compare frozen features by a linear probe on generated trees and on photos: `python -m src.probe --help`."""

import argparse
import os
import sys
from pathlib import Path

from src.errors import ThawError


def main(arguments: list[str] | None = None) -> int:
    """Print one row of scores for each set of pictures and return the exit status."""
    parser = argparse.ArgumentParser(prog="python -m src.probe", description=__doc__)
    parser.add_argument("--photos", type=Path, help="folder of train/class/, val/class/ and test/class/ with photos")
    parser.add_argument(
        "--part", choices=("val", "test"), default="val", help="pictures to score (default: %(default)s)"
    )
    parser.add_argument("--weights", type=Path, help="ImageNet weights of MobileNetV2 0.35 without top (.weights.h5)")
    parser.add_argument("--formula", type=Path, help="formula weights other than those that come with the project")
    options = parser.parse_args(arguments)
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    try:
        from src.formula.probing import compare

        compare(options.part, options.photos, options.weights, options.formula)
    except (ValueError, OSError, ThawError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
