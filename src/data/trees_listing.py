"""`data=trees`: the generated trees as a listing."""

from src.config import TreesData
from src.data.listing import Image, Listing, Sample, Split
from src.data.trees import MAX_SIZE, MIN_SIZE, SPECIES, draw_tree
from src.errors import ThawError

DRAWING_VERSION = 1
"""Raise it when the same seed would draw other pixels."""


def list_trees(config: TreesData, side: int) -> Listing:
    """The trees that `config` asks for: the same species, split and number always show the same tree.

    Raises:
        ThawError: trees are not drawn at `side` px.
    """
    if not MIN_SIZE <= side <= MAX_SIZE:
        raise ThawError(f"image_size={side}: trees are drawn at {MIN_SIZE} to {MAX_SIZE} px")
    drawn = [
        (species, 1_000_000 * part + index, Sample(f"{split}/{SPECIES[species].name}/{index:05}", label, split))
        for part, (split, count) in enumerate(_counts(config).items())
        for species, label in enumerate(kind.name for kind in SPECIES[: config.classes])
        for index in range(count - (split == "train" and species >= config.classes - config.left_out))
    ]

    def read(position: int, size: int) -> Image:
        species, number, _ = drawn[position]
        return draw_tree(species, number, seed=config.draw_seed, size=size, difficulty=config.difficulty)

    stamp = f"trees {DRAWING_VERSION}|{config.draw_seed}|{config.difficulty}"
    stamps = [f"{stamp}|{species}|{number}" for species, number, _ in drawn]
    return Listing("trees drawn by formula", [sample for *_, sample in drawn], read, stamps)


def _counts(config: TreesData) -> dict[Split, int]:
    return {"train": config.train_images, "val": config.val_images, "test": config.test_images}
