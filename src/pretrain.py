"""Pre-train MobileNetV2 (width 0.35) on formula images: ``python -m src.pretrain --output FILE``."""

import argparse
import os
import sys
from pathlib import Path

from src import collect_as_usual
from src.cli.signals import closed_pipe_ends_quietly
from src.common.errors import ThawError


def main(arguments: list[str] | None = None) -> int:
    """Train, write the weights and their digest, and return the exit status."""
    parser = argparse.ArgumentParser(prog="python -m src.pretrain", description=__doc__)
    parser.add_argument("--output", type=Path, required=True, help="weights file to write (.npz)")
    parser.add_argument("--images", type=int, default=700_000, help="images to train on (default: %(default)s)")
    parser.add_argument("--minutes", type=float, default=float("inf"), help="end after so many minutes, if earlier")
    parser.add_argument("--seed", type=int, default=0, help="seed of drawing, training and augmentation")
    parser.add_argument("--batch", type=int, default=64, help="batch size (default: %(default)s)")
    parser.add_argument("--pool", type=int, default=16_000, help="images kept for reuse (default: %(default)s)")
    parser.add_argument("--threads", type=int, default=1, help="CPU threads; with 1 (default), runs are reproducible")
    options = parser.parse_args(arguments)
    if min(options.images, options.minutes, options.batch, options.threads) <= 0 or options.seed < 0:
        parser.error("--images, --minutes, --batch and --threads must be above 0, --seed 0 or more")
    if options.pool < 2:
        parser.error("--pool must be 2 or more")
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    os.environ |= {"TF_NUM_INTRAOP_THREADS": str(options.threads), "TF_NUM_INTEROP_THREADS": "1"}
    try:
        from src.common.keras_setup import keras  # noqa: F401 - before TensorFlow, which reads keras.json as well
        from src.demo.formula.pretraining import Recipe, train
    except ThawError as error:
        print(f"thaw: {error}", file=sys.stderr)
        return 1
    collect_as_usual()
    recipe = Recipe(options.images, options.minutes, options.seed, options.batch, pool=options.pool)
    train(recipe, options.output, log=lambda line: print(line, flush=True))
    print(f"wrote {options.output}")
    return 0


if __name__ == "__main__":
    with closed_pipe_ends_quietly():
        sys.exit(main())
