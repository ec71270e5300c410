"""What to train next: it can be typed, and adds trials to the study that it is of."""

import shlex
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import pytest
from hydra.core.override_parser.overrides_parser import OverridesParser

from src.cli.command_line import as_hydra_reads
from src.reporting.verdict_text import next_steps
from src.verdict.trials import TrialRecord
from src.verdict.verdict import Verdict, judge
from tests.conftest import shell_words
from tests.verdict.studies import TIE, WINNER, grid, predicted, trial


def steps(records: Sequence[TrialRecord], study: str = "") -> list[tuple[str, str]]:
    (verdict,) = judge(records, study)
    return next_steps(verdict)


@pytest.mark.parametrize(
    ("records", "aims", "overrides"),
    [
        (grid({2: (0.5, 0.6)}), ["depths"], "unfrozen=0,2,all seed=0,1,2"),
        (grid({2: (0.5, 0.6)}, whole=True), ["depths"], "unfrozen=0,1,2 seed=0,1,2"),
        (grid({0: (0.5,), 2: (0.6,)}), ["seeds"], "unfrozen=0,2 seed=0,1,2"),
        (grid(WINNER), ["between", "deeper"], "unfrozen=6 seed=0,1,2"),
        (grid({2: (0.70, 0.71), 11: (0.60, 0.61)}), ["between", "less"], "unfrozen=6 seed=0,1"),
        (grid(TIE), ["rivals", "between", "deeper"], "unfrozen=0,2,20 'seed=range(0,"),
        ([], [], ""),
    ],
)
def test_what_is_useful_next(records: list[TrialRecord], aims: list[str], overrides: str) -> None:
    (verdict,) = judge(records)
    assert [step.aim for step in verdict.next_steps] == aims
    assert not aims or overrides in next_steps(verdict)[0][1]


def rivals(verdict: Verdict) -> Any:
    return next(step for step in verdict.next_steps if step.aim == "rivals")


def test_images_limit_where_no_number_of_seeds_would_do() -> None:
    step = rivals(judge(predicted({0: 0.50, 2: 0.51}, images=60, seeds=3))[0])
    assert step.rivalry.outlook.seeds is None
    assert step.rivalry.outlook.images > 60
    assert (
        "no number of seeds would show" in next_steps(judge(predicted({0: 0.50, 2: 0.51}, images=60, seeds=3))[0])[0][0]
    )


def test_seeds_have_a_price_in_time() -> None:
    timed = [replace(each, metrics={**each.metrics, "time/phase/fine_tuning": 30.0}) for each in grid(TIE)]
    step = rivals(judge(timed)[0])
    assert step.seconds == 30 * 3 * (step.rivalry.outlook.seeds - 3)
    assert "min" in steps(timed)[0][0]


def test_a_difference_that_is_next_to_none_is_hardly_worth_it() -> None:
    assert "hardly worth it" in steps(grid({0: (0.60, 0.61, 0.60), 2: (0.601, 0.612, 0.60)}))[0][0]


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
    [("mine", "study=mine"), ("my own, new", """'study="my own, new"'"""), ("0,1", """'study="0,1"'""")],
)
def test_commands_can_be_typed(study: str, typed_name: str) -> None:
    assert steps(known(WINNER, "data=folder 'data.root=my photos'"), study) == [
        ("Nothing was tried between 2 and 11 layers:", f"{OWN} {typed_name} unfrozen=6 seed=0,1,2"),
        ("The deepest depth tried is recommended, so try deeper:", f"{OWN} {typed_name} unfrozen=all seed=0,1,2"),
    ]


@pytest.mark.parametrize("name", ["mine", "a b", "a,b", "it's", "a\\", "1e3", "null", "True", "inf", "ä"])
def test_the_studys_name_arrives(name: str) -> None:
    command = steps(known(WINNER, "data=folder"), name)[0][1]
    word = next(word for word in shlex.split(command) if word.startswith("study="))
    (override,) = OverridesParser.create().parse_overrides(as_hydra_reads(["-m", word])[1:])
    assert not override.is_sweep_override()
    assert str(override.value()) == name


def test_no_command_is_given_that_would_add_other_trials() -> None:
    """Of several studies, of another facet's run, and where more than depth and seed varies."""
    trials = known(WINNER, "batchnorm=train")
    others = [replace(each, overrides=("batchnorm=frozen",)) for each in trials]
    wide = [
        *known(WINNER, "dropout=0.2", factors={"dropout": 0.2}),
        *known({depth: [value - 0.1 for value in row] for depth, row in WINNER.items()}, "dropout=0.5",
               factors={"dropout": 0.5}),
    ]  # fmt: skip
    for records, study in ((trials, ""), (others, "mine"), (wide, "mine"), (grid(WINNER), "mine")):
        found = steps(records, study)
        assert found
        assert not any("src.train" in command for _, command in found)
        assert all(text.endswith("with the study's name and other settings:") for text, _ in found)


def search(values: Mapping[int, Sequence[float]]) -> list[TrialRecord]:
    """Every trial with a rate of its own and seed 0, as in a random search; each depth has low ones and high ones."""
    return [
        trial(depth, 0, val, {"learning_rate": 0.001 * (1 + k) + 1e-5 * depth})
        for depth, row in values.items() for k, val in enumerate(row)
    ]  # fmt: skip


@pytest.mark.parametrize(
    "values", [{0: (0.5, 0.52), 2: (0.6, 0.4, 0.55)}, {0: (0.5, 0.52, 0.51), 2: (0.7, 0.72, 0.71), 4: (0.7, 0.71)}]
)
def test_a_search_is_followed_by_a_grid(values: Mapping[int, Sequence[float]]) -> None:
    trials = search(values)
    best = max(trials, key=lambda each: each.metrics["best/val_accuracy"])
    text, command = steps(trials)[0]
    depths, rate = ",".join(map(str, values)), best.factors["learning_rate"]
    assert text.startswith("Only a grid removes what the other hyperparameters do")
    assert command == f"-m unfrozen={depths} seed=0,1,2 learning_rate={rate}"
    given = [replace(each, overrides=(f"learning_rate={each.factors['learning_rate']}", "seed=0"),
                     command=("python", "-m", "src.train", f"learning_rate={each.factors['learning_rate']}", "seed=0"))
             for each in trials]  # fmt: skip
    assert steps(given, "mine")[0][1] == (
        f"python -m src.train -m learning_rate={rate} study=mine unfrozen={depths} seed=0,1,2"
    )
