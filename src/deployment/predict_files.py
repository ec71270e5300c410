"""Predict image files: they are decoded in threads while the network works."""

from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image as PillowImage

from src.common.errors import ThawError, one_line
from src.common.events import Advanced, EventHandler
from src.common.jpeg import jpeg_uri
from src.data.decode import Resize, read_images
from src.data.listing import Image, UnreadableImageError
from src.data.remarks import collected_remarks
from src.inference.classifier import BATCH, Classifier
from src.inference.temperature import Probabilities

PREDICTING = "predicting"
_AHEAD = 3 * BATCH
"""Images that are decoded or being decoded while the network works."""

_THUMBNAIL = 160
"""Side of a thumbnail, px."""


@dataclass(frozen=True)
class DecodedFile:
    """A file as the network takes it, or the reason why it cannot be read.

    Attributes:
        image: uint8 [side, side, 3]; None where the file cannot be read.
        reason: why not; "" where it can.
        warnings: what the decoder says of it.
        thumbnail: of the image, as :attr:`FilePredictions.thumbnails` has it.
    """

    path: Path
    image: Image | None
    reason: str = ""
    warnings: tuple[str, ...] = ()
    thumbnail: str = ""


@dataclass(frozen=True)
class FilePredictions:
    """The predictions of files.

    Attributes:
        paths: those that were read.
        probabilities: float32 [paths, classes].
        unreadable: why, for the others.
        warnings: what the decoder says of files that were read.
        thumbnails: of the files that were read, as addresses that hold a JPEG; empty where none are asked for.
        missing: why words of the command name no image.
    """

    paths: tuple[Path, ...]
    probabilities: Probabilities
    unreadable: Mapping[Path, str]
    warnings: Mapping[Path, str] = field(default_factory=dict)
    thumbnails: tuple[str, ...] = ()
    missing: Mapping[str, str] = field(default_factory=dict)

    def order(self) -> NDArray[np.int64]:
        """Return the classes of each file from most to least probable, int64 [paths, classes]."""
        return np.argsort(-self.probabilities, axis=1, kind="stable")


def predict_files(
    classifier: Classifier,
    paths: Sequence[Path],
    emit: EventHandler,
    *,
    threads: int,
    calibrated: bool = True,
    thumbnails: bool = False,
) -> FilePredictions:
    """Return the probabilities of image files; those that cannot be read are named, and the rest predicted."""
    read, unreadable, batches = [], {}, [classifier.probabilities([])]
    batch: list[Image] = []
    for number, file in enumerate(decoded(classifier, paths, threads, thumbnails=thumbnails)):
        if file.image is None:
            unreadable[file.path] = file.reason
        else:
            read.append(replace(file, image=None))
            batch.append(file.image)
        if len(batch) == BATCH or number + 1 == len(paths):
            batches.append(classifier.probabilities(batch, calibrated=calibrated))
            batch = []
        emit(Advanced(PREDICTING, number + 1, len(paths)))
    warnings = {file.path: "; ".join(file.warnings) for file in read if file.warnings}
    small = tuple(file.thumbnail for file in read if thumbnails)
    return FilePredictions(tuple(file.path for file in read), np.concatenate(batches), unreadable, warnings, small)


def decoded(
    classifier: Classifier, paths: Sequence[Path], threads: int, *, thumbnails: bool = False
) -> Iterator[DecodedFile]:
    """Yield each file as the network takes it, in order."""
    ahead: deque[Future[DecodedFile]] = deque()
    with collected_remarks() as take, ThreadPoolExecutor(threads) as pool:

        def read(path: Path) -> DecodedFile:
            try:
                image, thumbnail = _images(classifier, path, thumbnails)
            except (UnreadableImageError, ThawError) as error:
                take()
                return DecodedFile(path, None, one_line(error, 300))
            return DecodedFile(path, image, "", tuple(take()), thumbnail)

        try:
            for path in paths:
                ahead.append(pool.submit(read, path))
                if len(ahead) > _AHEAD:
                    yield ahead.popleft().result()
            for future in ahead:
                yield future.result()
        finally:
            pool.shutdown(cancel_futures=True)  # an interruption waits for none that has not begun


def _images(classifier: Classifier, path: Path, has_thumbnail: bool) -> tuple[Image, str]:
    """Return a file as the network takes it, and its thumbnail, of one decoding."""
    facts = classifier.facts
    squares: list[tuple[int, Resize]] = [(classifier.side, facts.resize)]
    squares += [(_THUMBNAIL, "crop")] if has_thumbnail else []
    image, *small = read_images(path, squares, facts.bit_depth)
    return image, jpeg_uri(PillowImage.fromarray(small[0]), quality=80) if small else ""
