"""What accuracy costs, and the front."""

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from src.verdict.cost import CostPoint, cost_points, fronts
from tests.verdict.studies import trial

points = st.lists(st.tuples(st.integers(0, 5), st.integers(0, 5)), max_size=12)


@given(points)
def test_the_front_is_what_nothing_beats(found: list[tuple[int, int]]) -> None:
    (front,) = fronts([(1.0 + cost, CostPoint("", 0, "", accuracy, None, None)) for cost, accuracy in found]) or [[]]
    assert [cost for cost, _ in front] == sorted(cost for cost, _ in front)

    def beaten(one: tuple[int, int]) -> bool:
        return any(cost <= one[0] and accuracy >= one[1] and (cost, accuracy) != one for cost, accuracy in found)

    assert {(cost - 1, point.score) for cost, point in front} == {one for one in found if not beaten(one)}


def test_a_point_is_a_configurations_mean() -> None:
    metrics = [
        {"best/val_accuracy": 0.5, "trainable_parameters": 100.0, "time/phase/a": 6.0, "time/phase/b": 4.0},
        {"best/val_accuracy": 0.7, "trainable_parameters": 100.0, "time/phase/a": 20.0},
    ]
    seeds = [replace(trial(2, seed, factors={"dropout": 0.2}), metrics=each) for seed, each in enumerate(metrics)]
    one, other = cost_points([*seeds, trial(2, 0, 0.9, {"dropout": 0.5}), trial(2, 1, status="FAILED", val=None)])
    assert (one.depth, one.settings, round(one.score, 6), one.parameters, one.seconds) == (
        2, "dropout=0.2", 0.6, 100.0, 15.0,
    )  # fmt: skip
    assert (other.settings, other.parameters, other.seconds) == ("dropout=0.5", None, None)


def test_what_the_first_trial_pays_for_all_is_no_cost_of_its_depth() -> None:
    """It reads the photos, starts TensorFlow and computes frozen layers; its first steps are compiled."""
    first = {"time/data": 3.0, "time/features": 3.1, "time/tensorflow": 4.0, "time/phase/a": 2.0, "time/total": 12.1}
    others = {"time/data": 0.1, "time/phase/a": 0.5, "time/total": 0.8}
    seeds = [
        replace(trial(0, seed), metrics={"best/val_accuracy": 0.5, **(others if seed else first)}) for seed in range(3)
    ]
    (point,) = cost_points(seeds)
    assert point.seconds == 0.5


def test_each_data_set_has_its_own_front() -> None:
    rows = [("pets", 1, 0.9), ("pets", 2, 0.95), ("trees", 1, 0.3), ("trees", 2, 0.2)]
    trials = [
        replace(trial(depth, factors={"data.root": root}), metrics={"best/val_accuracy": val, "time/phase/a": depth})
        for root, depth, val in rows
    ]
    points = cost_points(trials)
    found = [[(cost, point.facet) for cost, point in front] for front in fronts([(p.seconds, p) for p in points])]
    assert found == [[(1.0, "data.root=pets"), (2.0, "data.root=pets")], [(1.0, "data.root=trees")]]
    assert fronts([(p.parameters, p) for p in points]) == []
