"""Depths compared: closed forms, then simulated studies that hold the claims about error rates."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats  # type: ignore[import-untyped]

from src.statistics.comparison import compare
from src.statistics.design import Observation, critical_t, least_within_one_error, make_design
from tests.verdict.studies import Cells, cells, claims, design_of, draw, named

STUDIES = 2000
GRID = [(depths, seeds) for depths in range(2, 7) for seeds in range(2, 6)]


def test_two_depths_are_a_paired_t_test() -> None:
    one, other = [0.50, 0.55, 0.53, 0.60], [0.56, 0.58, 0.60, 0.63]
    found = compare([Observation(d, s, v) for d, row in ((0, one), (2, other)) for s, v in enumerate(row)])
    expected = stats.ttest_rel(other, one)
    low, high = expected.confidence_interval()
    gap = found.difference(1, 0)
    assert found.design.paired
    assert found.p(1, 0) == pytest.approx(expected.pvalue, rel=1e-6)
    assert gap.low == pytest.approx(low)
    assert gap.high == pytest.approx(high)


@pytest.mark.parametrize("sizes", [(3, 3, 3), (4, 2, 3)])
def test_unpaired_depths_are_tukeys_test(sizes: tuple[int, ...]) -> None:
    rng = np.random.default_rng(3)
    groups = [rng.normal(0.5 + 0.02 * k, 0.02, size) for k, size in enumerate(sizes)]
    seeds = iter(range(100))
    found = compare([Observation(k, next(seeds), float(v)) for k, group in enumerate(groups) for v in group])
    expected = stats.tukey_hsd(*groups)
    assert not found.design.paired
    for one, other in ((0, 1), (0, 2), (2, 1)):
        assert found.p(one, other) == pytest.approx(expected.pvalue[one, other], rel=1e-6)
    assert found.difference(2, 0).low == pytest.approx(expected.confidence_interval().low[2, 0])


def test_a_missing_cell_gives_least_squares_means() -> None:
    # depth 4 lacks the seed that is 0.1 better than the others: its plain mean would be too low
    effects, truth = [0.0, 0.0, 0.1], {0: 0.5, 2: 0.6, 4: 0.7}
    whole = [Observation(d, s, truth[d] + effect) for d in truth for s, effect in enumerate(effects)]
    found = compare(whole[:-1])
    assert found.design.paired
    assert found.design.freedom == 3
    assert np.diff(found.means) == pytest.approx([0.1, 0.1])


@pytest.mark.parametrize(("depths", "freedom"), [(2, 1), (2, 8), (3, 2), (4, 1), (6, 20), (12, 300)])
def test_the_bound_is_the_studentized_ranges(depths: int, freedom: int) -> None:
    expected = stats.studentized_range.ppf(0.95, depths, freedom) / math.sqrt(2)
    assert critical_t(depths, freedom) == pytest.approx(expected, rel=1e-6)


def test_balanced_errors_are_the_textbooks() -> None:
    design = make_design((0, 0, 0, 2, 2, 2), (0, 1, 2, 0, 1, 2))
    assert design.errors[0, 1] == pytest.approx(math.sqrt(2 / 3))
    assert (design.counts, design.freedom, design.paired) == ((3, 3), 2, True)


@pytest.mark.parametrize(
    ("pairs", "paired", "freedom"),
    [
        (cells(3, 1), False, 0),  # one seed: nothing to know the spread by
        (cells(1, 3), False, 2),  # one depth
        (cells(3, 3, paired=False), False, 6),
        (cells(3, 3)[:-1], True, 3),
        (cells(2, 3)[:-1], False, 3),  # pairing would leave one degree of freedom of three
        ([(0, 0), (0, 1), (2, 2), (2, 3), (4, 0), (4, 2)], False, 3),
    ],
)
def test_pairing_follows_from_the_design(pairs: Cells, paired: bool, freedom: int) -> None:
    design = design_of(pairs)
    assert (design.paired, design.freedom) == (paired, freedom)


def test_no_trial_is_an_error() -> None:
    with pytest.raises(ValueError, match="at least one"):
        compare([])


def test_one_seed_and_one_depth_cannot_be_tested() -> None:
    for observations in ([Observation(0, 0, 0.5), Observation(2, 0, 0.6)], [Observation(2, s, 0.5) for s in range(3)]):
        found = compare(observations)
        assert not found.testable
        assert found.difference(0, -1).low is None
        assert not found.shown(0, -1)


def test_values_alike_are_no_difference() -> None:
    found = compare([Observation(d, s, 0.5) for d in (0, 2) for s in (0, 1)])
    assert (found.p(0, 1), found.named) == (1.0, 0)


def test_a_step_of_one_photo_is_no_certainty() -> None:
    rows = [Observation(d, s, v) for d, v in ((0, 0.50), (2, 0.55)) for s in (0, 1)]
    assert compare(rows).shown(1, 0)
    assert not compare(rows, resolution=1 / 20).shown(1, 0)


@pytest.mark.parametrize(
    ("means", "error", "place"),
    [((0.5, 0.6, 0.61), 0.02, 1), ((0.5, 0.6, 0.61), 0.001, 2), ((0.6, 0.6, 0.6), 0.01, 0), ((0.7, 0.6, 0.5), 0.01, 0)],
)
def test_the_least_depth_within_one_error(means: tuple[float, ...], error: float, place: int) -> None:
    errors = np.full((3, 3), error * math.sqrt(2))
    assert least_within_one_error(np.asarray(means), errors) == place


@settings(max_examples=40, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3), st.floats(0, 1)), min_size=1, max_size=14))
def test_whatever_the_cells_the_numbers_make_sense(rows: list[tuple[int, int, float]]) -> None:
    found = compare([Observation(*row) for row in {row[:2]: row for row in rows}.values()], 0.01)
    assert 0 <= found.named < len(found.means)
    assert np.isfinite(found.means).all()
    if found.testable:
        better, worse = found.clearest
        p = found.p(better, worse)
        assert found.means[better] >= found.means[worse]
        assert p is not None
        assert 0 <= p <= 1
        assert found.p(worse, better) == p
        assert found.shown(better, worse) == (p < 0.05)


@pytest.mark.parametrize("paired", [True, False])
@pytest.mark.parametrize(("depths", "seeds"), GRID)
def test_equal_depths_are_told_apart_in_one_study_of_twenty(depths: int, seeds: int, paired: bool) -> None:
    pairs = cells(depths, seeds, paired=paired)
    design = design_of(pairs)
    for seed_deviation in (0.0, 1.5):
        rng = np.random.default_rng([depths, seeds, paired, int(seed_deviation)])
        wrong = claims(design, draw(pairs, 3 * STUDIES, rng, seed_deviation=seed_deviation)).any((1, 2)).mean()
        assert wrong <= 0.05 + 3.5 * math.sqrt(0.05 * 0.95 / (3 * STUDIES))


def test_over_the_grid_no_more_than_five_percent() -> None:
    wrong = []
    for depths, seeds in GRID:
        pairs, rng = cells(depths, seeds), np.random.default_rng([7, depths, seeds])
        wrong.append(claims(design_of(pairs), draw(pairs, STUDIES, rng)).any((1, 2)).mean())
    assert 0.045 <= np.mean(wrong) <= 0.0525


@pytest.mark.parametrize("paired", [True, False])
@pytest.mark.parametrize(("depths", "seeds"), GRID)
def test_intervals_of_differences_hold_together(depths: int, seeds: int, paired: bool) -> None:
    pairs, truth = cells(depths, seeds, paired=paired), np.linspace(0, 2, depths)
    design, rng = design_of(pairs), np.random.default_rng([5, depths, seeds, paired])
    values = draw(pairs, STUDIES, rng, truth=list(truth))
    means, deviation = design.means(values), design.deviation(values)
    misses = np.abs((means[:, :, None] - means[:, None]) - (truth[:, None] - truth))
    half = critical_t(depths, design.freedom) * deviation[:, None, None] * design.errors
    assert 0.93 <= (misses <= half + 1e-12).all((1, 2)).mean() <= 0.97


LACKING = {
    "a cell failed": lambda d, n: cells(d, n)[:-1],
    "two cells failed": lambda d, n: cells(d, n)[1:-1],
    "more seeds for one depth": lambda d, n: cells(d, n) + [(0, n + k) for k in range(3)],
    "neighbours share a seed": lambda d, n: [(k, k * (n - 1) + s) for k in range(d) for s in range(n)],
    "seeds shift by one": lambda d, n: [(k, k + s) for k in range(d) for s in range(n)],
}


@pytest.mark.parametrize("lacking", LACKING)
@pytest.mark.parametrize(("depths", "seeds"), [(2, 3), (3, 3), (4, 3), (6, 5)])
def test_incomplete_studies_claim_no_more(lacking: str, depths: int, seeds: int) -> None:
    pairs = LACKING[lacking](depths, seeds)
    design = design_of(pairs)
    for seed_deviation in (0.0, 1.0, 3.0):
        rng = np.random.default_rng([depths, seeds, int(seed_deviation)])
        wrong = claims(design, draw(pairs, 3 * STUDIES, rng, seed_deviation=seed_deviation)).any((1, 2)).mean()
        assert wrong <= 0.05 + 3.5 * math.sqrt(0.05 * 0.95 / (3 * STUDIES))


@pytest.mark.parametrize("depths", [3, 5])
def test_one_bad_depth_lends_the_others_no_difference(depths: int) -> None:
    pairs = cells(depths, 3)
    values = draw(pairs, 3 * STUDIES, np.random.default_rng(depths), truth=[0.0] * (depths - 1) + [-20.0])
    found = claims(design_of(pairs), values)
    assert found[:, :-1, -1].all()
    assert found[:, :-1, :-1].any((1, 2)).mean() <= 0.05


@pytest.mark.parametrize("photos", [20, 100, 480])
@pytest.mark.parametrize(("depths", "seeds"), [(2, 2), (2, 3), (4, 3)])
def test_accuracies_in_steps_of_a_photo_claim_no_more(depths: int, seeds: int, photos: int) -> None:
    pairs = cells(depths, seeds)
    for deviation in (0.1, 0.01, 0.001):
        latent = 0.9 + deviation * draw(pairs, 3 * STUDIES, np.random.default_rng([depths, photos]))
        values = np.round(latent * photos) / photos
        assert claims(design_of(pairs), values, 1 / photos).any((1, 2)).mean() <= 0.06


@pytest.mark.parametrize("paired", [True, False])
@pytest.mark.parametrize(("depths", "seeds"), GRID)
def test_a_depth_better_by_three_standard_errors_is_named(depths: int, seeds: int, paired: bool) -> None:
    """Three standard errors of a difference of two means, the better depth the deepest, which is the hardest place."""
    pairs = cells(depths, seeds, paired=paired)
    deviation = 1.0 if paired else math.sqrt(2)
    truth = [0.0] * (depths - 1) + [3 * deviation * math.sqrt(2 / seeds)]
    rng = np.random.default_rng([9, depths, seeds, paired])
    assert (named(design_of(pairs), draw(pairs, 10 * STUDIES, rng, truth=truth)) == depths - 1).mean() >= 0.95
