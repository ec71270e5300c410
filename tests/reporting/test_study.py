"""A study's report: true whatever state the study is in, opened from disk, with strangers' text as text."""

import csv
import html
import json
import re
import time
from collections.abc import Callable, Iterable
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import mlflow
import pytest
from mlflow.entities import Metric, Param, RunTag

from src.report import main
from src.reporting.study import make_report
from src.tracking.memory import KEY_TAG
from src.tracking.study import Study

Trials = Iterable[tuple[dict[str, Any], str]]
Fill = Callable[[str, Trials], Study]

VAL = {0: 0.50, 2: 0.52, 11: 0.60, 20: 0.61}


def trial(depth: int, seed: int, **parameters: Any) -> dict[str, Any]:
    return {"depth": depth, "seed": seed, "val": VAL.get(depth, 0.5) + 0.002 * seed, **parameters}


@pytest.fixture
def fill(store_uri: str) -> Fill:
    """A study in a real store with runs such as trials leave."""
    client = mlflow.MlflowClient(store_uri)

    def make(name: str, trials: Trials) -> Study:
        found = client.get_experiment_by_name("reports")
        experiment = found.experiment_id if found else client.create_experiment("reports")
        study = Study.open(client, experiment, name, {})
        for number, (facts, status) in enumerate(trials):
            add(client, experiment, study, f"{name} {number}", facts, status)
        return study

    return make


def add(
    client: mlflow.MlflowClient, experiment: str, study: Study, key: str, facts: dict[str, Any], status: str
) -> None:
    own = {name: str(value) for name, value in facts.items() if name not in {"depth", "val", "overrides"}}
    overrides = facts.get("overrides", f"unfrozen={facts['depth']} seed={facts['seed']}")
    tags = {
        KEY_TAG: key,
        f"study.{study.key}": overrides,
        "photos.val": "500",
        "photos.test": "500",
        "block": "block_16",
    }
    run_id = client.create_run(experiment, tags=tags | {"command": f"python -m src.train {overrides}"}).info.run_id
    metrics = {
        "best/val_accuracy": facts["val"], "best/train_accuracy": 0.9, "best/fit_accuracy": 0.95,
        "gap/mode": 0.05, "gap/generalization": 0.9 - facts["val"], "test/accuracy": facts["val"] - 0.01,
        "depth/canonical": facts["depth"], "depth/layers": facts["depth"], "depth/parameters": 1000 * facts["depth"],
    }  # fmt: skip
    done = [Metric(name, value, 1, 1) for name, value in metrics.items()] if status == "FINISHED" else []
    epochs = [
        Metric(name, value, 1, step) for step in (0, 1)
        for name, value in (("fit/accuracy", 0.5 + step / 4), ("val/accuracy", 0.4 + step / 9), ("phase", float(step)))
    ]  # fmt: skip
    client.log_batch(run_id, [*done, *epochs], [Param(name, value) for name, value in own.items()], [RunTag("x", "y")])
    if status != "RUNNING":
        client.set_terminated(run_id, status)


def report(store_uri: str, study: Study, name: str, out: Path) -> tuple[str, dict[str, Any]]:
    make_report(mlflow.MlflowClient(store_uri), study, name, out)
    return (out / "report.html").read_text(), json.loads((out / "verdict.json").read_text())


FULL = [(trial(depth, seed), "FINISHED") for depth in VAL for seed in range(4)]


def test_a_clear_study_names_its_depth(fill: Fill, store_uri: str, tmp_path: Path) -> None:
    page, data = report(store_uri, fill("clear", FULL), "clear", tmp_path)
    (verdict,) = data["verdicts"]
    assert (verdict["kind"], verdict["depth"]) == ("shown", 20)
    assert verdict["sentence"] in html.unescape(page)
    assert data["recommended"]["command"] == "python -m src.train unfrozen=20 seed=0"
    assert "60.0 % of 500 photos (95 % interval 55.6 % to 64.2 %)" in data["recommended"]["test"]
    assert {path.name for path in tmp_path.iterdir()} == {
        "report.html", "verdict.json", "trials.csv", "tradeoff.png", "curves.png", "shares.png", "frontier.png",
        "signs.png",
    }  # fmt: skip
    assert len(list(csv.DictReader((tmp_path / "trials.csv").open()))) == 16


def test_test_photos_have_no_say(fill: Fill, store_uri: str, tmp_path: Path) -> None:
    one, two = fill("blind", FULL), fill("blinder", FULL)
    client = mlflow.MlflowClient(store_uri)
    for run in two.members():
        client.log_metric(run.info.run_id, "test/accuracy", 1 - run.data.metrics["test/accuracy"])
    chosen = [report(store_uri, study, "x", tmp_path / study.key)[1]["verdicts"] for study in (one, two)]
    assert chosen[0] == chosen[1]


STATES = {
    "none yet": ([], "No trial yet", "nothing"),
    "all failed": ([(trial(2, 0), "FAILED"), (trial(11, 0), "FAILED")], "2 failed", "nothing"),
    "one seed": ([(trial(depth, 0), "FINISHED") for depth in VAL], "trained with a second seed", "one seed"),
    "one depth": ([(trial(2, seed), "FINISHED") for seed in range(3)], "nothing to compare it with", "one depth"),
    "missing cells": ([*FULL[:-2], (trial(20, 3), "FAILED")], "14 finished", "shown"),
    "still running": ([*FULL[:-1], (trial(20, 3), "RUNNING")], "still running", "shown"),
    "equal": (
        [({"depth": d, "seed": s, "val": 0.5 + 0.01 * ((3 * d + 5 * s) % 4)}, "FINISHED")
         for d in VAL for s in range(4)],
        "No difference between", "tie",
    ),
}  # fmt: skip


@pytest.mark.parametrize("state", STATES)
def test_every_state_gets_a_true_page(fill: Fill, store_uri: str, tmp_path: Path, state: str) -> None:
    trials, says, kind = STATES[state]
    page, data = report(store_uri, fill(state, trials), state, tmp_path)
    assert says in page
    assert data["verdicts"][0]["kind"] == kind


class Page(HTMLParser):
    """Collects what a browser would run or fetch, and what figures say."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.alts: list[str | None] = []
        self.fetched: list[str] = []
        self.handlers: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        given = dict(attrs)
        if tag == "img":
            self.alts.append(given.get("alt"))
        self.fetched += [
            value for name in ("src", "href") if (value := given.get(name)) and not value.startswith(("data:", "#"))
        ]
        self.handlers += [name for name, _ in attrs if name.startswith("on")]


NAMES = ["<script>alert(1)</script>", "\" onload=alert(1) x='", "a,b;c 🌲 {{ 7*7 }}", "x" * 200, "</title><b>&amp;"]


@pytest.mark.parametrize("name", NAMES)
def test_names_are_text(fill: Fill, store_uri: str, tmp_path: Path, name: str) -> None:
    trials = [(trial(depth, seed, overrides=f"data.root={name}"), "FINISHED") for depth in VAL for seed in (0, 1)]
    page, _ = report(store_uri, fill(f"study {name}", trials), name, tmp_path)
    seen = Page(page)
    assert "script" not in seen.tags
    assert not {"b"} & set(seen.tags)
    assert not seen.handlers
    assert not seen.fetched
    assert "49" not in re.findall(r"<h1>(.*?)</h1>", page)[0]
    assert len(seen.alts) == 5
    assert all(alt and len(alt) > 20 for alt in seen.alts)


def test_hyperparameters_that_vary_are_reduced_and_facets_kept(fill: Fill, store_uri: str, tmp_path: Path) -> None:
    trials = [
        (trial(depth, seed, dropout=dropout, batchnorm=mode), "FINISHED")
        for depth in (0, 11) for seed in range(3) for dropout in (0.2, 0.5) for mode in ("train", "inference")
    ]  # fmt: skip
    page, data = report(store_uri, fill("facets", trials), "facets", tmp_path)
    assert [verdict["facet"] for verdict in data["verdicts"]] == ["batchnorm=train", "batchnorm=inference"]
    assert "dropout also varied: each depth stands with its best of 2 configurations" in page


@pytest.mark.slow
def test_five_hundred_trials_in_twenty_seconds(fill: Fill, store_uri: str, tmp_path: Path) -> None:
    many = [(trial(depth, seed), "FINISHED") for depth in VAL for seed in range(125)]
    study = fill("many", many)
    began = time.perf_counter()
    page, _ = report(store_uri, study, "many", tmp_path)
    assert time.perf_counter() - began < 20
    assert "500 finished" in page


def test_the_command_tells_the_verdict(
    fill: Fill, store_uri: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    fill("told", FULL)
    arguments = ["--study", "told", "--tracking-uri", store_uri, "--out", str(tmp_path)]
    assert main(arguments) == 0
    out = capsys.readouterr().out
    assert "Unfreeze 20 layers" in out
    assert f"page: {tmp_path}/report.html" in out


def test_bad_input_gets_a_line(store_uri: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--study", "nosuch", "--tracking-uri", store_uri, "--out", str(tmp_path / "out")]) == 1
    assert "--study nosuch: no such study; known:" in capsys.readouterr().err
    assert main(["--study", "x", "--tracking-uri", f"sqlite:///{tmp_path}/none.db"]) == 1
    assert "no such store" in capsys.readouterr().err
    assert not list(tmp_path.iterdir())
