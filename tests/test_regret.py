"""The table of the benchmark of regret."""

from typing import Any

import psutil

from benchmarks.regret import busy, table

MEANS = [[0, 1e-4, 0.5], [0, 1e-3, 0.7], [29, 1e-4, 0.8]]


def result(seconds: float, **places: tuple[float, list[float]]) -> dict[str, Any]:
    runs = [
        {"who": who, "minutes": 2.0, "beside": 0, "place": place, "seconds": taken}
        for who, (taken, place) in places.items()
    ]
    return {"truth": {"seconds": seconds, "means": MEANS}, "runs": runs}


def test_tasks_are_averaged_and_the_worst_is_named() -> None:
    first = result(1200, thaw=(118, [29, 1e-4]), random=(125, [0, 1e-3]))
    second = result(600, thaw=(121, [0, 1e-3]), random=(120, [0, 1e-4]))
    head, _, random, thaw = table([first, second]).splitlines()
    assert head.count("|") == thaw.count("|")
    assert random == "| 2 | 0 | random | 2 | 20.00 | 30.00 | 0.15 | +5 |"
    assert thaw == "| 2 | 0 | thaw | 2 | 5.00 | 10.00 | 0.15 | +1 |"


def test_cores_are_kept_busy_for_as_long_as_is_asked() -> None:
    before = set(psutil.Process().children())
    with busy(2):
        others = set(psutil.Process().children()) - before
        assert len(others) == 2
    assert not any(other.is_running() for other in others)
