"""Numbers, names and times as a report writes them. The templates have these functions as filters."""

from collections.abc import Sequence

from src.common.metrics import Metric
from src.common.shell import setting
from src.diagnosis.remedies import Settings
from src.statistics.intervals import LEVEL, Interval
from src.verdict.facet import DepthRow
from src.verdict.trials import typed_value
from src.verdict.verdict import Verdict

FILTERS = (
    "as_typed", "counted", "duration", "layers", "listed", "number", "percent", "points", "seconds", "seeds", "short",
    "standing", "times", "trials", "words",
)  # fmt: skip
METRIC_FILTERS = ("difference", "ends", "said", "plain", "said_apart", "signed_ends")
"""The filters that write values of a metric."""


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


def difference(interval: Interval, metric: Metric) -> str:
    """Return a difference of a metric's values with its interval.

    >>> from src.common.metrics import METRICS
    >>> difference(Interval(0.04, -0.01, 0.09, 3), METRICS["accuracy"])
    '+4.0 points, 95% CI −1.0 to +9.0'
    """
    text, both = said_apart(interval.estimate, metric, signed=True), signed_ends(interval, metric)
    return f"{text}, {LEVEL:.0%} CI {both}" if both else text


def ends(interval: Interval, metric: Metric) -> str:
    """Return the ends of a score's interval, none below 0 or above 1; empty where there are none.

    >>> from src.common.metrics import METRICS
    >>> ends(Interval(0.5, 0.45, 1.02, 3), METRICS["accuracy"]), ends(Interval(0.5, None, None, 1), METRICS["accuracy"])
    ('45.0–100.0', '')
    """
    if interval.low is None or interval.high is None:
        return ""
    return f"{plain(max(0.0, interval.low), metric)}–{plain(min(1.0, interval.high), metric)}"


def signed_ends(interval: Interval, metric: Metric) -> str:
    """Return the ends of a difference's interval; empty where there are none.

    >>> from src.common.metrics import METRICS
    >>> signed_ends(Interval(0.01, -0.02, 0.04, 3), METRICS["accuracy"])
    '−2.0 to +4.0'
    """
    if interval.low is None or interval.high is None:
        return ""
    return f"{plain(interval.low, metric, signed=True)} to {plain(interval.high, metric, signed=True)}"


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


def counted(count: float, noun: str) -> str:
    """Return a count and its noun.

    >>> counted(1, "pair"), counted(1200, "photo")
    ('1 pair', '1,200 photos')
    """
    return f"{count:,} {noun}{'s' * (count != 1)}"


def short(value: float) -> str:
    """Return a number in three digits.

    >>> short(0.00031234)
    '0.000312'
    """
    return f"{value:.3g}"


def seconds(value: float | None) -> str:
    """Return seconds; empty where they are unknown.

    >>> seconds(0.44), seconds(12.3), seconds(None)
    ('0.4', '12', '')
    """
    return "" if value is None else times(value)


def times(factor: float) -> str:
    """Return a factor.

    >>> times(1.74), times(12.3)
    ('1.7', '12')
    """
    return f"{factor:.1f}" if factor < 10 else f"{factor:,.0f}"


def duration(length: float) -> str:
    """Return seconds with the unit that suits them.

    >>> duration(40), duration(700), duration(9000)
    ('40 s', '12 min', '2.5 h')
    """
    return f"{length:.0f} s" if length < 90 else f"{length / 60:.0f} min" if length < 5400 else f"{length / 3600:.1f} h"


def as_typed(settings: Settings) -> str:
    """Return `settings` as they are typed in a shell.

    >>> as_typed({"schedule": "two_phase", "unfrozen": "all", "dropout": 0.5})
    'schedule=two_phase unfrozen=all dropout=0.5'
    """
    return " ".join(setting(name, typed_value(value)) for name, value in settings.items())


def standing(row: DepthRow, verdict: Verdict) -> str:
    """Return how a depth compares with the best one; empty where nothing is known."""
    if row.depth == verdict.best:
        return "best mean"
    if row.to_best.low is None:
        return ""
    return "clearly worse" if row.is_worse else "may be as good"


def words(text: str) -> str:
    """Return a text with one blank between its words, and none before punctuation."""
    return " ".join(text.split()).replace(" ,", ",").replace(" .", ".").replace("( ", "(")
