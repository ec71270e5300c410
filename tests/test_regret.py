"""The table of the benchmark of regret."""

import json
from typing import Any

import psutil

from benchmarks.regret import busy, table
from src.common.project import PROJECT

MEANS = [[0, 1e-4, 0.5], [0, 1e-3, 0.7], [29, 1e-4, 0.8]]


def result(seconds: float, **found: tuple[float, float]) -> dict[str, Any]:
    runs = [
        {"who": who, "minutes": 2.0, "beside": 0, "test": test, "seconds": taken}
        for who, (taken, test) in found.items()
    ]
    return {"truth": {"seconds": seconds, "chosen": {"test": 0.7}, "means": MEANS}, "runs": runs}


def test_tasks_are_averaged_and_the_worst_is_named() -> None:
    first = result(1200, thaw=(118, 0.81), random=(125, 0.7))
    second = result(600, thaw=(121, 0.7), random=(120, 0.5))
    rows = {cell[2]: cell[3:] for cell in cells(table([first, second]))[2:]}
    assert rows["random"] == ["2", "20.00", "30.00", "0.15", "+5"]
    assert rows["thaw"] == ["2", "4.50", "10.00", "0.15", "+1"]
    assert rows["exhaustive"] == ["2", "10.00", "10.00", "1.00", "+1080"]
    assert rows["recipe"] == ["2", "0.00", "0.00", "0.00", "-120"]


def test_a_search_that_has_tried_everything_has_done_so_with_more_time() -> None:
    early = result(600, thaw=(118, 0.8), random=(60, 0.7), bayesian=(121, 0.7))
    later = [{**run, "minutes": 5.0} for run in early["runs"] if run["who"] == "thaw"]
    rows = cells(table([{**early, "runs": early["runs"] + later}]))
    assert [row[2] for row in rows if row[0] == "5"] == ["exhaustive", "random", "recipe", "thaw"]


def test_cores_are_kept_busy_for_as_long_as_is_asked() -> None:
    before = set(psutil.Process().children())
    with busy(2):
        others = set(psutil.Process().children()) - before
        assert len(others) == 2
    assert not any(other.is_running() for other in others)


def test_the_document_says_what_the_table_says() -> None:
    document = (PROJECT / "docs" / "advise.md").read_text("utf-8").replace("**", "")
    section = document.partition("## Regret")[2].partition("\n## ")[0]
    results = [json.loads(path.read_text("utf-8")) for path in (PROJECT / "benchmarks" / "regrets").glob("*.json")]
    measured = [(row[0], *row[4:7]) for row in cells(table(results))[2:]]
    assert measured
    assert {(row[0], *row[2:5]) for row in cells(section)} >= set(measured)


def cells(text: str) -> list[list[str]]:
    """The cells of each row of Markdown's tables."""
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in text.splitlines() if line[:1] == "|"]
