"""A contact sheet of the embedded trees: `python -m src.gallery --out docs/trees.jpg`."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont

from src.data.trees import SPECIES, draw_tree

PAPER, INK = (255, 255, 255), (40, 40, 40)
COLUMNS = 3  # species side by side
MARGIN, CAPTION = 10, 18  # pixels


def contact_sheet(*, each: int, size: int, seed: int, difficulty: float) -> Image.Image:
    """All species with their names, `each` pictures of `size` pixels a species."""
    wide, tall = each * size + MARGIN, size + CAPTION + MARGIN
    rows = -(-len(SPECIES) // COLUMNS)
    sheet = Image.new("RGB", (COLUMNS * wide + MARGIN, rows * tall + MARGIN), PAPER)
    pen, font = ImageDraw.Draw(sheet), ImageFont.load_default(13)
    for number, species in enumerate(SPECIES):
        x, y = MARGIN + number % COLUMNS * wide, MARGIN + number // COLUMNS * tall
        pen.text((x, y), species.name, fill=INK, font=font)
        for index in range(each):
            picture = draw_tree(number, index, seed=seed, size=size, difficulty=difficulty)
            sheet.paste(Image.fromarray(picture), (x + index * size, y + CAPTION))
    return sheet


def main(argv: Sequence[str] | None = None) -> None:
    """Write the sheet to --out; the suffix chooses PNG or JPEG."""
    parser = argparse.ArgumentParser(prog="python -m src.gallery", description=__doc__)
    parser.add_argument("--out", type=Path, required=True, help="where to write the picture (.png or .jpg)")
    parser.add_argument("--each", type=int, default=4, help="pictures a species")
    parser.add_argument("--size", type=int, default=96, help="pixels a picture, 32..512")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--difficulty", type=float, default=0.5, help="0..1")
    args = parser.parse_args(argv)
    sheet = contact_sheet(each=args.each, size=args.size, seed=args.seed, difficulty=args.difficulty)
    args.out.parent.mkdir(parents=True, exist_ok=True)
    sheet.save(args.out, optimize=True, quality=88)


if __name__ == "__main__":
    main()
