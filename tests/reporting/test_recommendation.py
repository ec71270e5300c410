"""The recommended trial: which it is, that test photos have no say in it, and how much its pick flatters."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

import pytest

from src.reporting.recommendation import Recommended, recommend, why_none
from src.statistics.selection_bias import selection_bias
from src.verdict.trials import Factor, TrialRecord
from src.verdict.verdict import judge
from tests.verdict.studies import grid, trial

TRAIN: dict[str, Factor] = {"batchnorm": "train"}
FROZEN: dict[str, Factor] = {"batchnorm": "frozen"}
LESS = {0: (0.50, 0.51, 0.52), 2: (0.60, 0.61, 0.62)}
MORE = {0: (0.50, 0.51, 0.52), 2: (0.70, 0.72, 0.71)}


def recommended(trials: Sequence[TrialRecord]) -> Recommended:
    found = recommend(judge(trials))
    assert found is not None
    return found


def with_test(trials: Sequence[TrialRecord], shares: Sequence[float]) -> list[TrialRecord]:
    pairs = zip(trials, shares, strict=True)
    return [replace(each, metrics={**each.metrics, "test/accuracy": share}, test_images=100) for each, share in pairs]


def search(depths: Sequence[int], values: Sequence[float]) -> list[TrialRecord]:
    """Every trial with a rate of its own and seed 0, as in a random search."""
    return [
        trial(depth, 0, val, {"learning_rate": 0.08 / (1 + k)}, run_id=f"{k}", overrides=(f"learning_rate={k}",))
        for k, (depth, val) in enumerate(zip(depths, values, strict=True))
    ]


SEARCH = search([0, 2, 0, 2, 0, 2, 2], [0.50, 0.10, 0.52, 0.90, 0.51, 0.88, 0.89])


def test_the_best_seed_of_the_recommended_depth_in_the_best_facet() -> None:
    found = recommended([*grid(LESS, factors=TRAIN), *grid(MORE, factors=FROZEN)])
    assert (found.facet, found.depth, found.seed, found.run_id) == ("batchnorm=frozen", 2, 1, "2-1-frozen")
    assert "of the facet, of 2, whose recommended depth has the best validation mean" in found.choice
    assert found.test.startswith("It has no test photos")


def test_the_depth_is_the_verdicts() -> None:
    trials = grid({2: (0.70, 0.72, 0.71), 11: (0.71, 0.70, 0.73)})
    for margin in (0.0, 0.05):
        verdicts = judge(trials, margin=margin)
        found = recommend(verdicts)
        assert found is not None
        assert found.depth == verdicts[0].depth
        assert found.choice.startswith("It is the best of 3 seeds by validation")


def test_of_seeds_that_are_as_good_it_is_the_least() -> None:
    found = recommended(grid({0: (0.5, 0.5, 0.4)}))
    assert found.seed == 0
    assert recommended(grid({0: (0.5,)})).choice == ""


def test_a_seed_that_chose_may_be_recommended_and_claims_nothing() -> None:
    compared = [replace(each, stage="final") for each in grid({0: (0.5, 0.5), 2: (0.6, 0.62)})]
    chose = [trial(depth, 11, val, run_id=f"chose {depth}", stage="chose") for depth, val in ((0, 0.9), (2, 0.65))]
    without, with_them = judge(compared), judge([*compared, *chose])
    assert [(one.rows, one.kind, one.trials) for one in without] == [(it.rows, it.kind, it.trials) for it in with_them]
    found = recommend(with_them)
    assert found is not None
    assert (found.depth, found.seed, found.run_id) == (2, 11, "chose 2")
    assert found.choice.startswith("It is the best of 3 seeds by validation")


def test_the_command_is_the_runs_own() -> None:
    assert recommended(grid(MORE, command=("python", "-m", "src.train", "x=1"))).command == "python -m src.train x=1"
    assert recommended(grid(MORE, overrides=("unfrozen=2",))).command == "python -m src.train unfrozen=2"


@pytest.mark.parametrize("trials", [[*grid(LESS, factors=TRAIN), *grid(MORE, factors=FROZEN)], SEARCH])
def test_test_photos_have_no_say(trials: list[TrialRecord]) -> None:
    rising = [k / len(trials) for k in range(len(trials))]
    one, other = (recommended(with_test(trials, shares)) for shares in (rising, rising[1:] + rising[:1]))
    assert replace(one, test="") == replace(other, test="")
    assert one.test != other.test


def test_test_accuracy_is_of_the_one_trial_with_its_interval() -> None:
    found = recommended(with_test(grid({0: (0.6, 0.5)}), (0.8, 0.1)))
    assert found.test == ("Test accuracy of this trial alone, seed 0: 80.0% of 100 photos (95% CI 71.1% to 86.7%).")


def test_where_every_trial_has_a_configuration_of_its_own_it_is_the_best_one() -> None:
    found = recommended(SEARCH)
    assert (found.depth, found.run_id, found.command) == (2, "3", "python -m src.train learning_rate=3")
    assert found.choice.startswith("Of 4 trials with 2 layers it has the best validation accuracy")
    (verdict,) = judge(SEARCH)
    assert verdict.facet is not None
    flattery = selection_bias([record.score for record in SEARCH], verdict.facet.deviation)
    assert flattery is not None
    assert found.selection_bias.startswith(
        "The best of 7 trials is too high by luck; by how much is not known without a"
    )
    assert f"at most {100 * flattery.at_most:.1f} points" in found.selection_bias


def test_a_search_that_repeats_no_depth_knows_no_bound() -> None:
    assert recommended(search([0, 2, 11], [0.5, 0.6, 0.7])).selection_bias == (
        "The best of 3 trials is too high by luck; by how much is not known without a second seed. So is "
        "each trial's best epoch, which the same photos picked."
    )


def test_accuracies_on_other_data_are_no_rivals() -> None:
    trials = [*grid(LESS, factors={"data.root": "trees"}), *grid(MORE, factors={"data.root": "pets"})]
    verdicts = judge(trials)
    assert recommend(verdicts) is None
    assert why_none(verdicts).startswith("No trial is recommended across 2 data sets")
    assert not why_none(judge(grid(LESS, factors={"data.root": "trees"})))


def test_fewer_training_photos_are_rivals() -> None:
    trials = [*grid(LESS, factors={"data.fraction": 0.5}), *grid(MORE, factors={"data.fraction": 1.0})]
    assert recommended(trials).facet == "data.fraction=1"


def test_nothing_measured_recommends_nothing() -> None:
    assert recommend(judge([])) is None
    assert recommend(judge([trial(status="FAILED")])) is None
    assert not why_none(judge([]))


def heads(seeds: int, factors: Mapping[str, Factor]) -> list[TrialRecord]:
    """Depth 0 alike in every facet: the same runs."""
    return [trial(0, seed, 0.5 + 0.01 * seed, factors, run_id=f"head {seed}") for seed in range(seeds)]


def deep(values: Sequence[float], factors: Mapping[str, Factor]) -> list[TrialRecord]:
    return [trial(2, seed, val, factors) for seed, val in enumerate(values)]


@pytest.mark.parametrize("seeds", [3, 2])
def test_means_that_share_runs_flatter_as_one(seeds: int) -> None:
    """Whether or not the facets have as many seeds."""
    one = [*heads(3, TRAIN), *deep((0.60, 0.62, 0.61), TRAIN)]
    other = [*heads(seeds, FROZEN), *deep((0.70, 0.72, 0.71)[:seeds], FROZEN)]
    assert "The best of 3 validation means is too high by luck" in recommended([*one, *other]).selection_bias


def test_facets_that_scatter_unequally_lend_their_mean_variance() -> None:
    steady, wild = grid({0: (0.50, 0.51), 2: (0.60, 0.60)}, factors=TRAIN), grid(
        {0: (0.52, 0.56), 2: (0.70, 0.68)}, factors=FROZEN
    )  # fmt: skip
    errors = [verdict.facet.standard_error for verdict in judge([*steady, *wild]) if verdict.facet]
    assert errors[0] < errors[1]
    flattery = selection_bias([0.505, 0.60, 0.54, 0.69], ((errors[0] ** 2 + errors[1] ** 2) / 2) ** 0.5)
    assert flattery is not None
    text = recommended([*steady, *wild]).selection_bias
    assert f"by an estimated {100 * flattery.estimate:.1f} points here (at most {100 * flattery.at_most:.1f}" in text


def test_one_candidate_does_not_flatter_and_one_seed_does_by_nobody_knows_what() -> None:
    assert not recommended(grid({2: (0.5, 0.6)})).selection_bias
    assert "by how much is not known without a second seed" in recommended(grid({0: (0.5,), 2: (0.6,)})).selection_bias
