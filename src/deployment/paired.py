"""Two classifiers on the same images: how much better the one is than the other, with its interval."""

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from src.common.predictions import ImagePredictions
from src.statistics.intervals import LEVEL, Interval, t_interval


def paired_difference(
    right: NDArray[np.bool_], other_right: NDArray[np.bool_], groups: NDArray[np.uint64] | None = None
) -> Interval:
    """Return the accuracy of one classifier minus another's, on the same images in the same order.

    The interval is Student's t of the images' differences; images of one group, such as a burst, count as one value,
    since they are not independent.

    >>> paired_difference(np.array([True, True, True, False]), np.array([True, False, True, False]))
    Interval(estimate=0.25, low=-0.5456..., high=1.0456..., count=4)

    Args:
        right: whether the one is right, [images].
        other_right: whether the other is right, [images].
        groups: of the images, [images]; None: each image is a group of its own.
    """
    differences = right.astype(np.float64) - other_right.astype(np.float64)
    if groups is None:
        return t_interval(differences.tolist())
    _, members = np.unique(groups, return_inverse=True)
    sums = np.bincount(members, differences)
    return t_interval((sums * sums.size / differences.size).tolist())


def paired_p(interval: Interval) -> float:
    """Return the two-sided p-value of a difference, by the Student's t that its interval rests on.

    >>> round(paired_p(Interval(0.25, -0.5456, 1.0456, 4)), 3)
    0.391
    """
    if interval.low is None or interval.high is None or interval.high == interval.low:
        return 1.0
    freedom = interval.count - 1
    error = (interval.high - interval.low) / 2 / float(stats.t.ppf((1 + LEVEL) / 2, freedom))
    return float(2 * stats.t.sf(abs(interval.estimate) / error, freedom))


def compare_predictions(new: ImagePredictions, old: ImagePredictions) -> Interval | None:
    """Return the accuracy of `new` minus that of `old`; None unless they predict the same images of the same classes.

    Equal images with different labels are other images.
    """
    if new.images.shape != old.images.shape:
        return None
    first, second = (np.lexsort((predictions.labels, predictions.images)) for predictions in (new, old))
    same = new.images[first] == old.images[second], new.labels[first] == old.labels[second]
    if not (same[0].all() and same[1].all()):
        return None
    rights = (new.predicted == new.labels)[first], (old.predicted == old.labels)[second]
    return paired_difference(*rights, new.groups[first])


def points(interval: Interval) -> str:
    """Return a difference in percentage points with its interval.

    >>> points(Interval(0.012, -0.003, 0.027, 2000)), points(Interval(0.0, None, None, 1))
    ('+1.2 points (95% CI −0.3 to +2.7)', '+0.0 points')
    """
    estimate = f"{100 * interval.estimate:+.1f} points".replace("-", "−")
    if interval.low is None or interval.high is None:
        return estimate
    return f"{estimate} (95% CI {100 * interval.low:+.1f} to {100 * interval.high:+.1f})".replace("-", "−")
