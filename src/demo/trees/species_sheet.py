"""A contact sheet of all species."""

from PIL import Image, ImageDraw, ImageFont

from src.demo.trees.species import SPECIES
from src.demo.trees.tree import draw_tree

BACKGROUND, TEXT = (255, 255, 255), (40, 40, 40)
COLUMNS = 3  # species side by side
MARGIN, CAPTION = 10, 18  # px


def species_sheet(*, count: int, size: int, seed: int, difficulty: float) -> Image.Image:
    """Return all species with their names and `count` images of `size` px each."""
    width, height = count * size + MARGIN, size + CAPTION + MARGIN
    rows = -(-len(SPECIES) // COLUMNS)
    sheet = Image.new("RGB", (COLUMNS * width + MARGIN, rows * height + MARGIN), BACKGROUND)
    pen, font = ImageDraw.Draw(sheet), ImageFont.load_default(13)
    for number, species in enumerate(SPECIES):
        x, y = MARGIN + number % COLUMNS * width, MARGIN + number // COLUMNS * height
        pen.text((x, y), species.name, fill=TEXT, font=font)
        for index in range(count):
            image = draw_tree(number, index, seed=seed, size=size, difficulty=difficulty)
            sheet.paste(Image.fromarray(image), (x + index * size, y + CAPTION))
    return sheet
