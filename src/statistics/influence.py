"""The influence of each image on a metric, by the jackknife: the images' part of a score's uncertainty."""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from src.common.metrics import ClassCounts
from src.statistics.design import Floats


def influences(
    compute: Callable[[ClassCounts], float],
    labels: NDArray[np.int64],
    predicted: NDArray[np.int64],
    cases: NDArray[np.int64],
) -> Floats:
    """Return the influence of each case on a metric, float64 [cases], in the metric's unit; they add up to 0.

    The jackknife (Efron 1982, The Jackknife, the Bootstrap and Other Resampling Plans, ch. 3): (n - 1) / n times what
    the metric loses without an image, centred. For accuracy, this is (hit - accuracy) / n. The images of one case,
    such as a burst, are added up.

    Args:
        compute: the metric, of counts by class.
        labels: int64 [images], true classes.
        predicted: int64 [images], predicted classes.
        cases: int64 [images], the number of each image's case, from 0.
    """
    classes, images = int(max(labels.max(), predicted.max())) + 1, labels.size
    counts = ClassCounts.of(labels, predicted, classes)
    kinds, kind = np.unique(labels * classes + predicted, return_inverse=True)
    without = np.array([compute(_without(counts, *divmod(int(kind_number), classes))) for kind_number in kinds])
    influence = (images - 1) / images * (without.mean() - without)[kind]
    return np.asarray(np.bincount(cases, weights=influence - influence.mean()), np.float64)


def _without(counts: ClassCounts, label: int, predicted: int) -> ClassCounts:
    """Return the counts without one image."""
    true, guessed, right = counts.true.copy(), counts.predicted.copy(), counts.right.copy()
    true[label] -= 1
    guessed[predicted] -= 1
    right[label] -= label == predicted
    return ClassCounts(true, guessed, right)
