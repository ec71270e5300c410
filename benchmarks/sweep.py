"""The reference sweep: what is trained, on what, by everyone who is timed. Nothing here needs TensorFlow."""

import os
from dataclasses import dataclass
from itertools import product
from pathlib import Path

from PIL import Image

from src.demo.trees.species import SPECIES
from src.demo.trees.tree import draw_tree

SIDE = int(os.environ.get("THAW_BENCH_SIDE", "96"))
"""Of the images, px: 96, or 224 with half of the trials. A variable, since every command of a run has the same."""
DEPTHS, DROPOUTS, FINE_TUNE_RATES, SEEDS = (0, 2, 11, 20), (0.2, 0.5), (1e-4, 1e-5), (0, 1) if SIDE == 96 else (0,)
EPOCHS = FINE_TUNE_EPOCHS = 5
RATE, BATCH = 1e-3, 32
CLASSES, TRAIN_PHOTOS, VAL_PHOTOS = 20, 60, 20
PHOTO_SIDE = 160 if SIDE == 96 else 256


@dataclass(frozen=True)
class Trial:
    """One of the trials, 32 at 96 px."""

    depth: int
    dropout: float
    fine_tune_rate: float
    seed: int


TRIALS = [Trial(*values) for values in product(DEPTHS, DROPOUTS, FINE_TUNE_RATES, SEEDS)]
SAMPLE = [Trial(depth, DROPOUTS[0], FINE_TUNE_RATES[0], SEEDS[0]) for depth in DEPTHS]
"""What those run who would take an hour: a trial of each depth."""


def write_photos(root: Path) -> Path:
    """1,200 photos of generated trees for training and 400 for validation, as files below `root`."""
    for split, start, count in (("train", 0, TRAIN_PHOTOS), ("val", 1_000_000, VAL_PHOTOS)):
        for number, species in enumerate(SPECIES[:CLASSES]):
            folder = root / split / species.name
            folder.mkdir(parents=True)
            for index in range(start, start + count):
                picture = draw_tree(number, index, seed=0, size=PHOTO_SIDE, difficulty=0.5)
                Image.fromarray(picture).save(folder / f"{index}.jpg", quality=90)
    return root
