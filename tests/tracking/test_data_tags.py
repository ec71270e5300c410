"""What tags say of a run's data, there and back, whatever the names."""

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from src.data.duplicates import NearDuplicates, Pair
from src.data.split import Splits
from src.tracking import data_tags as facts
from src.tracking import schema

NAMES = ["oak", '<b>"quotes", commas\'', "\N{DECIDUOUS TREE}" * 300, "caf\udce9"]


def dataset(name: str, near: NearDuplicates) -> Any:
    splits = Splits(np.arange(10), np.arange(10, 14), np.arange(0))
    counts = {name: 7, "beech": 2, "ash": 1}
    return SimpleNamespace(splits=splits, near_duplicates=near, class_counts=lambda split: counts)


@pytest.mark.parametrize("name", NAMES)
def test_there_and_back(name: str) -> None:
    near = NearDuplicates(3, 2, tuple(Pair(i, i + 1, name, "b.jpg", "train", "val") for i in range(12)))
    tags = facts.data_tags(dataset(name, near))
    assert [schema.IMAGES.at(split).read(tags) for split in ("train", "val", "test")] == [10, 4, 0]
    most, least = (schema.CLASSES.read(tags) or {}).items()
    assert (most[1], least) == (7, ("ash", 1))
    assert most[0][:3] == name.encode("unicode_escape").decode()[:3] or name.startswith(most[0][:3])
    back = facts.near_duplicates(tags)
    assert (back.pairs, back.photos, len(back.examples)) == (3, 2, 5)
    assert all(len(value) < 5000 for value in tags.values())


@pytest.mark.parametrize("broken", ["", "{", "[1, 2]", '{"a": "b"}', "null"])
def test_tags_that_say_nothing(broken: str) -> None:
    tags = {"classes": broken, "near_duplicates": "1", "near_duplicates.named": broken, "photos.val": broken}
    assert schema.CLASSES.read(tags) is None
    assert facts.near_duplicates(tags).examples == ()
    assert schema.IMAGES.at("val").read(tags) is None
    assert facts.near_duplicates({}) == NearDuplicates()
