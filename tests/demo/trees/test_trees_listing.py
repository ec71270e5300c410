"""The listing of generated trees: how many, which ones, and always the same ones."""

import numpy as np
import pytest

from src.demo.trees.trees_listing import list_trees
from src.errors import ThawError
from tests.conftest import Compose


def test_the_full_set_has_the_posts_number_of_images_in_every_species(composed: Compose) -> None:
    listing = list_trees(composed("data=trees_full").data, 96)  # type: ignore[arg-type]
    labels, counts = np.unique([sample.label for sample in listing.samples], return_counts=True)
    assert (len(listing.samples), len(labels)) == (4804, 23)
    assert set(counts) == {208, 209}


def test_more_images_leave_the_first_as_they_were(composed: Compose) -> None:
    few = list_trees(composed("data.train_images=2").data, 32)  # type: ignore[arg-type]
    many = list_trees(composed("data.train_images=5").data, 32)  # type: ignore[arg-type]
    assert set(few.stamps) < set(many.stamps)
    i, j = (listing.stamps.index(few.stamps[3]) for listing in (few, many))
    np.testing.assert_array_equal(few.read(i, 32), many.read(j, 32))


def test_splits_share_no_tree(composed: Compose) -> None:
    listing = list_trees(composed("data.classes=3").data, 32)  # type: ignore[arg-type]
    assert len(set(listing.stamps)) == len(listing.samples) == 3 * 49


@pytest.mark.parametrize("side", [31, 513])
def test_a_size_out_of_range_is_refused(composed: Compose, side: int) -> None:
    with pytest.raises(ThawError, match="trees are drawn at 32 to 512 px"):
        list_trees(composed().data, side)  # type: ignore[arg-type]


def test_the_drawing_has_not_changed_under_its_version(composed: Compose) -> None:
    """Cached pixels are found by version: if this fails, raise DRAWING_VERSION and put the new numbers here."""
    image = list_trees(composed().data, 32).read(40, 32)  # type: ignore[arg-type]
    corners = image.reshape(2, 16, 2, 16, 3).mean(axis=(1, 3)).round().astype(int)
    assert np.abs(corners - GOLDEN).max() <= 2


GOLDEN = np.array([[[150, 187, 212], [152, 184, 178]], [[144, 144, 125], [137, 137, 117]]])
