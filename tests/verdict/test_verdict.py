"""Verdicts: the sentences, what they rest on, and what is said where there is little to say."""

import itertools
import math
import re
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hydra.core.override_parser.overrides_parser import OverridesParser
from hypothesis import given, settings
from hypothesis import strategies as st

from src.cli.command_line import as_hydra_reads
from src.statistics.comparison import Comparison
from src.statistics.power import POWER, chance_to_show, detectable
from src.verdict.trials import TrialRecord
from src.verdict.verdict import Kind, Verdict, judge
from src.reporting.wording import probability, typed
from tests.conftest import shell_words
from tests.verdict.studies import cells, claims, design_of, draw, grid, named, trial

ALIKE = "with the study's name and other settings"
WINNER = {0: (0.60, 0.61, 0.60), 2: (0.61, 0.61, 0.62), 11: (0.70, 0.71, 0.71)}
TIE = {0: (0.573, 0.580, 0.570), 2: (0.579, 0.586, 0.570), 20: (0.575, 0.591, 0.580)}


def only(records: Sequence[TrialRecord]) -> Verdict:
    (verdict,) = judge(records)
    return verdict


TABLE: list[tuple[str, list[TrialRecord], Kind, int | None, str]] = [
    (
        "a clear winner", grid(WINNER), "shown", 11,
        "Unfreeze 11 layers (from block_11): validation accuracy 70.7 % over 3 seeds, the best mean, and no lesser "
        "depth within one standard error (0.3 points) of it; shown to be better than 0 and 2 layers (11 over 2 +9.3 "
        "points, 95 % interval +7.8 to +10.9, adjusted p < 0.001).",
    ),
    (
        "deeper is no better", grid({2: (0.70, 0.71, 0.72), 11: (0.705, 0.71, 0.721), 0: (0.60, 0.61, 0.60)}),
        "shown", 2,
        "Unfreeze 2 layers (from block_2): validation accuracy 71.0 % over 3 seeds, the least depth within one "
        "standard error (0.4 points) of the best mean (11 layers, 71.2 %); shown to be better than 0 layers (2 over 0 "
        "+10.7 points, 95 % interval +8.7 to +12.6, adjusted p < 0.001), not told apart from 11 layers.",
    ),
    (
        "a tie", grid(TIE), "tie", 20,
        "No difference between 0, 2 and 20 layers could be shown with 3 seeds (clearest: 20 over 0 +0.8 points, 95 % "
        "interval −0.3 to +1.9, adjusted p = 0.140); until one is, the one-standard-error rule names 20 layers (from "
        "block_20), 58.2 %, the best mean, and no lesser depth within one standard error (0.2 points) of it.",
    ),
    (
        "nothing moves", grid({0: (0.5, 0.625), 2: (0.5, 0.625)}), "tie", 0,
        "No difference between 0 and 2 layers could be shown with 2 seeds (clearest: 2 over 0 +0.0 points, 95 % "
        "interval +0.0 to +0.0, adjusted p = 1.000); until one is, the one-standard-error rule names 0 layers, 56.2 %, "
        "the best mean, at the least depth tried.",
    ),
    (
        "one seed", grid({0: (0.5,), 2: (0.6,), 11: (0.55,)}), "one seed", 2,
        "No depth was trained with a second seed, so luck cannot be told from depth: 2 layers had the highest of 3 "
        "validation accuracies, 60.0 %, and the lowest was 50.0 %.",
    ),
    (
        "one depth", grid({2: (0.5, 0.6)}), "one depth", 2,
        "Only 2 layers trained: validation accuracy 55.0 % over 2 seeds, and nothing to compare it with.",
    ),
    (
        "one trial", [trial(1, 0, 0.5)], "one depth", 1,
        "Only 1 layer trained: validation accuracy 50.0 % over 1 seed, and nothing to compare it with.",
    ),
    (
        "a missing cell", grid({0: WINNER[0], 2: WINNER[2], 11: (0.70, 0.723)}), "shown", 11,
        "Unfreeze 11 layers (from block_11): validation accuracy 71.2 % over 2 to 3 seeds, the best mean, and no "
        "lesser depth within one standard error (0.6 points) of it; shown to be better than 0 and 2 layers (11 over 2 "
        "+9.9 points, 95 % interval +6.6 to +13.2, adjusted p = 0.002).",
    ),
    ("all failed", [trial(status="FAILED", val=None)], "nothing", None, "No finished trial to judge."),
    ("no trial", [], "nothing", None, "No finished trial to judge."),
]  # fmt: skip


@pytest.mark.parametrize(
    ("records", "kind", "depth", "sentence"), [row[1:] for row in TABLE], ids=[r[0] for r in TABLE]
)
def test_sentences(records: list[TrialRecord], kind: Kind, depth: int | None, sentence: str) -> None:
    verdict = only(records)
    assert (verdict.kind, verdict.depth) == (kind, depth)
    assert verdict.sentence == sentence


@pytest.mark.parametrize(
    ("records", "words", "low", "high"),
    [
        (grid(WINNER), "well supported", 0.99, 1.0),
        (grid({0: (0.60, 0.61), 2: (0.70, 0.72)}), "supported", 0.95, 0.99),
        (grid({0: (0.60, 0.61), 2: (0.64, 0.66)}), "hinted at, not shown", 0.8, 0.95),
        (grid({0: (0.60, 0.61), 2: (0.61, 0.61)}), "not supported", 0.0, 0.8),
    ],
)
def test_confidence_in_words_and_number(records: list[TrialRecord], words: str, low: float, high: float) -> None:
    verdict = only(records)
    assert verdict.words == words
    assert verdict.confidence is not None
    assert low <= verdict.confidence <= high


def test_the_words_name_the_pair_and_its_p_value() -> None:
    """The sentence may speak of another pair: the named depth over the closest that it beats."""
    verdict = only(grid(WINNER | {2: (0.64, 0.65, 0.66)}))
    assert "(11 over 2 " in verdict.sentence
    assert verdict.comparison is not None
    p = verdict.comparison.p(2, 0)
    assert verdict.evidence == f"adjusted {probability(p or 1)} of the clearest pair, 11 over 0 layers"
    assert verdict.confidence == pytest.approx(1 - (p or 1))
    assert only(grid(TIE)).evidence == "adjusted p = 0.140 of the clearest pair, 20 over 0 layers"


@pytest.mark.parametrize("records", [grid({0: (0.5,), 2: (0.6,)}), grid({2: (0.5, 0.6)}), []])
def test_no_confidence_where_nothing_is_tested(records: list[TrialRecord]) -> None:
    verdict = only(records)
    assert (verdict.confidence, verdict.words, verdict.evidence) == (None, "no claim", "")


def test_rows_hold_each_depth_and_its_distance_to_the_named_one() -> None:
    rows = only(grid(WINNER)).rows
    assert [row.depth for row in rows] == [0, 2, 11]
    assert [row.score.count for row in rows] == [3, 3, 3]
    assert rows[0].to_named.estimate == pytest.approx(-0.10333, abs=1e-4)
    assert (rows[0].to_named.high or 0) < 0
    assert [row.p is None for row in rows] == [False, False, True]
    assert (rows[2].block, rows[2].parameters) == ("block_11", 1100)


def test_equal_accuracies_are_as_sure_as_a_photo() -> None:
    (known, _), (unknown, _) = (only(grid({0: (0.62, 0.62), 2: (0.7, 0.6)}, val_images=n)).rows for n in (50, None))
    assert known.score.high == pytest.approx(0.62 + 12.7062 * 0.02 / math.sqrt(24))
    assert (unknown.score.low, unknown.score.high) == (None, None)


@pytest.mark.parametrize(
    ("records", "expected"),
    [
        (grid({2: (0.5, 0.6)}), [f"Other depths, with three seeds or more: {ALIKE}, unfrozen=0,2,all seed=0,1,2"]),
        (grid({100: (0.5,)}), [f"Other depths, with three seeds or more: {ALIKE}, unfrozen=0,100,all seed=0,1,2"]),
        (grid({0: (0.5,)}), [f"Other depths, with three seeds or more: {ALIKE}, unfrozen=0,2,all seed=0,1,2"]),
        (grid({0: (0.5,), 2: (0.6,)}), [f"Two more seeds a depth: {ALIKE}, unfrozen=0,2 seed=0,1,2"]),
        (
            [trial(0, 7, 0.5), trial(2, 4, 0.6)],
            [f"Two more seeds a depth: {ALIKE}, unfrozen=0,2 seed=4,7,8"],
        ),
        (
            grid(WINNER),
            [
                f"Nothing was tried between 2 and 11 layers: {ALIKE}, unfrozen=6 seed=0,1,2",
                f"The deepest tried is named, so try deeper: {ALIKE}, unfrozen=all seed=0,1,2",
            ],
        ),
        (
            grid({2: (0.5, 0.6)}, whole=True),
            [f"Other depths, with three seeds or more: {ALIKE}, unfrozen=0,1,2 seed=0,1,2"],
        ),
        (grid({10: WINNER[0], 11: WINNER[11]}, whole=True), []),
        (
            grid({2: (0.80, 0.81, 0.80), 3: (0.5, 0.51, 0.5)}),
            [f"The least tried is named, so try less: {ALIKE}, unfrozen=0 seed=0,1,2"],
        ),
        (
            grid({0: (0.60, 0.61), 2: (0.64, 0.66)}),
            [
                "To show 4.5 points between 0 and 2 layers takes 3 seeds a depth at least (80 % power): "
                f"{ALIKE}, unfrozen=0,2 seed=0,1,2",
                "Differences above 10.9 points are excluded (95 %). With 2 seeds a depth, a true difference of 8.2 "
                "points is shown in 80 % of studies.",
            ],
        ),
        (
            grid({0: (0.60, 0.61), 2: (0.61, 0.60)}),
            [
                "To show 0.0 points between 0 and 2 layers would take more than 200 seeds a depth; that they differ by "
                "up to 12.7 points is not ruled out.",
                "Differences above 12.7 points are excluded (95 %). With 2 seeds a depth, a true difference of 16.3 "
                "points is shown in 80 % of studies.",
            ],
        ),
    ],
)
def test_what_would_settle_it(records: list[TrialRecord], expected: list[str]) -> None:
    assert list(only(records).settle) == expected


def test_a_shown_depth_asks_for_seeds_where_rivals_are_left() -> None:
    verdict = only(grid(WINNER | {12: (0.718, 0.721, 0.717)}))
    assert verdict.kind == "shown"
    assert "between 11 and 12 layers" in verdict.settle[0]
    assert "unfrozen=11,12 'seed=range(0,6)'" in verdict.settle[0]


UNEQUAL: dict[str, tuple[Mapping[int, Sequence[float]], list[int]]] = {
    "depths beside others": (WINNER | {12: (0.718, 0.721, 0.717)}, [11, 12]),
    "a cell failed": ({0: (0.60, 0.62, 0.59), 2: (0.61, 0.64, 0.62), 11: (0.62, 0.63)}, [0, 2, 11]),
}


@pytest.mark.parametrize("case", UNEQUAL)
def test_the_seeds_that_are_asked_for_suffice(case: str) -> None:
    """Were they trained, the study as it then is would show the difference with the power that is told."""
    values, depths = UNEQUAL[case]
    verdict = only(grid(values))
    text = next(text for text in verdict.settle if text.startswith("To show"))
    named, goal = re.search(r"unfrozen=([\d,]+)", text), re.search(r"takes (\d+) seeds", text)
    assert named is not None
    assert goal is not None
    assert verdict.comparison is not None
    assert named[1] == ",".join(map(str, depths))
    assert typed(depths, range(int(goal[1]))) in text  # the known ones are answered, and no depth is left behind
    shows = [_chance(verdict.comparison, values, depths, seeds) for seeds in (int(goal[1]) - 1, int(goal[1]))]
    least = min(len(values[depth]) for depth in depths) + 1
    assert shows[1] >= POWER
    assert shows[0] < POWER or int(goal[1]) == least


def test_a_depth_that_has_fewer_seeds_catches_up() -> None:
    (text, _) = only(grid({0: (0.60, 0.62, 0.59, 0.63, 0.61), 2: (0.63, 0.65)})).settle
    assert text == (
        "To show 3.0 points between 0 and 2 layers takes 6 seeds a depth at least (80 % power): "
        f"{ALIKE}, unfrozen=0,2 'seed=range(0,6)'"
    )


def _chance(comparison: Comparison, values: Mapping[int, Sequence[float]], depths: Sequence[int], seeds: int) -> float:
    """To show the difference that was clearest among `depths`, once they have so many seeds."""
    rows = {depth: max(len(row), seeds if depth in depths else 0) for depth, row in values.items()}
    design = design_of([(depth, seed) for depth, count in rows.items() for seed in range(count)])
    places = [design.levels.index(depth) for depth in depths]
    one, other = max(itertools.combinations(places, 2), key=lambda pair: abs(np.subtract(*comparison.means[[*pair]])))
    gap, error = comparison.difference(one, other).estimate, comparison.deviation * float(design.errors[one, other])
    return chance_to_show(gap, error, len(design.levels), design.freedom)


def test_what_unequal_counts_would_show_is_of_the_least_sure_pair() -> None:
    verdict = only(grid({0: (0.60, 0.62, 0.59, 0.63, 0.61), 2: (0.61, 0.63), 11: (0.60, 0.63, 0.61, 0.62, 0.60)}))
    assert verdict.comparison is not None
    design = verdict.comparison.design
    least = detectable(verdict.comparison.deviation * design.errors.max(), 3, design.freedom)
    assert f"With 2 to 5 seeds a depth, a true difference of {100 * least:.1f} points is shown" in verdict.settle[1]


def test_overrides_are_told_to_be_of_their_facet() -> None:
    records = [trial(d, 0, 0.5 + d / 10, {"batchnorm": mode}) for mode in ("train", "frozen") for d in (0, 2)]
    told = [verdict.settle[0] for verdict in judge(records)]
    assert told == [
        f"Two more seeds a depth: for batchnorm={mode}, {ALIKE}, unfrozen=0,2 seed=0,1,2"
        for mode in ("train", "frozen")
    ]


def known(values: Mapping[int, Sequence[float]], given: str, **more: Any) -> list[TrialRecord]:
    """Trials that know what trained them: `given`, a depth and a seed."""
    return [
        replace(each, overrides=(*shell_words(given), f"unfrozen={each.depth}", f"seed={each.seed}"),
                command=(*["python", "-m", "src.train", "-cn", "own", "hydra.mode=RUN"], *shell_words(given),
                         f"unfrozen={each.depth}", f"seed={each.seed}"))
        for each in grid(values, **more)
    ]  # fmt: skip


OWN = "python -m src.train -m -cn own data=folder 'data.root=my photos'"


@pytest.mark.parametrize(
    ("study", "typed_name"),
    [
        ("mine", "study=mine"),
        ("my own, new", """'study="my own, new"'"""),
        ("0,1", """'study="0,1"'"""),
    ],
)
def test_what_would_settle_it_can_be_typed(study: str, typed_name: str) -> None:
    (verdict,) = judge(known(WINNER, "data=folder 'data.root=my photos'"), study)
    assert verdict.settle == (
        f"Nothing was tried between 2 and 11 layers: {OWN} {typed_name} unfrozen=6 seed=0,1,2",
        f"The deepest tried is named, so try deeper: {OWN} {typed_name} unfrozen=all seed=0,1,2",
    )


@pytest.mark.parametrize("name", ["mine", "a b", "a,b", "it's", "a\\", "1e3", "null", "True", "inf", "ä"])
def test_the_studys_name_arrives(name: str) -> None:
    (verdict,) = judge(known(WINNER, "data=folder"), name)
    word = next(word for word in shlex.split(verdict.settle[0]) if word.startswith("study="))
    (override,) = OverridesParser.create().parse_overrides(as_hydra_reads(["-m", word])[1:])
    assert not override.is_sweep_override()
    assert str(override.value()) == name


def test_a_search_is_settled_by_a_command_too() -> None:
    trials = [
        replace(each, overrides=(f"learning_rate={each.factors['learning_rate']}", "seed=0"),
                command=("python", "-m", "src.train", f"learning_rate={each.factors['learning_rate']}", "seed=0"))
        for each in search({0: (0.5, 0.52), 2: (0.6, 0.4, 0.55)})
    ]  # fmt: skip
    (verdict,) = judge(trials, "mine")
    best = max(trials, key=lambda each: each.metrics["best/val_accuracy"])
    rate = best.factors["learning_rate"]
    assert verdict.settle[0].endswith(
        f"best trial: python -m src.train -m learning_rate={rate} study=mine unfrozen=0,2 seed=0,1,2"
    )


def test_no_command_is_told_that_would_add_other_trials() -> None:
    """Of several studies, of another facet's run, and where more than depth and seed varies."""
    trials = known(WINNER, "batchnorm=train")
    others = [replace(each, overrides=("batchnorm=frozen",)) for each in trials]
    wide = [
        *known(WINNER, "dropout=0.2", factors={"dropout": 0.2}),
        *known({depth: [value - 0.1 for value in row] for depth, row in WINNER.items()}, "dropout=0.5",
               factors={"dropout": 0.5}),
    ]  # fmt: skip
    for records, study in ((trials, ""), (others, "mine"), (wide, "mine"), (grid(WINNER), "mine")):
        (verdict,) = judge(records, study)
        assert verdict.settle
        assert not any("src.train" in text for text in verdict.settle)


def test_equal_accuracies_of_one_seed_are_not_told_as_high_and_low() -> None:
    assert only(grid({0: (0.5,), 2: (0.5,)})).sentence.endswith("depth: all 2 validation accuracies were 50.0 %.")


def test_facets_are_judged_apart() -> None:
    records = [*grid(WINNER, factors={"batchnorm": "train"}), *grid(TIE, factors={"batchnorm": "frozen"})]
    found = {verdict.facet: verdict.kind for verdict in judge(records)}
    assert found == {"batchnorm=train": "shown", "batchnorm=frozen": "tie"}


def test_that_facets_claim_each_by_itself_is_told_where_one_claims() -> None:
    modes = ("train", "frozen", "inference")
    records = [each for mode in modes for each in grid(WINNER if mode == "train" else TIE, factors={"batchnorm": mode})]
    shown, *ties = judge([*records, trial(0, 0, 0.5, {"batchnorm": "adapted"})])
    assert shown.caveats[-1] == (
        "3 facets are judged, each at 95 % by itself: were depth to matter in none of them, one or more would still "
        "claim a difference in 14 % of studies, if facets are independent."
    )
    assert not any("facets are judged" in text for tie in ties for text in tie.caveats)


def test_of_three_facets_alike_one_claims_as_often_as_is_told() -> None:
    pairs, rng, studies = cells(3, 3), np.random.default_rng(12), 4000
    claimed = claims(design_of(pairs), draw(pairs, 3 * studies, rng)).any((1, 2)).reshape(studies, 3)
    assert claimed.any(axis=1).mean() == pytest.approx(0.14, abs=0.02)


def test_other_hyperparameters_are_reduced_and_told() -> None:
    records = [*grid(WINNER, factors={"dropout": 0.2}), *grid(TIE | {11: (0.5, 0.5, 0.5)}, factors={"dropout": 0.5})]
    verdict = only([record for record in records if record.depth != 20])
    assert verdict.reduction is not None
    assert "dropout also varied" in verdict.reduction.text
    assert verdict.depth == 11
    assert len(verdict.reduction.candidates) == 6


CAVEATS = [
    ([*grid(WINNER), trial(11, 3, None, status="RUNNING"), trial(11, 4, None), trial(2, 3, status="FAILED")],
     "Left out, of 12 trials: 1 FAILED, 1 RUNNING, 1 without best/val_accuracy."),
    (grid({0: WINNER[0], 2: WINNER[2], 11: WINNER[11][:2]}),
     "Depths have unequal numbers of trials: 0 layers 3, 2 layers 3, 11 layers 2."),
    (grid({0: (0.60, 0.62, 0.59), 2: (0.61, 0.64, 0.62), 11: (0.62, 0.63)}),
     "Where depths lack seeds, the sentence and differences to the named depth take all of them at an average seed; "
     "the table's own means, as figures, are over the seeds that were trained: 11 layers 62.1 % and 62.5 %."),
    ([trial(d, 10 * d + s, v) for d, row in WINNER.items() for s, v in enumerate(row)],
     "The depths share too few seeds to be compared seed by seed: what a seed does counts as noise."),
    (grid(WINNER | {12: (0.71, 0.70, 0.715), 56: (0.1, 0.5, 0.3)}),
     "Seeds scatter far more at 56 layers (deviation 17.8 points) than elsewhere (0.6 points), so that pairs with it "
     "are judged by its own."),
    (grid(WINNER, val_images=480),
     "Intervals are over seeds, on the same 480 validation photos; on as many other photos 70.7 % could as well have "
     "been 66.4 % to 74.6 %."),
]  # fmt: skip


@pytest.mark.parametrize(("records", "caveat"), CAVEATS)
def test_caveats(records: list[TrialRecord], caveat: str) -> None:
    assert caveat in only(records).caveats


def test_a_whole_study_has_none() -> None:
    assert only(grid(WINNER)).caveats == ()


@pytest.mark.parametrize("depths", [2, 4])
def test_judge_says_what_the_simulated_arithmetic_says(depths: int) -> None:
    pairs, rng = cells(depths, 3), np.random.default_rng(depths)
    values = 0.6 + 0.01 * draw(pairs, 40, rng, truth=[0.0] * (depths - 1) + [4.0])
    shown, places = claims(design_of(pairs), values).any((1, 2)), named(design_of(pairs), values)
    for row, expected, place in zip(values, shown, places, strict=True):
        records = [trial(depth, seed, float(value)) for (depth, seed), value in zip(pairs, row, strict=True)]
        verdict = only(records)
        if verdict.comparison is not None and not verdict.comparison.unsteady:
            assert (verdict.kind == "shown", verdict.depth) == (expected, place)


trials = st.builds(
    trial,
    depth=st.integers(0, 3),
    seed=st.integers(0, 3),
    val=st.one_of(st.none(), st.floats(0, 1), st.just(math.nan)),
    factors=st.dictionaries(st.sampled_from(["dropout", "batchnorm"]), st.sampled_from(["a", "b"])),
    status=st.sampled_from(["FINISHED", "FINISHED", "FINISHED", "FAILED", "RUNNING"]),
    val_images=st.sampled_from([None, 0, 50, 400]),
)


@settings(max_examples=60, deadline=None)
@given(st.lists(trials, max_size=16))
def test_whatever_the_trials_there_is_a_verdict(records: list[TrialRecord]) -> None:
    for verdict in judge(records):
        assert verdict.sentence.endswith(".")
        assert "nan" not in " ".join([verdict.sentence, *verdict.settle, *verdict.caveats]).replace("nan_", "")
        assert (verdict.depth is None) == (verdict.kind == "nothing")
        assert (verdict.confidence is None) == (verdict.kind not in {"tie", "shown"})


def search(values: Mapping[int, Sequence[float]]) -> list[TrialRecord]:
    """Every trial with a rate of its own and seed 0, as in a random search; each depth has low ones and high ones."""
    return [
        trial(depth, 0, val, {"learning_rate": 0.001 * (1 + k) + 1e-5 * depth})
        for depth, row in values.items() for k, val in enumerate(row)
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("values", "kind", "says"),
    [
        ({0: (0.5, 0.52), 2: (0.6, 0.4, 0.55)}, "tie", "could be shown with 2 to 3 trials"),
        ({0: (0.5, 0.52, 0.51), 2: (0.7, 0.72, 0.71), 4: (0.7, 0.71)}, "shown", "over 2 to 3 trials"),
        ({0: (0.5,), 2: (0.7,)}, "one seed", "No depth was trained with a second seed"),
    ],
)
def test_a_search_is_told_in_trials_and_settled_by_a_grid(
    values: Mapping[int, Sequence[float]], kind: str, says: str
) -> None:
    trials = search(values)
    (verdict,) = judge(trials)
    best = max(trials, key=lambda each: each.metrics["best/val_accuracy"])
    assert (verdict.kind, says in verdict.sentence) == (kind, True)
    assert "a grid over depths does" in verdict.settle[0]
    assert verdict.settle[0].endswith(
        f"-m unfrozen={','.join(map(str, values))} seed=0,1,2 learning_rate={best.factors['learning_rate']}"
    )
    assert not any("seeds a depth" in text for text in verdict.settle)
