"""Features on disk: an array under a key that names everything they follow from."""

from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from src.common.events import EventHandler
from src.common.file_store import ArrayWriter, FileStore

Features = NDArray[np.floating]
"""Features, float32 or float16 [images, values of one image]."""

_NAME = "features"


class FeatureCache(FileStore):
    """A store of features."""

    def __init__(self, folder: Path, max_gb: float, emit: EventHandler) -> None:
        super().__init__(folder, max_gb, emit, "features", "computing frozen layers at each epoch")

    def read(self, key: str, shape: tuple[int, int], dtype: str) -> Features | None:
        """Return the features under `key`, mapped into memory, or None."""
        features = (self.open(key) or {}).get(_NAME)
        return (
            features if features is not None and (features.shape, features.dtype) == (shape, np.dtype(dtype)) else None
        )

    def fill(self, shapes: Mapping[str, tuple[int, int]], dtype: str, blocks: Iterator[Mapping[str, Features]]) -> None:
        """Write the arrays of `shapes` (images, values), by key, as `blocks` of them come; all or none."""

        def write(files: Mapping[str, ArrayWriter]) -> None:
            with ExitStack() as streams:
                append = {
                    key: streams.enter_context(file.stream(_NAME, shapes[key], dtype)) for key, file in files.items()
                }
                for block in blocks:
                    for key in files:
                        append[key](block[key])

        item = np.dtype(dtype).itemsize
        self.write({key: count * width * item for key, (count, width) in shapes.items()}, write)
