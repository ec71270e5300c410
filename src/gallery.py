"""Draw a contact sheet of the generated trees: ``python -m src.gallery --out docs/trees.jpg``."""

import argparse
import sys
from pathlib import Path

from src.cli.signals import closed_pipe_ends_quietly
from src.common.errors import one_line
from src.demo.trees.species_sheet import species_sheet


def main(arguments: list[str] | None = None) -> int:
    """Write the contact sheet and return the exit status."""
    parser = argparse.ArgumentParser(prog="python -m src.gallery", description=__doc__)
    parser.add_argument("--out", type=Path, required=True, help="file to write (.png or .jpg)")
    parser.add_argument("--each", type=int, default=4, help="images per species (default: %(default)s)")
    parser.add_argument("--size", type=int, default=96, help="image size in px, 32 to 512 (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=0, help="number of the data set, from 0 (default: %(default)s)")
    parser.add_argument("--difficulty", type=float, default=0.5, help="0 to 1 (default: %(default)s)")
    options = parser.parse_args(arguments)
    if options.each < 1 or options.seed < 0:
        parser.error("--each must be 1 or more, and --seed 0 or more")
    try:
        sheet = species_sheet(count=options.each, size=options.size, seed=options.seed, difficulty=options.difficulty)
        options.out.parent.mkdir(parents=True, exist_ok=True)
        sheet.save(options.out, optimize=True, quality=88)
    except (ValueError, OSError) as error:
        print(f"thaw: {one_line(error, 2000)}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    with closed_pipe_ends_quietly():
        sys.exit(main())
