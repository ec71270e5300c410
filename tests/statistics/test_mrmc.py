"""The model of a study, against published figures, and against studies drawn from it."""

from dataclasses import replace

import numpy as np
import pytest
from scipy import stats

from benchmarks.calibration import scores_of, simulate, variances
from src.statistics.best import compare_with_best
from src.statistics.design import Floats
from src.statistics.mrmc import Scores, estimate

VARIANCE, COV1, COV2, COV3, VAR_TR = 0.0008022883, 0.0003466137, 0.0003440748, 0.0002390284, 0.0002004025
"""Of the ROC areas of Van Dyke et al. 1993: two modalities, five readers, 114 cases (Hillis 2014, table 2)."""


def of_covariance(covariance: Floats, cases: int) -> Floats:
    """Influences, [trials, cases], whose products add up to a covariance of the trials."""
    trials = len(covariance)
    basis = np.linalg.qr(np.eye(cases) - 1 / cases)[0][:, :trials]
    return np.linalg.cholesky(covariance) @ basis.T * np.sqrt((cases - 1) / cases)


def van_dyke() -> Scores:
    modalities, readers = np.repeat([0, 1], 5), np.tile(np.arange(5), 2)
    same_modality, same_reader = modalities[:, None] == modalities, readers[:, None] == readers
    covariance = np.where(same_modality, np.where(same_reader, VARIANCE, COV2), np.where(same_reader, COV1, COV3))
    pattern = np.array([1.0, -2, 0, 2, -1])
    mean_square = VAR_TR + VARIANCE - COV1 - COV2 + COV3
    interaction = pattern * np.sqrt(4 * mean_square / np.square(pattern).sum() / 2)
    values = np.concatenate([0.8970370 + interaction, 0.9408374 - interaction]) + np.tile(
        [0.02, 0, 0.01, -0.01, -0.02], 2
    )
    return Scores(modalities, readers, values, of_covariance(covariance, 114))


def test_the_difference_of_two_modalities_has_the_published_error() -> None:
    found = estimate(van_dyke())
    difference = found.means[1] - found.means[0]
    assert difference == pytest.approx(0.0438004)
    assert difference**2 / variances(found)[0, 1] == pytest.approx(4.4563187, rel=1e-5)  # F of Hillis 2014


def test_the_difference_by_own_seeds_is_the_published_one_of_two_modalities() -> None:
    found = estimate(van_dyke())
    variance = found.unpooled[0, 1] + found.persistent[0, 1]
    difference = found.means[1] - found.means[0]
    freedom = variance**2 / (found.unpooled[0, 1] ** 2 / found.unpooled_freedoms[0, 1])
    assert difference**2 / variance == pytest.approx(4.4563187, rel=1e-5)
    assert freedom == pytest.approx(15.26, abs=0.01)  # ddf of Hillis 2014
    assert stats.f.sf(difference**2 / variance, 1, freedom) == pytest.approx(0.0517, abs=5e-5)


@pytest.mark.parametrize("seeds", [(0, 1, 2, 3, 0, 1, 2, 3), (0, 1, 2, 3, 4, 5, 6, 7), (0, 1, 2, 3, 4, 5, 6)])
def test_own_scatter_is_that_of_scipys_tests(seeds: tuple[int, ...]) -> None:
    values = np.random.default_rng(0).random(len(seeds))
    found = estimate(Scores(np.array([0, 0, 0, 0, 2, 2, 2, 2][: len(seeds)]), np.array(seeds), values))
    one, other = values[:4], values[4:]
    oracle = stats.ttest_rel(one, other) if seeds[4] == 0 else stats.ttest_ind(one, other, equal_var=False)
    assert (found.means[0] - found.means[1]) / np.sqrt(found.unpooled[0, 1]) == pytest.approx(oracle.statistic)
    assert found.unpooled_freedoms[0, 1] == pytest.approx(oracle.df)


def test_a_difference_is_claimed_only_if_the_two_depths_seeds_show_it() -> None:
    values = np.array([0.70, 0.71, 0.72, 0.64, 0.66, 0.65])
    depths = np.repeat([0, 1], 3)
    found = compare_with_best(estimate(Scores(depths, np.tile(np.arange(3), 2), values)))
    unpooled = found.unpooled[0, 1]
    assert unpooled == pytest.approx(stats.t.ppf(0.975, 2) * (values[:3] - values[3:]).std(ddof=1) / np.sqrt(3))
    assert found.is_worse(1) == (unpooled < 0.06)
    doubted = replace(found, unpooled=np.full((2, 2), 0.07), critical=0.1)
    assert not doubted.is_worse(1)
    assert doubted.difference(1).high == 0.0


@pytest.mark.parametrize(
    ("depths", "seeds", "images", "scatter", "most"),
    [
        (4, 2, 100, 0.01, 0.05), (4, 3, 100, 0.01, 0.05), (4, 8, 100, 0.01, 0.06), (6, 3, 250, 0.01, 0.06),
        (4, 5, 500, 0.03, 0.10), (2, 3, 250, 0.01, 0.08),
    ],
)  # fmt: skip
def test_equal_depths_are_seldom_called_worse(
    depths: int, seeds: int, images: int, scatter: float, most: float
) -> None:
    rng, studies = np.random.default_rng(seeds), 100
    claimed = 0
    for _ in range(studies):
        drawn = scores_of(simulate(rng, seeds, images, [scatter] * depths))
        found = compare_with_best(estimate(drawn), draws=300)
        claimed += any(found.is_worse(place) for place in range(depths))
    assert claimed / studies <= most + 2 * np.sqrt(most * (1 - most) / studies)


def test_a_depth_that_collapses_is_judged_by_its_own_scatter() -> None:
    rng = np.random.default_rng(0)
    values = simulate(rng, 5, 300, [0.005, 0.005, 0.005, 0.005, 0.15])
    values += np.array([0, 0.08, 0, 0, -0.4])[:, None, None]
    found = compare_with_best(estimate(scores_of(values)))
    assert found.errors[3, 1] < 0.02 < found.errors[4, 1]
    assert [found.is_worse(place) for place in range(5)] == [True, False, True, True, True]


def test_seeds_alone_speak_where_predictions_are_not_known() -> None:
    depths, seeds = np.repeat([0, 1], 3), np.tile([0, 1, 2], 2)
    values = np.array([0.5, 0.6, 0.7, 0.6, 0.71, 0.79])
    found = estimate(Scores(depths, seeds, values))
    differences = values[3:] - values[:3]
    assert variances(found)[0, 1] == pytest.approx(differences.var(ddof=1) / 3)


def test_images_alone_speak_with_one_seed() -> None:
    values = simulate(np.random.default_rng(0), 1, 200, [0.0] * 3)
    found = estimate(scores_of(values))
    difference = values[1, 0] - values[0, 0]
    assert found.design.freedom == 0
    assert variances(found)[0, 1] == pytest.approx(difference.var(ddof=1) / 200)


def test_depths_that_are_equal_to_the_image_differ_by_an_image_at_most() -> None:
    one = (np.random.default_rng(0).random((1, 3, 100)) < 0.8).astype(float)
    scores = scores_of(np.concatenate([one, one]))
    found = compare_with_best(estimate(scores))
    assert found.errors[0, 1] == pytest.approx(0.01)
    assert not found.is_worse(0)
    assert not found.is_worse(1)


def test_missing_cells_leave_means_at_an_average_seed() -> None:
    depths, seeds = np.array([0, 0, 0, 1, 1, 2, 2, 2]), np.array([0, 1, 2, 0, 1, 0, 1, 2])
    effect = np.array([0.0, 0.1, 0.3])
    found = estimate(Scores(depths, seeds, 0.5 + 0.1 * depths + effect[seeds]))
    assert np.diff(found.means) == pytest.approx([0.1, 0.1])


def test_no_trial_is_refused() -> None:
    with pytest.raises(ValueError, match="at least one trial"):
        estimate(Scores(np.zeros(0, np.int64), np.zeros(0, np.int64), np.zeros(0)))


def test_equal_scores_of_no_known_step_have_errors() -> None:
    found = estimate(Scores(np.array([0, 1, 1]), np.arange(3), np.full(3, 0.5)))
    assert np.isfinite(compare_with_best(found).errors).all()


def test_a_depth_with_one_trial_lends_no_scatter() -> None:
    found = estimate(Scores(np.array([0, 0, 1]), np.array([0, 1, 2]), np.array([0.5, 0.6, 0.7])))
    assert found.freedoms[1] == pytest.approx(0, abs=1e-9)
    assert np.isfinite(compare_with_best(found).errors).all()
