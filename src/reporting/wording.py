"""Numbers as a verdict speaks them."""

from collections.abc import Sequence

from src.common.metrics import Metric
from src.statistics.intervals import LEVEL, Interval


def percent(share: float) -> str:
    """Return an accuracy as text.

    >>> percent(0.8125)
    '81.2%'
    """
    return f"{100 * share:.1f}%"


def points(difference: float, *, signed: bool = False) -> str:
    """Return a difference of accuracies, in percentage points.

    >>> points(0.0412), points(-0.02, signed=True)
    ('4.1 points', '−2.0 points')
    """
    return f"{number(difference, signed=signed)} points"


def said(value: float, metric: Metric) -> str:
    """Return a metric's value: per cent where it is a proportion.

    >>> from src.common.metrics import METRICS
    >>> said(0.8125, METRICS["balanced_accuracy"]), said(0.8125, METRICS["macro_f1"])
    ('81.2%', '0.812')
    """
    return percent(value) if metric.is_proportion else plain(value, metric)


def said_apart(difference: float, metric: Metric, *, signed: bool = False) -> str:
    """Return a difference of a metric's values: percentage points where it is a proportion.

    >>> from src.common.metrics import METRICS
    >>> said_apart(0.0412, METRICS["accuracy"]), said_apart(-0.0412, METRICS["macro_f1"], signed=True)
    ('4.1 points', '−0.041')
    """
    return points(difference, signed=signed) if metric.is_proportion else plain(difference, metric, signed=signed)


def plain(value: float, metric: Metric, *, signed: bool = False) -> str:
    """Return a metric's value or a difference of two, without a unit.

    >>> from src.common.metrics import METRICS
    >>> plain(0.8125, METRICS["accuracy"]), plain(0.02, METRICS["macro_f1"], signed=True)
    ('81.2', '+0.020')
    """
    if metric.is_proportion:
        return number(value, signed=signed)
    rounded = round(value, 3) + 0.0  # no minus before a zero
    return (f"{rounded:+.3f}" if signed else f"{rounded:.3f}").replace("-", "−")


def spoken(difference: Interval, metric: Metric) -> str:
    """Return a difference of a metric's values with its interval.

    >>> from src.common.metrics import METRICS
    >>> spoken(Interval(0.04, -0.01, 0.09, 3), METRICS["accuracy"])
    '+4.0 points, 95% CI −1.0 to +9.0'
    """
    text = said_apart(difference.estimate, metric, signed=True)
    if difference.low is None or difference.high is None:
        return text
    ends = f"{plain(difference.low, metric, signed=True)} to {plain(difference.high, metric, signed=True)}"
    return f"{text}, {LEVEL:.0%} CI {ends}"


def layers(depths: Sequence[int]) -> str:
    """Return depths by name.

    >>> layers([2]), layers([1]), layers([0, 2, 11])
    ('2 layers', '1 layer', '0, 2 and 11 layers')
    """
    return f"{listed([str(depth) for depth in depths])} layer{'s' * (list(depths) != [1])}"


def listed(names: Sequence[str]) -> str:
    """Return names one after the other.

    >>> listed(["dropout"]), listed(["a", "b", "c"])
    ('dropout', 'a, b and c')
    """
    return " and ".join(filter(None, (", ".join(names[:-1]), names[-1])))


def seeds(counts: Sequence[int]) -> str:
    """Return how many seeds the depths have.

    >>> seeds([3, 3]), seeds([2, 3]), seeds([1])
    ('3 seeds', '2 to 3 seeds', '1 seed')
    """
    return _counted(counts, "seed")


def trials(counts: Sequence[int]) -> str:
    """Return how many trials the depths have, where they differ in more than their seed.

    >>> trials([5, 9]), trials([1])
    ('5 to 9 trials', '1 trial')
    """
    return _counted(counts, "trial")


def _counted(counts: Sequence[int], noun: str) -> str:
    low, high = min(counts), max(counts)
    return f"{low} {noun}{'s' * (low != 1)}" if low == high else f"{low} to {high} {noun}s"


def number(share: float, *, signed: bool = False) -> str:
    """Return a share in per cent, or a difference in points, bare.

    >>> number(0.8125), number(-0.0001), number(0.02, signed=True)
    ('81.2', '0.0', '+2.0')
    """
    rounded = round(100 * share, 1) + 0.0  # no minus before a zero
    text = f"{rounded:+.1f}" if signed else f"{rounded:.1f}"
    return text.replace("-", "−")
