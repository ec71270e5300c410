"""Features for training: a split in a view at a phase's freeze boundary, read from the cache or computed."""

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from src.common.clock import Clock
from src.common.events import COMPUTING, Advanced
from src.common.files import gather
from src.config import TrialConfig
from src.data.augment import AS_THEY_ARE
from src.data.batches import images_shown
from src.data.dataset import Dataset
from src.data.listing import Split
from src.data.split import Indices
from src.features.cache_plan import CachePlan, PhaseCachePlan
from src.features.feature_cache import FeatureCache, Features
from src.features.frozen_segment import BATCH, FrozenSegment
from src.models.cut import Cut

GetFeatures = Callable[[Indices], NDArray[np.float32]]
"""The features of images by position within their split, float32 [images, values of one image]."""

View = int | None
"""The number of a random view; None: the images as they are."""

GetFrozenSegment = Callable[[Cut | None, tuple[Cut, ...]], FrozenSegment]
"""The compiled frozen segment from a cut (None: images) to each of others."""

_BLOCK_BYTES, _MOST_BATCHES = 32e6, 8
"""Of the features that are computed before they are written."""


@dataclass(frozen=True)
class CacheContext:
    """The feature cache of a trial, and its key.

    Attributes:
        key: names the frozen layers and their weights.
    """

    key: str
    store: FeatureCache
    clock: Clock


class FeatureSource:
    """Returns a trial's features: read back where `cache_plan` keeps them, else computed."""

    def __init__(
        self,
        dataset: Dataset,
        trial: TrialConfig,
        cache_plan: CachePlan,
        frozen_segments: GetFrozenSegment,
        cache_context: CacheContext,
    ) -> None:
        self.dataset, self.trial, self.cache_plan, self.frozen_segments = dataset, trial, cache_plan, frozen_segments
        self.cache_context, self.store = cache_context, cache_context.store
        self._opened: dict[tuple[Split, View], Mapping[str, Features | None]] = {}

    def source(self, phase: int, split: Split, view: View = None) -> GetFeatures:
        """Return the features of `split` in `view` at the freeze boundary of the phase `phase`."""
        plan = self.cache_plan.phases[phase]
        cached = self._kept(plan, split, view)[plan.kept.name] if plan.kept else None
        return self._computed(plan, split, view) if cached is None else self._read(plan, cached)

    def kept_bytes(self) -> int:
        """Return the bytes of all splits' and views' features at the cuts that are cached."""
        views = 1 if self.trial.augment.is_identity else 1 + (self.trial.augment.views or 0)
        splits = self.dataset.splits
        images = views * splits.train.size + splits.val.size + splits.test.size
        return sum(images * cut.image_bytes(self.trial.features.dtype) for cut in self.cache_plan.kept)

    def _read(self, plan: PhaseCachePlan, cached: Features) -> GetFeatures:
        assert plan.kept is not None
        if plan.kept.name == plan.freeze_boundary.name:
            return lambda positions: gather(cached, positions).astype(np.float32, copy=False)
        bridge = self.frozen_segments(plan.kept, (plan.freeze_boundary,))
        return lambda positions: bridge(gather(cached, positions))[0]

    def _computed(self, plan: PhaseCachePlan, split: Split, view: View) -> GetFeatures:
        frozen_segment = self.frozen_segments(None, (plan.freeze_boundary,))
        dtype = self.trial.features.dtype

        def compute(positions: Indices) -> NDArray[np.float32]:
            (features,) = frozen_segment(self._images(split, view, positions))
            return features.astype(dtype, copy=False).astype(np.float32, copy=False)

        return compute

    def _images(self, split: Split, view: View, positions: Indices) -> NDArray[np.float32]:
        augment, number = (AS_THEY_ARE, 0) if view is None else (self.trial.augment, view)
        indices = self.dataset.splits[split][positions]
        images = images_shown(self.dataset, indices, augment, self.trial.seed, number)
        return images.reshape(len(positions), -1)

    def _kept(self, plan: PhaseCachePlan, split: Split, view: View) -> Mapping[str, Features | None]:
        """Return the kept features of `split` in `view` by cut; compute those that lack and are still constant."""
        if (split, view) not in self._opened:
            self._opened[split, view] = self._open_or_fill(plan, split, view)
        return self._opened[split, view]

    def _open_or_fill(self, plan: PhaseCachePlan, split: Split, view: View) -> Mapping[str, Features | None]:
        features = self._open(split, view)
        if not self._missing(plan, features) or not self.store.works:
            return features
        with self.store.exclusive(self._digest(split, view, "all")):
            features = self._open(split, view)  # another process may have computed them meanwhile
            missing = self._missing(plan, features)
            if missing and self.store.works:
                with self.cache_context.clock.part("features"):
                    self._fill(split, view, missing)
            return self._open(split, view)

    def _missing(self, plan: PhaseCachePlan, features: Mapping[str, Features | None]) -> tuple[Cut, ...]:
        """Return the cuts that lack features and precede all trained layers: behind those, features would be wrong."""
        return tuple(cut for cut in self.cache_plan.kept if features[cut.name] is None and cut.name in plan.constant)

    def _open(self, split: Split, view: View) -> dict[str, Features | None]:
        count, dtype = self.dataset.splits[split].size, self.trial.features.dtype
        return {
            cut.name: self.store.read(self._digest(split, view, cut.name), (count, cut.width), dtype)
            for cut in self.cache_plan.kept
        }

    def _fill(self, split: Split, view: View, cuts: tuple[Cut, ...]) -> None:
        count = int(self.dataset.splits[split].size)
        keys = [self._digest(split, view, cut.name) for cut in cuts]
        frozen_segment = self.frozen_segments(None, cuts)
        batch_bytes = BATCH * sum(cut.image_bytes() for cut in cuts)
        size = BATCH * int(np.clip(_BLOCK_BYTES // batch_bytes, 1, _MOST_BATCHES))

        def blocks() -> Iterator[Mapping[str, Features]]:
            self.store.emit(Advanced(COMPUTING, 0, count))
            for first in range(0, count, size):
                positions = np.arange(first, min(first + size, count))
                yield dict(zip(keys, frozen_segment(self._images(split, view, positions)), strict=True))
                self.store.emit(Advanced(COMPUTING, int(positions[-1]) + 1, count))

        shapes = {key: (count, cut.width) for key, cut in zip(keys, cuts, strict=True)}
        self.store.fill(shapes, self.trial.features.dtype, blocks())

    def _digest(self, split: Split, view: View, name: str) -> str:
        """Return the key of the features of `split` in `view` at the cut `name`: a hash of images, views and layers."""
        images = self.dataset.digests[self.dataset.splits[split]].astype("<u8").tobytes()
        looks = None if view is None else [self.trial.augment.model_dump(exclude={"views"}), self.trial.seed, view]
        text = json.dumps([self.cache_context.key, name, looks, self.trial.features.dtype], sort_keys=True)
        return hashlib.blake2b(text.encode() + images, digest_size=16).hexdigest()
