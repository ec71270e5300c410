"""Studies of equal depths through a budget's very decisions: how often the verdict calls one worse."""

import numpy as np

from benchmarks.false_claims import Shares, World, conduct, equal_depths, network_number
from src.advice.rounds import CHOOSING_SEEDS, Options, PlannedTrial


def test_dropping_and_looking_make_no_false_claims() -> None:
    rng = np.random.default_rng(1)
    worlds = [equal_depths(rng, World(200), depths=4, rates=2) for _ in range(100)]
    found = [conduct(Options(("",) * 4, 2, 6), world, rng.uniform(60, 1000), rng) for world in worlds]
    shares = Shares.of(found)
    assert shares.further > 0.2
    assert shares.compared > 0.5, "else nothing is tested"
    assert shares.wrong <= shares.fresh <= 0.1  # 5% is asked for: more than 10 of 100 would be chance once in 100 times


def test_networks_are_distinct_and_what_chooses_first_shares_its_images_with_what_compares() -> None:
    choosing = [PlannedTrial(0, rate, seed, 8) for seed in CHOOSING_SEEDS for rate in range(3)]
    fresh = [PlannedTrial(0, 2, seed, 8) for seed in range(1, 11)]
    assert sorted(map(network_number, choosing + fresh)) == [*range(19)]
    assert {*map(network_number, choosing[:3] + fresh[:5])} == {*range(8)}
