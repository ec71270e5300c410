"""The tags of a run's data: images of each split, largest and smallest class, near-duplicates, baselines."""

import json
from collections.abc import Mapping

import numpy as np

from src.common import metrics
from src.common.errors import one_line
from src.data.dataset import Dataset
from src.data.duplicates import NearDuplicates, Pair
from src.data.listing import SPLITS

_EXAMPLES = 5
_LONGEST_NAME = 200
_CLASSES, _PAIRS, _PHOTOS, _NAMED = "classes", "near_duplicates", "near_duplicates.photos", "near_duplicates.named"


def data_tags(dataset: Dataset) -> dict[str, str]:
    """The tags of a run on `dataset`; names of photos and classes are cut to what a tag holds."""
    counts = sorted(dataset.class_counts("train").items(), key=lambda each: each[1])
    extremes = {_short(name): count for name, count in (counts[-1], counts[0])}
    near = dataset.near_duplicates
    return {
        **{f"photos.{split}": str(dataset.splits[split].size) for split in SPLITS},
        _CLASSES: json.dumps(extremes, ensure_ascii=False),
        _PAIRS: str(near.pairs),
        _PHOTOS: str(near.photos),
        _NAMED: json.dumps([_shortened(pair) for pair in near.examples[:_EXAMPLES]], ensure_ascii=False),
    }


def baselines(dataset: Dataset) -> dict[str, float]:
    """Return the run's metrics `baseline/*` of val and test; see :func:`src.common.metrics.baselines`."""
    counts = {split: np.array([*dataset.class_counts(split).values()], np.int64) for split in SPLITS}
    return metrics.baselines(counts["train"], {split: counts[split] for split in ("val", "test")})


def photos(tags: Mapping[str, str], split: str) -> int | None:
    """Return the number of images of a split; None if the run does not say."""
    text = tags.get(f"photos.{split}", "")
    return int(text) if text.isdecimal() else None


def class_counts(tags: Mapping[str, str]) -> dict[str, int]:
    """Training photos of the largest and the smallest class; empty where the run does not say."""
    try:
        return {str(name): int(count) for name, count in json.loads(tags.get(_CLASSES, "{}")).items()}
    except (ValueError, TypeError, AttributeError):
        return {}


def near_duplicates(tags: Mapping[str, str]) -> NearDuplicates:
    """Near-equal photos across splits, the first few of them named; none where the run does not say."""
    try:
        named = tuple(Pair(*each) for each in json.loads(tags.get(_NAMED, "[]")))
        return NearDuplicates(int(tags.get(_PAIRS, 0)), int(tags.get(_PHOTOS, 0)), named)
    except (ValueError, TypeError):
        return NearDuplicates()


def _shortened(pair: Pair) -> Pair:
    return pair._replace(first_name=_short(pair.first_name), second_name=_short(pair.second_name))


def _short(name: str) -> str:
    return one_line(name, _LONGEST_NAME)
