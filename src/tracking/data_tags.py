"""The tags of a run's data: images of each split, largest and smallest class, near-duplicates, baselines."""

from collections.abc import Mapping

import numpy as np

from src.common import metrics
from src.common.errors import one_line
from src.data.dataset import Dataset
from src.data.duplicates import NearDuplicates, Pair
from src.data.listing import SPLITS
from src.tracking import schema

_EXAMPLES = 5
_LONGEST_NAME = 200


def data_tags(dataset: Dataset) -> dict[str, str]:
    """Return the tags of a run on `dataset`; names of photos and classes are cut to what people read."""
    counts = sorted(dataset.class_counts("train").items(), key=lambda item: item[1])
    extremes = {_short(name): count for name, count in (counts[-1], counts[0])}
    near = dataset.near_duplicates
    sizes = [schema.IMAGES.at(split).of(dataset.splits[split].size) for split in SPLITS]
    return {
        **{name: text for tag in sizes for name, text in tag.items()},
        **schema.CLASSES.of(extremes),
        **schema.NEAR_DUPLICATES.of(near.pairs),
        **schema.NEAR_DUPLICATE_IMAGES.of(near.photos),
        **schema.NEAR_DUPLICATE_EXAMPLES.of([_shortened(pair) for pair in near.examples[:_EXAMPLES]]),
    }


def baselines(dataset: Dataset) -> dict[str, float]:
    """Return the run's metrics `baseline/*` of val and test; see :func:`src.common.metrics.baselines`."""
    counts = {split: np.array([*dataset.class_counts(split).values()], np.int64) for split in SPLITS}
    return metrics.baselines(counts["train"], {split: counts[split] for split in ("val", "test")})


def near_duplicates(tags: Mapping[str, str]) -> NearDuplicates:
    """Near-equal photos across splits, the first few of them named; none where the run does not say."""
    pairs, photos = schema.NEAR_DUPLICATES.read(tags), schema.NEAR_DUPLICATE_IMAGES.read(tags)
    try:
        examples = tuple(Pair(*pair) for pair in schema.NEAR_DUPLICATE_EXAMPLES.read(tags) or ())
    except TypeError:
        return NearDuplicates()
    return NearDuplicates(pairs or 0, photos or 0, examples)


def _shortened(pair: Pair) -> Pair:
    return pair._replace(first_name=_short(pair.first_name), second_name=_short(pair.second_name))


def _short(name: str) -> str:
    return one_line(name, _LONGEST_NAME)
