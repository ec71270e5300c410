"""Views are a pure function of seed, image and view."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from src.config import AugmentConfig
from src.data.augment import view_number, view_parameters

NONE = {"flip": False, "rotation": 0, "zoom": 0, "crop": 0, "shift": 0, "brightness": 0, "views": None}
IDENTITY = [1, 0, 0, 0, 1, 0, 0, 0]
numbers = st.integers(0, 2**64 - 1)


def config(**changes: object) -> AugmentConfig:
    return AugmentConfig.model_validate(NONE | changes)


STRONG = config(flip=True, rotation=30, zoom=0.2, crop=0.3, shift=0.1, brightness=0.3)


@given(st.lists(numbers, min_size=1, max_size=6), st.integers(0, 2**32 - 1), st.integers(0, 1000))
def test_a_view_does_not_depend_on_its_batch(digests: list[int], seed: int, view: int) -> None:
    together = view_parameters(STRONG, 96, seed, np.array(digests, np.uint64), view)
    alone = [view_parameters(STRONG, 96, seed, np.array([d], np.uint64), view) for d in digests]
    np.testing.assert_array_equal(together[0], np.concatenate([one[0] for one in alone]))
    np.testing.assert_array_equal(together[1], np.concatenate([one[1] for one in alone]))


@pytest.mark.filterwarnings("error")
def test_neighbouring_digests_have_views_of_their_own() -> None:
    digests = np.array([2**63, 2**63 + 1, 2**63 + 2, 2**64 - 1], np.uint64)
    transforms, _ = view_parameters(STRONG, 96, 0, digests, 0)
    assert len({tuple(row) for row in transforms.tolist()}) == 4


def test_seed_image_and_view_each_change_it() -> None:
    def first(seed: int, digest: int, view: int) -> list[float]:
        return view_parameters(STRONG, 96, seed, np.array([digest], np.uint64), view)[0][0].tolist()  # type: ignore[no-any-return]

    assert len({tuple(first(*args)) for args in ((0, 0, 0), (1, 0, 0), (0, 1, 0), (0, 0, 1))}) == 4


def test_without_augmentation_a_view_is_the_image() -> None:
    transforms, light = view_parameters(config(), 96, 0, np.arange(5, dtype=np.uint64), 3)
    np.testing.assert_allclose(transforms, [IDENTITY] * 5, atol=1e-5)
    np.testing.assert_array_equal(light, 1)


@given(numbers, st.floats(0, 0.9), st.floats(0, 0.9))
def test_crops_stay_within_the_image(digest: int, crop: float, brightness: float) -> None:
    transforms, light = view_parameters(
        config(crop=crop, brightness=brightness), 64, 0, np.array([digest], np.uint64), 0
    )
    a0, _, a2, _, b1, b2, _, _ = transforms[0]
    assert 1 - crop - 1e-6 <= a0 <= 1 + 1e-6
    for scale, start in ((a0, a2), (b1, b2)):
        assert start >= -0.5 * (1 - scale) - 1e-3
        assert scale * 63 + start <= 63 + 0.5 * (1 - scale) + 1e-3
    assert 1 - brightness - 1e-6 <= light[0] <= 1 + brightness + 1e-6


def test_flip_mirrors_about_half_of_the_images_in_place() -> None:
    transforms, _ = view_parameters(config(flip=True), 32, 0, np.arange(400, dtype=np.uint64), 0)
    mirrored = transforms[:, 0] < 0
    assert 150 < mirrored.sum() < 250
    np.testing.assert_allclose(transforms[mirrored][0], [-1, 0, 31, 0, 1, 0, 0, 0], atol=1e-5)


@pytest.mark.parametrize(("views", "expected"), [(None, [0, 1, 2, 3, 4]), (1, [0, 0, 0, 0, 0]), (2, [0, 1, 0, 1, 0])])
def test_views_come_in_turn_or_anew(views: int | None, expected: list[int]) -> None:
    assert [view_number(config(views=views), epoch) for epoch in range(5)] == expected
