"""A study's figures: there is one wherever there is something to show, whatever the trials."""

import math
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import mlflow
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from src.reporting.drawing import Gallery, draw_all
from src.reporting.recommendation import recommend
from src.verdict.diagnosis import diagnose
from src.verdict.records import TrialRecord
from src.verdict.verdict import judge
from tests.verdict.studies import trial


def draw(client: mlflow.MlflowClient, trials: Sequence[TrialRecord], out: Path) -> Gallery:
    out.mkdir(exist_ok=True)
    verdicts = judge(trials)
    recommended = recommend(verdicts, {record.run_id: {} for record in trials})
    return draw_all(client, trials, verdicts, diagnose(trials), recommended, out)


def shown(gallery: Gallery) -> set[str]:
    return {picture.name for picture in gallery.pictures}


def many(*, depths: Sequence[int] = (0, 2, 11), seeds: int = 2, **factors: Sequence[float]) -> list[TrialRecord]:
    (name, values) = next(iter(factors.items()), ("dropout", (0.2,)))
    return [
        trial(depth, seed, 0.5 + 0.01 * depth + 0.02 * seed + 0.001 * place, {name: value})
        for depth in depths for seed in range(seeds) for place, value in enumerate(values)
    ]  # fmt: skip


CASES: dict[str, tuple[list[TrialRecord], set[str]]] = {
    "nothing": ([], set()),
    "one trial": (many(depths=(2,), seeds=1), {"tradeoff", "curves"}),
    "two trials": (many(depths=(0, 2), seeds=1), {"tradeoff", "curves", "frontier"}),
    "depths": (many(), {"tradeoff", "curves", "shares", "frontier"}),
    "depths and dropout": (many(dropout=(0.2, 0.5)), {"tradeoff", "curves", "shares", "frontier", "heat"}),
    "a random search": (
        many(seeds=1, learning_rate=[10 ** (-k / 7) for k in range(40)]),
        {"tradeoff", "curves", "shares", "frontier", "heat"},
    ),
    "forty depths": (many(depths=range(40), dropout=(0.2, 0.5)), {"tradeoff", "curves", "shares", "frontier", "heat"}),
}


@pytest.mark.parametrize("case", CASES)
def test_what_there_is_to_show_is_shown(client: mlflow.MlflowClient, tmp_path: Path, case: str) -> None:
    trials, names = CASES[case]
    gallery = draw(client, trials, tmp_path)
    assert shown(gallery) == names
    for picture in gallery.pictures:
        assert len(picture.alt) > 40
        with Image.open(picture.path) as image:
            assert 500 < image.width < 1400
            assert image.height < 6000
            assert len(image.convert("RGB").getcolors(2**22) or []) > 4


def test_what_an_earlier_report_drew_makes_room(client: mlflow.MlflowClient, tmp_path: Path) -> None:
    draw(client, many(dropout=(0.2, 0.5)), tmp_path)
    assert (tmp_path / "heat.png").exists()
    draw(client, many(), tmp_path)
    assert not (tmp_path / "heat.png").exists()


def test_figures_that_are_not_in_the_store_are_told(client: mlflow.MlflowClient, tmp_path: Path) -> None:
    gallery = draw(client, [replace(each, class_counts={"oak": 90, "elm": 3}) for each in many()], tmp_path)
    assert [text.split(":")[0] for text in gallery.missing] == [
        "Confusion matrix", "Worst mistakes", "Photos of each class",
    ]  # fmt: skip
    assert "figures/confusion.png of run 11-0-0.2 is not at its place" in gallery.missing[0]


number = st.one_of(st.floats(0, 1), st.just(math.nan), st.just(math.inf))
metrics = st.dictionaries(
    st.sampled_from(["best/fit_accuracy", "best/train_accuracy", "gap/mode", "gap/generalization", "best/epoch",
                     "trainable_parameters", "time/total", "best/train_loss"]), number,
)  # fmt: skip
epochs = st.lists(
    st.dictionaries(st.sampled_from(["fit/accuracy", "val/accuracy", "fit/loss", "phase", "learning_rate"]), number),
    max_size=4,
)
trials = st.builds(
    lambda depth, seed, val, factors, status, more, history: replace(
        trial(depth, seed, val, factors, status=status, run_id=f"{depth} {seed} {factors}"),
        metrics={"best/val_accuracy": val, **more},
        history=[each | {"epoch": float(k)} for k, each in enumerate(history)],
    ),
    st.integers(0, 3), st.integers(0, 2), st.floats(0, 1),
    st.dictionaries(st.sampled_from(["dropout", "batchnorm", "learning_rate"]), st.sampled_from([0.1, 0.2, "$\\a{"])),
    st.sampled_from(["FINISHED", "FINISHED", "FAILED", "RUNNING"]), metrics, epochs,
)  # fmt: skip


@settings(max_examples=12, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(trials, max_size=10))
def test_whatever_the_trials(client: mlflow.MlflowClient, tmp_path: Path, records: list[TrialRecord]) -> None:
    gallery = draw(client, records, tmp_path)
    finished = any(record.status == "FINISHED" for record in records)
    assert ("tradeoff" in shown(gallery)) == finished
