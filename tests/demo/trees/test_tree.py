"""Generated trees: pure functions, varied, and distinguishable by structure rather than by colour."""

from __future__ import annotations

import hashlib
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from src.demo.trees import tree
from src.demo.trees.species import SPECIES
from src.demo.trees.tree import MAX_SIZE, MIN_SIZE, draw_tree

Images = NDArray[np.uint8]
Features = NDArray[np.float64]

EVERY_SPECIES = pytest.mark.parametrize("species", range(len(SPECIES)), ids=[kind.name for kind in SPECIES])


def draw(species: int = 7, index: int = 0, *, seed: int = 0, size: int = 64, difficulty: float = 0.5) -> Images:
    return draw_tree(species, index, seed=seed, size=size, difficulty=difficulty)


def digest(image: Images) -> str:
    return hashlib.sha256(image.tobytes()).hexdigest()


def test_there_are_23_species_with_names_of_their_own() -> None:
    names = [species.name for species in SPECIES]
    assert len(names) == len(set(names)) == 23
    assert all(name.replace("-", "").isalpha() and name.islower() for name in names)


def test_the_same_arguments_draw_the_same_bytes() -> None:
    first = draw(3, 5)
    np.random.default_rng(0).random()
    draw(4, 5)
    assert digest(draw(3, 5)) == digest(first)


def test_a_fresh_process_draws_the_same_bytes() -> None:
    code = (
        "import hashlib; from src.demo.trees.tree import draw_tree;"
        "image = draw_tree(3, 5, seed=0, size=64, difficulty=0.5);"
        "print(hashlib.sha256(image.tobytes()).hexdigest())"
    )
    fresh = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert fresh.stdout.strip() == digest(draw(3, 5))


def test_global_random_state_is_neither_read_nor_changed() -> None:
    np.random.seed(1)
    first, after = digest(draw()), np.random.random()
    np.random.seed(1)
    assert np.random.random() == after
    assert digest(draw()) == first


def test_index_species_and_seed_each_change_the_image() -> None:
    images = [draw(2, 0), draw(2, 1), draw(3, 0), draw(2, 0, seed=1)]
    assert len({digest(image) for image in images}) == len(images)


@pytest.mark.parametrize("size", [MIN_SIZE, 33, 96, 224, MAX_SIZE])
@pytest.mark.parametrize("difficulty", [0.0, 1.0])
def test_shape_and_type_at_every_size(size: int, difficulty: float) -> None:
    image = draw(size=size, difficulty=difficulty)
    assert image.shape == (size, size, 3)
    assert image.dtype == np.uint8


def test_a_larger_image_shows_the_same_scene() -> None:
    shrunk = draw(size=256, difficulty=0.0).reshape(64, 4, 64, 4, 3).mean(axis=(1, 3))
    to_itself = np.abs(shrunk - draw(size=64, difficulty=0.0)).mean()
    to_another = np.abs(shrunk - draw(index=1, size=64, difficulty=0.0)).mean()
    assert to_itself < 0.5 * to_another


@pytest.mark.parametrize(
    ("species", "size", "difficulty"),
    [(-1, 64, 0.5), (23, 64, 0.5), (0, 31, 0.5), (0, 513, 0.5), (0, 64, -0.1), (0, 64, 1.1)],
)
def test_arguments_out_of_range_are_refused(species: int, size: int, difficulty: float) -> None:
    with pytest.raises(ValueError, match="must be"):
        draw(species, size=size, difficulty=difficulty)


@EVERY_SPECIES
def test_every_species_stands_out_from_its_background(species: int, monkeypatch: pytest.MonkeyPatch) -> None:
    with_tree = draw(species, difficulty=0.0).astype(int)
    monkeypatch.setattr(tree, "_paint_tree", lambda *_: None)
    without = draw(species, difficulty=0.0).astype(int)
    assert (np.abs(with_tree - without).max(axis=2) > 15).mean() > 0.03


def test_difficulty_widens_the_variation() -> None:
    def variation(difficulty: float) -> float:
        stack = np.stack([draw(0, index, size=32, difficulty=difficulty) for index in range(16)])
        return float(stack.std(axis=0).mean())

    assert variation(1.0) > 1.15 * variation(0.0)


@settings(max_examples=25, deadline=None, derandomize=True)
@given(
    species=st.integers(0, len(SPECIES) - 1),
    index=st.integers(0, 10**9),
    seed=st.integers(0, 2**32 - 1),
    size=st.integers(MIN_SIZE, 128),
    difficulty=st.floats(0, 1),
)
def test_any_image_is_pure_and_has_contrast(species: int, index: int, seed: int, size: int, difficulty: float) -> None:
    image = draw(species, index, seed=seed, size=size, difficulty=difficulty)
    assert image.shape == (size, size, 3)
    assert image.std() > 3
    assert digest(image) == digest(draw(species, index, seed=seed, size=size, difficulty=difficulty))


def mean_colour(image: Images) -> Features:
    return np.asarray(image.mean(axis=(0, 1)))


def edge_directions(image: Images) -> Features:
    """How strong edges of 8 directions are in each of 4 x 4 fields: [128], of length 1."""
    down, right = np.gradient(image.mean(axis=2))
    direction = (np.arctan2(down, right) % np.pi / np.pi * 8).astype(int) % 8
    strength = np.hypot(down, right)
    fields = np.stack([strength * (direction == k) for k in range(8)])
    side = image.shape[0] // 4
    histogram = np.sqrt(fields.reshape(8, 4, side, 4, side).sum(axis=(2, 4)).ravel())
    return np.asarray(histogram / np.linalg.norm(histogram))


def nearest_centroid_accuracy(features: Features) -> float:
    """Accuracy on the second half of features [species, images, d], with centroids from the first half."""
    half = features.shape[1] // 2
    spread = features[:, :half].std(axis=1).mean(axis=0)
    centroids = features[:, :half].mean(axis=1) / spread
    distances = np.linalg.norm(features[:, half:, None] / spread - centroids, axis=-1)
    return float((distances.argmin(axis=-1) == np.arange(len(features))[:, None]).mean())


def test_structure_tells_species_apart_and_mean_colour_does_not() -> None:
    names = ("english-oak", "silver-birch", "weeping-willow", "italian-cypress", "baobab", "coconut-palm")
    chosen = [[species.name for species in SPECIES].index(name) for name in names]
    images = [[draw(species, index, size=64, difficulty=0.3) for index in range(32)] for species in chosen]
    by_structure = np.array([[edge_directions(image) for image in row] for row in images])
    by_colour = np.array([[mean_colour(image) for image in row] for row in images])
    assert nearest_centroid_accuracy(by_structure) > 3.0 / len(names)
    assert nearest_centroid_accuracy(by_colour) < 2.0 / len(names)
