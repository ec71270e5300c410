"""A linear probe: what frozen features are worth on photos and on generated trees."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from rich.box import SIMPLE
from rich.table import Table
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from src.common.errors import ThawError
from src.common.keras_setup import keras
from src.data.decode import read_image
from src.data.listing import UnreadableImageError
from src.demo.trees.species import SPECIES
from src.demo.trees.tree import draw_tree
from src.models.embedded_weights import EMBEDDED_WEIGHTS, load_embedded_weights
from src.reporting.terminal import TextOutput
from src.statistics.intervals import wilson_interval

Images = NDArray[np.uint8]
Features = NDArray[np.float32]
Extractor = Callable[[Images], Features]
Samples = tuple[Images, NDArray[np.int64]]

SIZE = 96


@dataclass(frozen=True)
class Score:
    """The number of correct predictions out of `count`."""

    correct: int
    count: int

    def __str__(self) -> str:
        interval = wilson_interval(self.correct / self.count, self.count)
        assert interval.low is not None
        assert interval.high is not None
        return f"{100 * interval.estimate:.1f} [{100 * interval.low:.0f}, {100 * interval.high:.0f}]"


def photos(root: Path, split: str) -> Samples:
    """Read the photos of `root/split/class/` at 96 px; their labels are indices of the classes of `root/train`.

    Raises:
        ThawError: a folder is missing or empty, or a file is no image.
    """
    for folder in (root / "train", root / split):
        if not folder.is_dir():
            raise ThawError(f"--photos {root}: no folder {folder}; it must hold a folder of photos for each class")
    classes = sorted(folder.name for folder in (root / "train").iterdir() if folder.is_dir())
    files = [(file, label) for label, name in enumerate(classes) for file in sorted((root / split / name).glob("*.*"))]
    if not files:
        raise ThawError(f"--photos {root}: no photos in {root / split}; put them into a folder for each class")
    return np.stack([_photo(file) for file, _ in files]), np.array([label for _, label in files])


def _photo(file: Path) -> Images:
    try:
        return read_image(file, SIZE, "stretch")
    except UnreadableImageError as error:
        raise ThawError(f"{file} is no image ({error}); remove it") from error


def trees(indices: Iterable[int]) -> Samples:
    """Draw trees of every species at difficulty 0.5, with the given indices."""
    drawn = [(species, index) for species in range(len(SPECIES)) for index in indices]
    images = [draw_tree(species, index, seed=0, size=SIZE, difficulty=0.5) for species, index in drawn]
    return np.stack(images), np.array([species for species, _ in drawn])


def backbone_features(backbone: keras.Model) -> Extractor:
    """Return a function that gives the global averages of the backbone's last feature map, (n, channels)."""

    def extract(images: Images) -> Features:
        maps = backbone.predict(images.astype(np.float32) / 127.5 - 1, batch_size=128, verbose=0)
        return np.asarray(maps.mean(axis=(1, 2)))

    return extract


def histogram_features(images: Images) -> Features:
    """Return a baseline without training: an 8 x 8 thumbnail and a 4 x 4 x 4 histogram of colours, (n, 256)."""
    scaled = images.astype(np.float32) / 255
    thumbnail = scaled.reshape(len(images), 8, SIZE // 8, 8, SIZE // 8, 3).mean(axis=(2, 4))
    bins = (images // 64).reshape(len(images), -1, 3) @ np.array([16, 4, 1])
    histogram = np.stack([np.bincount(row, minlength=64) for row in bins]) / bins.shape[1]
    return np.concatenate([thumbnail.reshape(len(images), -1), np.sqrt(histogram)], axis=1).astype(np.float32)


def probe(extract: Extractor, train: Samples, test: Samples) -> Score:
    """Fit a logistic regression on standardised features of `train` and score it on `test`."""
    classifier = make_pipeline(StandardScaler(), LogisticRegression(C=0.01, max_iter=500))
    classifier.fit(extract(train[0]), train[1])
    return Score(int((classifier.predict(extract(test[0])) == test[1]).sum()), len(test[1]))


def _backbone(weights: Path | None) -> keras.Model:
    keras.utils.set_random_seed(0)
    backbone = keras.applications.MobileNetV2(input_shape=(SIZE, SIZE, 3), alpha=0.35, include_top=False, weights=None)
    if weights and weights.suffix == ".npz":
        load_embedded_weights(backbone, weights)
    elif weights:
        backbone.load_weights(weights)
    return backbone


def _extractors(imagenet: Path | None, formula: Path) -> dict[str, Extractor]:
    """Return the features to compare, by column name."""
    files = {"random": None, "formula": formula} | ({"ImageNet": imagenet} if imagenet else {})
    learned = {name: backbone_features(_backbone(file)) for name, file in files.items()}
    return learned | {"histogram": histogram_features}


def _data_sets(split: str, root: Path | None) -> dict[str, tuple[Samples, Samples]]:
    """Return the samples to fit on and to score, by row name; of each species 25 to fit, 12 for val, 12 for test."""
    indices = range(25, 37) if split == "val" else range(37, 49)
    sets = {"photos": (photos(root, "train"), photos(root, split))} if root else {}
    return sets | {"trees": (trees(range(25)), trees(indices))}


def compare(split: str, root: Path | None, imagenet: Path | None, formula: Path | None = None) -> None:
    """Print the accuracy of each kind of features on trees and on the photos below `root`, in percent with a 95% CI.

    Raises:
        ThawError: photos are missing, or a file is no image.
        ValueError: weights that are damaged or do not fit.
    """
    data_sets, extractors = _data_sets(split, root), _extractors(imagenet, formula or EMBEDDED_WEIGHTS)
    title = f"linear probe at {SIZE} px on {split}: accuracy in % [95% CI]"
    table = Table(title=title, box=SIMPLE, collapse_padding=True)
    for name in ("", *extractors):
        table.add_column(name, no_wrap=True)
    for name, (train, test) in data_sets.items():
        scores = [str(probe(extract, train, test)) for extract in extractors.values()]
        table.add_row(f"{name} ({len(test[1])})", *scores)
    TextOutput().print(table)
