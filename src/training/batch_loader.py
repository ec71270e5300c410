"""Load features and labels of any epoch and split, some batches at a time."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from src.config import TrialConfig
from src.data.augment import view_number
from src.data.batches import epoch_order
from src.data.dataset import Dataset
from src.data.listing import Split
from src.data.split import Indices
from src.features.feature_source import FeatureSource, GetFeatures

_GROUP_BYTES = 8e6
_MOST_BATCHES = 64


@dataclass(frozen=True)
class BatchGroup:
    """Whole batches, the last of an epoch among them.

    Attributes:
        features: float32 [images, values of one image] at the phase's freeze boundary.
        labels: int64 [images].
    """

    features: NDArray[np.float32]
    labels: NDArray[np.int64]


_EVALUATED_AT_ONCE = 4
"""Batches that are evaluated as one, which takes a third less time."""


@dataclass(frozen=True)
class BatchLoader:
    """Loads groups of batches by the trial's seed, batch size and augmentation."""

    dataset: Dataset
    trial: TrialConfig
    feature_source: FeatureSource

    @property
    def images(self) -> int:
        """Return the number of training images."""
        return int(self.dataset.splits.train.size)

    def training(self, phase: int, epoch: int) -> Iterator[BatchGroup]:
        """Yield the training images of epoch `epoch` of the trial, in its order and view, for the phase `phase`."""
        augment = self.trial.augment
        view = None if augment.is_identity else view_number(augment, epoch)
        order = epoch_order(self.images, self.trial.seed, epoch)
        return self._groups("train", self.feature_source.source(phase, "train", view), phase, order)

    def as_they_are(self, phase: int, split: Split) -> Iterator[BatchGroup]:
        """Yield the images of `split` once, in their own order."""
        return self._groups(
            split, self.feature_source.source(phase, split), phase, np.arange(self.dataset.splits[split].size)
        )

    def evaluation_size(self, phase: int) -> int:
        """Return the number of images that are evaluated at a time."""
        return min(_EVALUATED_AT_ONCE * self.trial.batch_size, self._group_size(phase))

    def _group_size(self, phase: int) -> int:
        batch_bytes = self.trial.batch_size * self.feature_source.cache_plan.phases[phase].freeze_boundary.image_bytes()
        return self.trial.batch_size * int(np.clip(_GROUP_BYTES // batch_bytes, 1, _MOST_BATCHES))

    def _groups(self, split: Split, source: GetFeatures, phase: int, order: Indices) -> Iterator[BatchGroup]:
        size = self._group_size(phase)
        labels = self.dataset.labels[self.dataset.splits[split]]

        def load_group(first: int) -> BatchGroup:
            positions = order[first : first + size]
            return BatchGroup(source(positions), labels[positions])

        return _ahead(load_group, range(0, order.size, size))


def _ahead(make: Callable[[int], BatchGroup], starts: range) -> Iterator[BatchGroup]:
    """Yield `make` of each start, one ahead of the reader: features are read, or computed, while others train."""
    with ThreadPoolExecutor(1) as pool:
        coming = pool.submit(make, starts[0])
        for start in starts[1:]:
            ready, coming = coming.result(), pool.submit(make, start)
            yield ready
        yield coming.result()
