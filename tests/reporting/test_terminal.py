"""The terminal: lines where there is no terminal, bars where there is, strangers' text shown as text."""

import pytest

from src.reporting.terminal import Terminal

NUMBERS = {
    "best/fit_accuracy": 0.9, "best/train_accuracy": 0.95, "best/val_accuracy": 0.5,
    "test/accuracy": 0.45, "gap/mode": -0.05,
    "gap/generalization": 0.45, "best/epoch": 7.0, "trainable_parameters": 12345.0,
    "time/data": 1.25, "time/total": 60.0,
}  # fmt: skip


def test_the_result_holds_every_number(capsys: pytest.CaptureFixture[str]) -> None:
    with Terminal(progress=False) as terminal:
        terminal.result(NUMBERS, {"run": "abc", "files": "/some/where"})
    out, err = capsys.readouterr()
    for text in (
        "fit 0.900",
        "train 0.950",
        "val 0.500",
        "test 0.450",
        "-0.050",
        "+0.450",
        "12,345",
        "total 60.0",
        "abc",
    ):
        assert text in out
    assert err == ""


def test_lines_at_quarters_where_there_is_no_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    with Terminal(progress=True) as terminal:
        terminal.bar("reading")
        for done in range(1, 101):
            terminal.count(done, 100)
    assert capsys.readouterr().err.splitlines() == [f"reading: {n} of 100" for n in (25, 50, 75, 100)]


def test_quiet_is_quiet_but_warnings_are_told(capsys: pytest.CaptureFixture[str]) -> None:
    with Terminal(progress=False) as terminal:
        terminal.bar("reading")
        terminal.count(1, 1)
        terminal.note("a note")
        terminal.warn("class [red]\x1b[31m\n")
    assert capsys.readouterr().err == "warning: class [red]\\x1b[31m\n"


def test_trials_of_a_sweep_warn_once(capsys: pytest.CaptureFixture[str]) -> None:
    for in_sweep in (True, True, False):
        with Terminal(progress=False, in_sweep=in_sweep) as terminal:
            terminal.warn("near-equal photos here")
    assert capsys.readouterr().err.count("near-equal photos here") == 2


UNEVEN = NUMBERS | {
    "objective": "accuracy", "baseline/chance": 1 / 3, "baseline/val_accuracy": 0.762, "baseline/val_macro_f1": 0.288,
    "best/val_macro_f1": 0.4,
}  # fmt: skip


def test_the_baselines_stand_below_the_metrics(capsys: pytest.CaptureFixture[str]) -> None:
    with Terminal(progress=False) as terminal:
        terminal.result(UNEVEN, {})
        terminal.result(UNEVEN | {"objective": "macro_f1"}, {})
        terminal.result(NUMBERS, {})
    said = [line.rstrip() for line in capsys.readouterr().out.splitlines() if line.startswith(("baseline", "macro"))]
    assert said == [
        "macro F1    val 0.400",
        "baseline    largest class 0.762, chance 0.333   val is not better",
        "macro F1    val 0.400",
        "baseline    largest class 0.762, chance 0.333 (macro F1 0.288)",
    ]
