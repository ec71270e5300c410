"""The timed comparison: what it reckons, compares and refuses. Its commands are run by ``make bench``."""

import json
from collections.abc import Mapping

import pytest

from benchmarks.reference import IN_TURN, QUICK, RESULTS, Timed, all_ratios, all_seconds, fallen


def of(seconds: float, **parts: float) -> Timed:
    return Timed(
        seconds, 1.0, f"XLA off\n{json.dumps({name.replace('_', ' '): value for name, value in parts.items()})}"
    )


RUNS = {
    "shallow": [of(20.0), of(30.0)],
    "thaw": [of(100.0)],
    "keras_xla_off": [Timed(50.0, 1.0, json.dumps({"0": 10.0, "2": 10.0, "11": 10.0, "20": 10.0}))],
    "floor": [of(9.0, **{"pass": 1.0}, depth_0=2.0, depth_2=2.0, depth_11=10.0, depth_20=10.0)],
}


def test_what_did_not_run_is_reckoned_from_what_did() -> None:
    seconds = all_seconds(RUNS)
    assert seconds["shallow"] == 25.0
    assert seconds["keras_xla_off"] == 10.0 + 8 * 40.0  # its start, and each depth's trial eight times
    assert seconds["keras_shallow"] == 10.0 + 8 * 20.0
    assert (seconds["floor"], seconds["floor_shallow"]) == (25.0, 5.0)


def test_ratios_are_of_those_who_ran() -> None:
    ratios = all_ratios(all_seconds(RUNS))
    assert ratios["keras_to_thaw"] == 3.3
    assert ratios["floor_to_thaw"] == 0.25
    assert "keras_tuner_to_thaw" not in ratios


def test_a_quick_run_compares_what_a_whole_one_recorded() -> None:
    history = json.loads(RESULTS.read_text("utf-8"))
    quick = all_ratios(dict.fromkeys({*QUICK, "floor_shallow"}, 1.0))
    assert set(quick) == {"keras_to_thaw_shallow", "floor_to_thaw_shallow"}
    assert all(set(quick) <= set(run["ratios"]) for run in history)
    assert all(run["commit"] and run["side"] in IN_TURN for run in history)
    assert all({"shallow", "floor", "keras_xla_off"} <= set(turn) for turn in IN_TURN.values())


@pytest.mark.parametrize(
    ("before", "lines"),
    [({"keras_to_thaw": 4.0}, []), ({"keras_to_thaw": 4.2}, ["keras_to_thaw: 3.30, was 4.20"]), ({}, [])],
)
def test_a_ratio_that_falls_by_more_than_a_fifth_is_named(before: Mapping[str, float], lines: list[str]) -> None:
    assert fallen({"keras_to_thaw": 3.3}, before) == lines
