"""The check of an export: its agreement with the model on test images, run by its own runtime."""

import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from src.data.dataset import Dataset
from src.data.listing import Split
from src.deployment.exporters import Runtime, as_floats, run_split
from src.deployment.paired import paired_difference
from src.inference.temperature import Probabilities
from src.statistics.intervals import Interval

_TIMED = 30


@dataclass(frozen=True)
class ExportCheck:
    """An export against its model, on the same images.

    Attributes:
        megabytes: on the disk.
        accuracy: of the export, 0–1.
        difference: its accuracy minus the model's.
        agreement: share of images of which both name the same class, 0–1.
        farthest: the greatest difference of a probability.
        milliseconds: an image alone takes, the median.
    """

    images: int
    megabytes: float
    accuracy: float
    difference: Interval
    agreement: float
    farthest: float
    milliseconds: float


def check_export(path: Path, runtime: Runtime, expected: Probabilities, dataset: Dataset, split: Split) -> ExportCheck:
    """Run an export on the images of a split.

    Args:
        path: of the export, a file or a folder.
        runtime: runs it.
        expected: the model's own probabilities of these images, float32 [images, classes].
        dataset: has the images.
        split: which of them.
    """
    indices = dataset.splits[split]
    labels, groups = dataset.labels[indices], dataset.groups[indices]
    probabilities = run_split(runtime, dataset, split)
    predicted, expected_classes = probabilities.argmax(axis=1), expected.argmax(axis=1)
    return ExportCheck(
        images=indices.size,
        megabytes=_bytes(path) / 1e6,
        accuracy=float(np.mean(predicted == labels)),
        difference=paired_difference(predicted == labels, expected_classes == labels, groups),
        agreement=float(np.mean(predicted == expected_classes)),
        farthest=float(np.abs(probabilities - expected).max()),
        milliseconds=_milliseconds(runtime, as_floats(dataset.pixels[indices[:1]])),
    )


def _milliseconds(runtime: Runtime, image: NDArray[np.float32]) -> float:
    runtime(image)
    taken = []
    for _ in range(_TIMED):
        began = time.perf_counter()
        runtime(image)
        taken.append(1000 * (time.perf_counter() - began))
    return float(np.median(taken))


def _bytes(path: Path) -> int:
    files = [path] if path.is_file() else path.rglob("*")
    return sum(file.stat().st_size for file in files if file.is_file())
