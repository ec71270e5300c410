"""Depths that are copies of one another: they count once, and nothing else changes."""

import math

import numpy as np
import pytest

from src.statistics.comparison import compare
from src.statistics.design import Observation, make_sample
from src.statistics.duplicate_depths import duplicate_depths
from src.verdict.verdict import judge
from tests.verdict.studies import grid

Rows = dict[int, tuple[float, ...]]
PHOTO = 1 / 226
TWINS: Rows = {
    0: (0.575, 0.593, 0.597), 2: (0.575, 0.593, 0.597 + PHOTO), 11: (0.628, 0.642, 0.619), 29: (0.619, 0.624, 0.624),
}  # fmt: skip


def observations(rows: Rows) -> list[Observation]:
    return [Observation(depth, seed, value) for depth, row in rows.items() for seed, value in enumerate(row)]


@pytest.mark.parametrize(
    ("rows", "resolution", "expected"),
    [
        (TWINS, PHOTO, {2: 0}),
        (TWINS, 0.0, {}),
        (TWINS | {2: TWINS[0]}, 0.0, {2: 0}),
        (TWINS | {2: TWINS[0], 29: TWINS[11]}, PHOTO, {2: 0, 29: 11}),
        (TWINS | {2: (0.575, 0.593, 0.597 + 2 * PHOTO)}, PHOTO, {}),  # one seed tells them apart
        ({0: TWINS[0], 2: TWINS[0]}, PHOTO, {}),  # nothing to hold them against
        ({0: (0.5,), 2: (0.5,), 11: (0.6,)}, PHOTO, {}),  # one seed may agree by chance
        (TWINS, 1 / 20, {}),  # a photo is much
    ],
)
def test_which_depths_are_copies(rows: Rows, resolution: float, expected: dict[int, int]) -> None:
    assert duplicate_depths(make_sample(observations(rows)), resolution) == expected


def test_a_copy_counts_once_in_the_variance() -> None:
    alone = compare(observations({depth: row for depth, row in TWINS.items() if depth != 2}), PHOTO)
    found = compare(observations(TWINS), PHOTO)
    assert (found.duplicate_depths, alone.duplicate_depths) == ((1,), ())
    assert found.deviation == pytest.approx(alone.deviation)
    assert found.freedom[0, 2] == alone.freedom[0, 1] == 4
    assert found.errors[0, 2] == pytest.approx(alone.errors[0, 1])
    assert found.means == pytest.approx([np.mean(row) for row in TWINS.values()])
    assert not found.shown(1, 0)


def test_a_copy_of_a_collapsed_depth_is_set_apart_with_it() -> None:
    wide = (0.10, 0.50, 0.30)
    steady: Rows = {0: (0.60, 0.61, 0.60), 2: (0.61, 0.612, 0.615), 11: (0.70, 0.71, 0.705), 20: (0.69, 0.70, 0.70)}
    alone, found = (compare(observations(steady | more)) for more in ({56: wide}, {56: wide, 57: wide}))
    assert (alone.unsteady, found.unsteady) == ((4,), (4, 5))
    assert (found.deviation, found.own_deviation) == pytest.approx((alone.deviation, alone.own_deviation))


def test_copies_are_told() -> None:
    (verdict,) = judge(grid(TWINS, val_images=226))
    told = "At 2 layers every seed comes to a lesser depth's accuracy to a photo"
    assert any(text.startswith(told) for text in verdict.caveats)


def claimed(depths: int, seeds: int, twins: bool) -> float:
    """Share of 400 studies of equal depths that claim a difference, on 226 photos."""
    rng, found = np.random.default_rng([depths, seeds]), 0
    for _ in range(400):
        values = rng.standard_normal((depths, seeds)) + rng.standard_normal(seeds)
        if twins:
            values[1] = values[0] + 0.1 * rng.standard_normal(seeds)
        rows = dict(enumerate(np.round((0.6 + 0.02 * values) * 226) / 226))
        comparison = compare(observations({depth: tuple(row.tolist()) for depth, row in rows.items()}), PHOTO)
        found += comparison.shown(*comparison.clearest)
    return found / 400


@pytest.mark.parametrize("twins", [True, False])
@pytest.mark.parametrize(("depths", "seeds"), [(3, 2), (3, 3), (4, 2), (6, 3)])
def test_equal_depths_two_of_them_copies_are_told_apart_in_one_study_of_twenty(
    depths: int, seeds: int, twins: bool
) -> None:
    assert claimed(depths, seeds, twins) <= 0.05 + 2.5 * math.sqrt(0.05 * 0.95 / 400)
