"""What accuracy costs, and the front."""

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from src.verdict.cost import cost_points, fronts, pareto_front
from tests.verdict.studies import trial

points = st.lists(st.tuples(st.integers(0, 5), st.integers(0, 5)), max_size=12)


@given(points)
def test_the_front_is_what_nothing_beats(found: list[tuple[int, int]]) -> None:
    costs, accuracies = [cost for cost, _ in found], [accuracy for _, accuracy in found]
    front = pareto_front(costs, accuracies)
    assert [costs[k] for k in front] == sorted(costs[k] for k in front)

    def beaten(one: tuple[int, int]) -> bool:
        return any(cost <= one[0] and accuracy >= one[1] and (cost, accuracy) != one for cost, accuracy in found)

    assert {found[k] for k in front} == {one for one in found if not beaten(one)}


def test_a_point_is_a_configurations_mean() -> None:
    metrics = [
        {"best/val_accuracy": 0.5, "trainable_parameters": 100.0, "time/total": 10.0},
        {"best/val_accuracy": 0.7, "trainable_parameters": 100.0, "time/total": 20.0},
    ]
    seeds = [replace(trial(2, seed, factors={"dropout": 0.2}), metrics=each) for seed, each in enumerate(metrics)]
    one, other = cost_points([*seeds, trial(2, 0, 0.9, {"dropout": 0.5}), trial(2, 1, status="FAILED", val=None)])
    assert (one.depth, one.settings, round(one.accuracy, 6), one.parameters, one.seconds) == (
        2, "dropout=0.2", 0.6, 100.0, 15.0,
    )  # fmt: skip
    assert (other.settings, other.parameters, other.seconds) == ("dropout=0.5", None, None)


def test_each_data_set_has_its_own_front() -> None:
    rows = [("pets", 1, 0.9), ("pets", 2, 0.95), ("trees", 1, 0.3), ("trees", 2, 0.2)]
    trials = [
        replace(trial(depth, factors={"data.root": root}), metrics={"best/val_accuracy": val, "time/total": depth})
        for root, depth, val in rows
    ]
    points = cost_points(trials)
    found = [[(cost, point.facet) for cost, point in front] for front in fronts([(p.seconds, p) for p in points])]
    assert found == [[(1.0, "data.root=pets"), (2.0, "data.root=pets")], [(1.0, "data.root=trees")]]
    assert fronts([(p.parameters, p) for p in points]) == []
