"""The listing of generated trees (`data=trees`)."""

from src.common.errors import ThawError
from src.config import TreesData
from src.data.listing import Image, Listing, Sample, Split
from src.demo.trees.species import SPECIES
from src.demo.trees.tree import MAX_SIZE, MIN_SIZE, draw_tree

DRAWING_VERSION = 1
"""Part of the stamps; increase it when the same seed would draw different pixels."""


def list_trees(config: TreesData, image_size: int) -> Listing:
    """Return the trees of `config`; species, split and number determine a tree.

    Raises:
        ThawError: trees cannot be drawn at `image_size` px.
    """
    if not MIN_SIZE <= image_size <= MAX_SIZE:
        raise ThawError(f"image_size={image_size}: trees are drawn at {MIN_SIZE} to {MAX_SIZE} px; choose such a size")
    trees = [
        (species, 1_000_000 * part + index, Sample(f"{split}/{SPECIES[species].name}/{index:05}", label, split))
        for part, (split, count) in enumerate(_counts(config).items())
        for species, label in enumerate(item.name for item in SPECIES[: config.classes])
        for index in range(count - (split == "train" and species >= config.classes - config.reduced_species))
    ]

    def read(index: int, size: int) -> Image:
        species, number, _ = trees[index]
        return draw_tree(species, number, seed=config.draw_seed, size=size, difficulty=config.difficulty)

    stamp = f"trees {DRAWING_VERSION}|{config.draw_seed}|{config.difficulty}"
    stamps = [f"{stamp}|{species}|{number}" for species, number, _ in trees]
    return Listing("trees drawn by formula", [sample for *_, sample in trees], read, stamps)


def _counts(config: TreesData) -> dict[Split, int]:
    return {"train": config.train_images, "val": config.val_images, "test": config.test_images}
