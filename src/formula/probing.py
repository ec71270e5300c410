"""How much frozen features know: a linear probe on photos and on generated trees."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageOps
from rich.box import SIMPLE
from rich.console import Console
from rich.table import Table
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from src.data.trees import SPECIES, draw_tree
from src.formula.weights import WEIGHTS, load_formula_weights
from src.keras_setup import keras

Pictures = npt.NDArray[np.uint8]
Labels = npt.NDArray[np.int64]
Features = npt.NDArray[np.float32]
Describe = Callable[[Pictures], Features]
Part = tuple[Pictures, Labels]

SIZE = 96


@dataclass(frozen=True)
class Score:
    """Right answers out of `count`."""

    right: int
    count: int

    @property
    def accuracy(self) -> float:
        """Share of right answers, in [0, 1]."""
        return self.right / self.count

    @property
    def interval(self) -> tuple[float, float]:
        """Wilson's 95 % interval of the accuracy (Wilson 1927)."""
        z, n, p = 1.96, self.count, self.accuracy
        centre, half = p + z * z / (2 * n), z * np.sqrt(p * (1 - p) / n + z * z / (4 * n * n))
        return float((centre - half) / (1 + z * z / n)), float((centre + half) / (1 + z * z / n))

    def __str__(self) -> str:
        low, high = self.interval
        return f"{100 * self.accuracy:.1f} [{100 * low:.0f}, {100 * high:.0f}]"


def photos(root: Path, part: str) -> Part:
    """The photos in `root/part/class/`, resized to (n, 96, 96, 3), labelled by the classes of `root/train`."""
    for folder in (root / "train", root / part):
        if not folder.is_dir():
            raise ValueError(f"{folder} is no folder; expected one there, with a folder of photos for each class")
    classes = sorted(folder.name for folder in (root / "train").iterdir() if folder.is_dir())
    files = [(file, label) for label, name in enumerate(classes) for file in sorted((root / part / name).glob("*.*"))]
    return np.stack([_photo(file) for file, _ in files]), np.array([label for _, label in files])


def _photo(file: Path) -> Pictures:
    with Image.open(file) as image:
        upright = ImageOps.exif_transpose(image).convert("RGB")
        return np.asarray(upright.resize((SIZE, SIZE), Image.Resampling.BILINEAR))


def trees(indices: Iterable[int]) -> Part:
    """Generated trees of every species, at middling difficulty, with the given indices."""
    places = [(species, index) for species in range(len(SPECIES)) for index in indices]
    drawn = [draw_tree(species, index, seed=0, size=SIZE, difficulty=0.5) for species, index in places]
    return np.stack(drawn), np.array([species for species, _ in places])


def backbone_features(backbone: keras.Model) -> Describe:
    """Global averages of the backbone's last feature map, (n, channels)."""

    def describe(pictures: Pictures) -> Features:
        maps = backbone.predict(pictures.astype(np.float32) / 127.5 - 1, batch_size=128, verbose=0)
        return np.asarray(maps.mean(axis=(1, 2)))

    return describe


def plain_features(pictures: Pictures) -> Features:
    """The baseline that no training can claim: an 8 x 8 thumbnail and a 4 x 4 x 4 histogram of colours, (n, 256)."""
    scaled = pictures.astype(np.float32) / 255
    thumbnail = scaled.reshape(len(pictures), 8, SIZE // 8, 8, SIZE // 8, 3).mean(axis=(2, 4))
    bins = (pictures // 64).reshape(len(pictures), -1, 3) @ np.array([16, 4, 1])
    histogram = np.stack([np.bincount(row, minlength=64) for row in bins]) / bins.shape[1]
    return np.concatenate([thumbnail.reshape(len(pictures), -1), np.sqrt(histogram)], axis=1).astype(np.float32)


def probe(describe: Describe, train: Part, test: Part) -> Score:
    """Fit a logistic regression on standardised features of `train` and count right answers on `test`."""
    classifier = make_pipeline(StandardScaler(), LogisticRegression(C=0.01, max_iter=500))
    classifier.fit(describe(train[0]), train[1])
    return Score(int((classifier.predict(describe(test[0])) == test[1]).sum()), len(test[1]))


def _backbone(weights: Path | None) -> keras.Model:
    keras.utils.set_random_seed(0)
    backbone = keras.applications.MobileNetV2(input_shape=(SIZE, SIZE, 3), alpha=0.35, include_top=False, weights=None)
    if weights and weights.suffix == ".npz":
        load_formula_weights(backbone, weights)
    elif weights:
        backbone.load_weights(weights)
    return backbone


def _features(imagenet: Path | None, formula: Path) -> dict[str, Describe]:
    """The features to compare, by the name of their column (histogram: with a thumbnail)."""
    files = {"random": None, "formula": formula} | ({"ImageNet": imagenet} if imagenet else {})
    learnt = {name: backbone_features(_backbone(file)) for name, file in files.items()}
    return learnt | {"histogram": plain_features}


def _sets(part: str, root: Path | None) -> dict[str, tuple[Part, Part]]:
    """What to fit on and what to score, by the name of the row; trees: 25 to fit, 12 for val, 12 for test."""
    indices = range(25, 37) if part == "val" else range(37, 49)
    sets = {"photos": (photos(root, "train"), photos(root, part))} if root else {}
    return sets | {"trees": (trees(range(25)), trees(indices))}


def compare(part: str, root: Path | None, imagenet: Path | None, formula: Path | None = None) -> None:
    """Print the accuracy of every kind of features, in percent with its 95 % interval, on trees and on photos."""
    sets, features = _sets(part, root), _features(imagenet, formula or WEIGHTS)
    table = Table(
        title=f"linear probe at {SIZE} px on {part}: % right [95 % interval]", box=SIMPLE, collapse_padding=True
    )
    for name in ("", *features):
        table.add_column(name, no_wrap=True)
    for name, (train, scored) in sets.items():
        table.add_row(f"{name} ({len(scored[1])})", *[str(probe(of, train, scored)) for of in features.values()])
    Console().print(table)
