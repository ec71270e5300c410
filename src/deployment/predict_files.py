"""Predict image files: they are decoded in threads while the network works."""

from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from src.common.errors import ThawError, one_line
from src.common.events import Advanced, EventHandler
from src.data.listing import Image, UnreadableImageError
from src.data.remarks import collected_remarks
from src.inference.classifier import BATCH, Classifier
from src.inference.temperature import Probabilities

PREDICTING = "predicting"
_AHEAD = 3 * BATCH
"""Images that are decoded or being decoded while the network works."""


@dataclass(frozen=True)
class FilePredictions:
    """The predictions of files.

    Attributes:
        paths: those that were read.
        probabilities: float32 [paths, classes].
        unreadable: why, for the others.
    """

    paths: tuple[Path, ...]
    probabilities: Probabilities
    unreadable: Mapping[Path, str]

    def order(self) -> NDArray[np.int64]:
        """Return the classes of each file from most to least probable, int64 [paths, classes]."""
        return np.argsort(-self.probabilities, axis=1, kind="stable")


def predict_files(
    classifier: Classifier, paths: Sequence[Path], emit: EventHandler, *, threads: int, calibrated: bool = True
) -> FilePredictions:
    """Return the probabilities of image files; those that cannot be read are named, and the rest predicted."""
    read, unreadable, batches = [], {}, [classifier.probabilities([])]
    batch: list[Image] = []
    for number, (path, square) in enumerate(decoded(classifier, paths, threads)):
        if isinstance(square, str):
            unreadable[path] = square
        else:
            read.append(path)
            batch.append(square)
        if len(batch) == BATCH or number + 1 == len(paths):
            batches.append(classifier.probabilities(batch, calibrated=calibrated))
            batch = []
        emit(Advanced(PREDICTING, number + 1, len(paths)))
    return FilePredictions(tuple(read), np.concatenate(batches), unreadable)


def decoded(classifier: Classifier, paths: Sequence[Path], threads: int) -> Iterator[tuple[Path, Image | str]]:
    """Yield each file as the network takes it, in order, or the reason why it cannot be read."""

    def read(path: Path) -> Image | str:
        try:
            return classifier.square(path)
        except (UnreadableImageError, ThawError) as error:
            return one_line(error, 300)

    ahead: deque[tuple[Path, Future[Image | str]]] = deque()
    with collected_remarks(), ThreadPoolExecutor(threads) as pool:
        try:
            for path in paths:
                ahead.append((path, pool.submit(read, path)))
                if len(ahead) > _AHEAD:
                    first, waited = ahead.popleft()
                    yield first, waited.result()
            for path, future in ahead:
                yield path, future.result()
        finally:
            pool.shutdown(cancel_futures=True)  # an interruption waits for none that has not begun
