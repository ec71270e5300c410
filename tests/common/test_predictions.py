"""Predictions as arrays and as bytes."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from src.common.predictions import ImagePredictions, join_trials, pack, split_trials, unpack


def predictions(images: int, seed: int = 0) -> ImagePredictions:
    rng = np.random.default_rng(seed)
    numbers = rng.integers(0, 2**63, images, np.uint64)
    labels, predicted = rng.integers(0, 5, (2, images)).astype(np.uint16)
    return ImagePredictions(numbers, numbers, labels, predicted, rng.random(images, np.float32))


def same(one: ImagePredictions, other: ImagePredictions) -> bool:
    theirs = other.arrays()
    return all(
        np.array_equal(own, theirs[name]) and own.dtype == theirs[name].dtype for name, own in one.arrays().items()
    )


@given(
    st.dictionaries(
        st.text(st.characters(codec="ascii", categories=["L", "N"]), min_size=1), st.integers(0, 9), min_size=1
    )
)
def test_several_trials_come_back_from_one_file(sizes: dict[str, int]) -> None:
    given_ = {name: predictions(size, seed) for seed, (name, size) in enumerate(sizes.items())}
    content = unpack(pack(join_trials(given_)))
    assert content is not None
    found = split_trials(content)
    assert found.keys() == given_.keys()
    assert all(same(found[name], own) for name, own in given_.items())


@pytest.mark.parametrize("cut", [0, 10, 200, -1])
def test_bytes_that_are_not_whole_are_none(cut: int) -> None:
    assert unpack(pack(predictions(50).arrays())[:cut]) is None


def test_a_file_of_a_hundred_images_takes_a_few_kilobytes() -> None:
    assert len(pack(predictions(100).arrays())) < 5000


def test_arrays_of_something_else_are_no_trials() -> None:
    assert split_trials({"images": np.zeros(3, np.uint64)}) == {}
