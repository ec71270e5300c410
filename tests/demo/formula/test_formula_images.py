"""The generators draw the same image for the same seed, and different images for different classes."""

from types import ModuleType

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from src.demo.formula import formula_images, fractals, raster, shapes, solids, textures


@settings(max_examples=25, deadline=None)
@given(label=st.integers(0, formula_images.CLASSES - 1), seed=st.integers(0, 2**32), size=st.sampled_from([32, 64, 96]))
def test_image_is_decided_by_label_seed_and_size(label: int, seed: int, size: int) -> None:
    first, again = (formula_images.draw(label, np.random.default_rng(seed), size) for _ in range(2))
    assert first.shape == (size, size, 3)
    assert first.dtype == np.uint8
    assert np.array_equal(first, again)


def test_instances_of_a_class_differ() -> None:
    rng = np.random.default_rng(1)
    assert not np.array_equal(formula_images.draw(7, rng), formula_images.draw(7, rng))


@pytest.mark.parametrize("family", [fractals, textures, shapes, solids])
def test_layers_stay_in_range(family: ModuleType) -> None:
    rng = np.random.default_rng(2)
    for formula in range(24):
        layer = family.draw(formula, raster.random_palette(rng), rng, 48)
        assert layer.colour.shape == (48, 48, 3)
        assert layer.alpha.min() >= 0
        assert layer.alpha.max() <= 1
        assert layer.alpha.mean() > 0.005, f"formula {formula} draws next to nothing"
        assert np.isfinite(layer.colour).all()


def test_every_label_is_one_class_and_no_other_number_is() -> None:
    described = [formula_images.describe(label) for label in range(formula_images.CLASSES)]
    assert len(set(described)) == formula_images.CLASSES
    for label in (-1, formula_images.CLASSES):
        with pytest.raises(ValueError, match=f"label {label} is outside"):
            formula_images.describe(label)


def test_neither_form_nor_colour_alone_gives_the_class_away() -> None:
    described = [formula_images.describe(label) for label in range(formula_images.CLASSES)]
    forms = {(one.family, one.formula) for one in described}
    palettes = {one.palette for one in described}
    assert len(forms) == formula_images.CLASSES // 2
    assert len(palettes) == raster.PALETTES


def test_classes_can_be_told_apart_by_their_colours() -> None:
    labels = np.repeat([50, 61, 100, 150], 20)
    rng = np.random.default_rng(3)
    images = np.stack([formula_images.draw(int(label), rng, 32) for label in labels])
    bins = (images // 64).reshape(len(labels), -1, 3) @ np.array([16, 4, 1])
    seen = np.sqrt([np.bincount(row, minlength=64) / bins.shape[1] for row in bins])
    distance = np.linalg.norm(seen[:, None] - seen[None], axis=-1) + 9 * np.eye(len(labels))
    assert (labels[distance.argmin(axis=1)] == labels).mean() > 0.5  # chance: 0.25


def test_attractors_fill_the_image() -> None:
    for formula in range(fractals.FORMULAS):
        cloud, last = fractals.points(formula, np.random.default_rng(formula))
        assert len(cloud) == len(last) >= 4096
        assert (np.abs(cloud) <= 1.05).all(axis=1).mean() > 0.9
        assert cloud.std(axis=0).min() > 0.02


def test_stream_repeats_itself_and_reuses_images() -> None:
    one, two = (formula_images.stream(seed=5, batch=16, reuse=4, pool=32, size=32) for _ in range(2))
    batches = [next(one) for _ in range(12)]
    assert all(np.array_equal(a.images, b.images) for a, b in zip(batches, two, strict=False))
    shown = np.concatenate([batch.images for batch in batches]).reshape(12 * 16, -1)
    fresh = len(np.unique(shown, axis=0))
    assert 12 * 4 // 2 < fresh <= 32 + 12 * 4
    labels = np.concatenate([batch.labels for batch in batches])
    assert labels.min() >= 0
    assert labels.max() < formula_images.CLASSES
