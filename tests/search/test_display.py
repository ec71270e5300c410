"""What a sweep says of itself: counts, the best, the time left, a line as each trial ends, a table of all."""

import time

import pytest

from src.cli.job_results import JobResult, Status
from src.search.display import SweepDisplay, SweepProgress

LABELS = {number: f"unfrozen={number}" for number in range(60)}


def result(number: int, status: Status, score: float | None = None, error: str = "") -> JobResult:
    return JobResult(number, status, "0123456789", score, 1.5, error)


def sweep_progress(total: int | None, *results: JobResult) -> SweepProgress:
    found = SweepProgress(total, dict(LABELS))
    for each in results:
        found.add(each)
    return found


MIXED = (
    result(0, "finished", 0.5), result(1, "reused", 0.7), result(2, "failed", error="no such depth"),
    result(3, "killed", error="its process ended"), result(4, "skipped"),
)  # fmt: skip


def test_a_trial_that_the_time_ended_is_no_failure() -> None:
    late = result(5, "killed", error="the time is up")
    assert sweep_progress(None, *MIXED, late).failures() == {"failed": 1, "killed": 1}
    assert not sweep_progress(None, MIXED[0], late).failures()


@pytest.mark.parametrize(
    ("total", "results", "line"),
    [
        (3, (), "0 of 3 trials done, 3 left"),
        (None, (), "0 trials done"),
        (1, MIXED[:1], "1 of 1 trial done, best 0.500 (unfrozen=0)"),
        (None, MIXED[:1], "1 trial done, best 0.500 (unfrozen=0)"),
        (5, MIXED, "5 of 5 trials done, 1 reused, 1 failed, 1 killed, 1 skipped, best 0.700 (unfrozen=1)"),
        (2, (result(0, "finished", 0.0),), "1 of 2 trials done, 1 left, best 0.000 (unfrozen=0)"),
    ],
)
def test_a_tally_in_a_line(total: int | None, results: tuple[JobResult, ...], line: str) -> None:
    assert sweep_progress(total, *results).line().split(", about")[0] == line


def test_an_ending_told_again_counts_once() -> None:
    found = sweep_progress(2, result(0, "finished", 0.1), result(0, "failed", error="x"))
    assert found.counts() == {"failed": 1}
    assert found.best() is None


def test_the_time_left_is_that_of_trials_that_trained(monkeypatch: pytest.MonkeyPatch) -> None:
    found = sweep_progress(10, result(1, "reused", 0.7))
    assert found.remaining_seconds() is None
    found.add(result(0, "finished", 0.5))
    found.add(result(2, "failed", error="x"))
    monkeypatch.setattr(time, "monotonic", lambda: found.began + 20)
    assert found.remaining_seconds() == 70  # 7 left, 10 seconds each
    assert "about 70 s left" in found.line()
    assert sweep_progress(None, result(0, "finished", 0.5)).remaining_seconds() is None


def test_what_did_not_come_to_its_end_is_told_in_any_case(capsys: pytest.CaptureFixture[str]) -> None:
    for progress in (True, False):
        display = SweepDisplay(sweep_progress(5), "name", progress)
        with display:
            for each in MIXED:
                display.ended(each)
        told = capsys.readouterr().err.splitlines()
        always = ["3/5  unfrozen=2: FAILED: no such depth", "4/5  unfrozen=3: KILLED: its process ended"]
        assert [line for line in told if "ED:" in line] == always
        assert len(told) == (6 if progress else 2)


def test_the_table_names_every_trial_and_of_many_the_best_and_the_failures(capsys: pytest.CaptureFixture[str]) -> None:
    SweepDisplay(sweep_progress(5, *MIXED), "name", progress=False).table()
    rows = capsys.readouterr().out.splitlines()
    assert len(rows) == 7
    assert rows[3].split() == ["unfrozen=2", "failed:", "no", "such", "depth", "1.5"]
    many = [result(number, "finished", number / 100) for number in range(50)]
    SweepDisplay(sweep_progress(60, *many, result(55, "failed", error="here")), "name", progress=False).table()
    rows = capsys.readouterr().out.splitlines()
    assert len(rows) == 1 + 10 + 1 + 1
    assert rows[1].startswith("unfrozen=49")
    assert "failed: here" in rows[11]


def test_strangers_text_is_text(capsys: pytest.CaptureFixture[str]) -> None:
    display = SweepDisplay(SweepProgress(1, {0: "data.root='[red]x\x1b[31m'"}), "[bold]n\x1b[0m", progress=True)
    with display:
        display.ended(result(0, "failed", error="[link=x]no\nfile\x07"))
    display.table()
    out, err = capsys.readouterr()
    assert "\x1b" not in out + err
    assert "\x07" not in out + err
    assert "[red]x" in out
    assert "[bold]n" in err
    assert "[link=x]no file" in err
