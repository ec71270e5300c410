"""A study's report: true whatever state the study is in, opened from disk, with strangers' text as text."""

import csv
import html
import json
import re
import shutil
import time
from collections import Counter
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import mlflow
import pytest

from src.api import Study as ApiStudy
from src.common.errors import ThawError
from src.report import main
from src.reporting.study_report import make_joint_report, make_report
from src.tracking import schema
from src.tracking.locks import LockFolder
from src.tracking.study import Study
from tests.conftest import shell_words
from tests.reporting.conftest import Fill
from tests.reporting.runs import FULL, VAL, trial


def report(store_uri: str, study: Study, name: str, out: Path) -> tuple[str, dict[str, Any]]:
    make_report(mlflow.MlflowClient(store_uri), study, name, out)
    page = re.sub(r"</?abbr[^>]*>", "", (out / "report.html").read_text())
    return page, json.loads((out / "verdict.json").read_text())


def test_a_clear_study_names_its_depth(fill: Fill, store_uri: str, tmp_path: Path) -> None:
    page, data = report(store_uri, fill("clear", FULL), "clear", tmp_path)
    (verdict,) = data["verdicts"]
    assert (verdict["kind"], verdict["depth"]) == ("shown", 20)
    assert verdict["answer"] in html.unescape(page)
    assert data["recommended"]["command"] == "python -m src.train unfrozen=20 seed=3"
    assert "60.6% of 500 photos (95% CI 56.3% to 64.8%)" in data["recommended"]["test"]
    assert {path.name for path in tmp_path.iterdir()} == {
        "report.html", "verdict.json", "trials.csv", "tradeoff.png", "curves.png", "shares.png", "frontier.png",
        "symptoms.png",
    }  # fmt: skip
    assert len(list(csv.DictReader((tmp_path / "trials.csv").open()))) == 16
    (gap,) = [finding for finding in data["findings"] if finding["name"] == "overfitting"]
    assert "16 of 16 trials show this, the recommended one included; the numbers are from" in gap["text"]
    assert gap["text"] in html.unescape(page)


def test_one_depth_is_told_no_rule_of_choosing(fill: Fill, store_uri: str, tmp_path: Path) -> None:
    page, _ = report(store_uri, fill("alone", [(trial(2, seed), "FINISHED") for seed in range(3)]), "alone", tmp_path)
    assert "The recommended depth is the one" not in page
    assert "beyond depth 0" not in page
    assert "Gap = fit − val, in points; not told apart" in page
    page, _ = report(store_uri, fill("not alone", FULL), "not alone", tmp_path)
    assert "The recommended depth is the one" in page
    assert "beyond depth 0" in page


def test_the_terminal_says_what_to_train_next(fill: Fill, store_uri: str, tmp_path: Path) -> None:
    study = fill("a tie", STATES["equal"][0])
    lines = make_report(mlflow.MlflowClient(store_uri), study, "a tie", tmp_path).lines()
    assert any("hardly worth it" in line and "unfrozen=0,2,11,20" in line for line in lines)


def test_the_terminal_says_how_to_promote_what_it_recommends(
    fill: Fill, store_uri: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By the study's name, which a sweep without one has from its command line; not what another margin recommends."""
    name, client = "unfrozen=0,2 learning_rate=0.1,0.01 it's", mlflow.MlflowClient(store_uri)
    study = fill(name, FULL)
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)

    def promoted_by(margin: float = 0.0) -> list[list[str]]:
        lines = make_report(client, study, name, tmp_path, margin).lines()
        return [shell_words(line.partition(": ")[2]) for line in lines if line.startswith("promote it: ")]

    command = ["python", "-m", "src.promote", "--study", name]
    assert promoted_by() == [[*command, "--tracking-uri", store_uri]]
    monkeypatch.setenv("MLFLOW_TRACKING_URI", store_uri)
    assert promoted_by() == [command]
    assert promoted_by(margin=0.05) == []


def test_the_answer_is_the_studys_description_in_mlflow(fill: Fill, store_uri: str, tmp_path: Path) -> None:
    study, client = fill("described", FULL), mlflow.MlflowClient(store_uri)

    def description() -> str:
        return client.get_run(study.run_id).data.tags["mlflow.note.content"]

    report(store_uri, study, "described", tmp_path)
    assert description().startswith("**Unfreeze 20 layers")
    assert "| 20 |" in description()
    client.set_tag(study.run_id, "mlflow.note.content", "my own words")
    report(store_uri, study, "described", tmp_path)
    assert description() == "my own words"


def test_a_margin_is_typed_in_points(
    fill: Fill, store_uri: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    fill("margins", FULL)
    arguments = ["--study", "margins", "--tracking-uri", store_uri, "--out", str(tmp_path)]
    assert main([*arguments, "--margin", "30"]) == 0
    assert "Unfreeze nothing" in capsys.readouterr().out
    data = json.loads((tmp_path / "verdict.json").read_text())
    assert (data["verdicts"][0]["depth"], data["verdicts"][0]["margin"]) == (0, 0.3)
    for wrong in ("-1", "101", "much"):
        with pytest.raises(SystemExit):
            main([*arguments, f"--margin={wrong}"])


def test_all_pairs_are_in_the_data(fill: Fill, store_uri: str, tmp_path: Path) -> None:
    _, data = report(store_uri, fill("pairs", FULL), "pairs", tmp_path)
    pairs = data["verdicts"][0]["pairs"]
    assert [(pair["depth"], pair["minus"]) for pair in pairs] == [(0, 2), (0, 11), (0, 20), (2, 11), (2, 20), (11, 20)]
    assert all(pair["low"] < pair["estimate"] < pair["high"] for pair in pairs)


def test_a_search_is_drawn_and_told_over_trials(fill: Fill, store_uri: str, tmp_path: Path) -> None:
    rates = [(trial(depth, 0, val=0.5 + depth / 50 + k / 100, dropout=0.2 + k / 10 + depth / 1000), "FINISHED")
             for depth in (2, 11) for k in range(3)]  # fmt: skip
    page, data = report(store_uri, fill("searched", rates), "searched", tmp_path)
    assert "on training photos over trials; the recommended depth" in page
    assert "Means over the trials that the verdict rests on" in page
    assert "over seeds;" not in page
    assert data["verdicts"][0]["gap"].endswith("is not known: other settings differ between the depths.")


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
    "one seed": ([(trial(depth, 0), "FINISHED") for depth in VAL], "luck cannot be separated from depth", "one seed"),
    "one depth": ([(trial(2, seed), "FINISHED") for seed in range(3)], "Nothing to compare with", "one depth"),
    "missing cells": ([*FULL[:-2], (trial(20, 3), "FAILED")], "14 finished", "shown"),
    "still running": ([*FULL[:-1], (trial(20, 3), "RUNNING")], "still running", "shown"),
    "equal": (
        [({"depth": d, "seed": s, "val": 0.5 + 0.01 * ((3 * d + 5 * s) % 4)}, "FINISHED")
         for d in VAL for s in range(4)],
        "may be as good", "tie",
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
        self.handlers += [name for name, _ in attrs if name.startswith("on") and (tag, name) != ("button", "onclick")]


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


def test_how_a_remedy_fared_stands_in_its_place(fill: Fill, store_uri: str, tmp_path: Path) -> None:
    trials = [(trial(depth, 0, augment=kind), "FINISHED") for depth in (0, 11) for kind in ("none", "light")]
    page, data = report(store_uri, fill("tries remedies", trials), "tries remedies", tmp_path)
    (finding,) = [each for each in data["findings"] if each["name"] == "overfitting"]
    assert finding["text"].startswith("Compare with the trials of this study that have augment=light. Accuracy is")
    assert finding["note"].startswith("Validation accuracy at 0 layers: 50.0% (1 trial) with augment=light, ")
    assert finding["note"] in page
    assert (finding["override"], finding["remedy"]) == ("", {})
    assert "<code>augment=light</code>" not in page


def test_what_unfreezing_adds_to_the_gap_stands_beside_it(fill: Fill, store_uri: str, tmp_path: Path) -> None:
    study = fill("adds", [(trial(depth, seed), "FINISHED") for depth in (0, 2) for seed in (0, 1)])
    client = mlflow.MlflowClient(store_uri)
    for run in study.members():
        if run.data.metrics["depth/canonical"] == 2:
            client.log_metric(run.info.run_id, "gap/mode", 0.25, step=2)
    page, data = report(store_uri, study, "adds", tmp_path)
    assert [row["mainly"] for row in data["verdicts"][0]["gaps"]] == ["generalization", "mode"]
    cells = [re.findall(r"<td[^>]*>(.*?)</td>", row) for row in page.split("<th>mode added</th>")[1].split("<tr")[1:3]]
    assert cells[0][3:] == ["+39.9", "", "", "in all: mainly generalization"]
    assert cells[1] == ["2", "+62.9", "+25.0", "+37.9", "+20.0", "−2.0", "added: mainly mode"]


def test_two_studies_are_judged_together(fill: Fill, store_uri: str, tmp_path: Path) -> None:
    names = ("half, of <one>", "half of another")
    seeds = {names[0]: (0, 1), names[1]: (2, 3)}
    for name in names:
        fill(name, [(trial(depth, seed, batchnorm="train"), "FINISHED") for depth in VAL for seed in seeds[name]])
    together = [part for name in names for part in ("--study", name)]
    assert main([*together, "--tracking-uri", store_uri, "--out", str(tmp_path)]) == 0
    data = json.loads((tmp_path / "verdict.json").read_text())
    (verdict,) = data["verdicts"]
    assert [row["score"]["count"] for row in verdict["depths"]] == [4, 4, 4, 4]
    assert data["study"] == "half, of <one> and half of another"
    rows = list(csv.DictReader((tmp_path / "trials.csv").open()))
    assert [row["study"] for row in rows] == [names[0]] * 8 + [names[1]] * 8


def test_studies_that_differ_stand_beside_each_other(fill: Fill, store_uri: str, tmp_path: Path) -> None:
    for mode in ("train", "frozen"):
        fill(f"study of {mode}", [(trial(depth, 0, batchnorm=mode), "FINISHED") for depth in VAL])
    arguments = ["--study", "study of train", "--study", "study of frozen", "--tracking-uri", store_uri]
    assert main([*arguments, "--out", str(tmp_path)]) == 0
    data = json.loads((tmp_path / "verdict.json").read_text())
    assert [verdict["facet"] for verdict in data["verdicts"]] == ["batchnorm=train", "batchnorm=frozen"]


def test_studies_of_other_data_are_no_rivals(
    fill: Fill, store_uri: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name, side, ease in (("pets", 160, 0.3), ("trees", 96, 0.0)):
        given = {"data.root": name, "image_size": side, "tags": {"data_fingerprint": name}}
        easier = [trial(depth, seed, **given) for depth in VAL for seed in (0, 1)]
        fill(f"on {name}", [(facts | {"val": facts["val"] + ease}, "FINISHED") for facts in easier])
    arguments = ["--study", "on pets", "--study", "on trees", "--tracking-uri", store_uri]
    assert main([*arguments, "--out", str(tmp_path)]) == 0
    data = json.loads((tmp_path / "verdict.json").read_text())
    assert [verdict["facet"] for verdict in data["verdicts"]] == ["data.root=pets", "data.root=trees"]
    assert data["recommended"] is None
    page = html.unescape((tmp_path / "report.html").read_text())
    assert "No trial is recommended across 2 data sets" in page
    assert "one for each data set" in page
    assert "No trial is recommended across 2 data sets" in capsys.readouterr().out


def test_a_run_that_stands_in_two_facets_is_one_trial(fill: Fill, store_uri: str, tmp_path: Path) -> None:
    shared = [
        (trial(0, s, overrides=f"batchnorm=train seed={s}\nbatchnorm=frozen seed={s}", batchnorm="train"), "FINISHED")
        for s in (0, 1)
    ]
    deep = [
        (trial(2, s, overrides=f"batchnorm={mode} seed={s}", batchnorm=mode), "FINISHED")
        for mode in ("train", "frozen") for s in (0, 1)
    ]  # fmt: skip
    page, data = report(store_uri, fill("shares its heads", [*shared, *deep]), "x", tmp_path)
    assert [[row["score"]["count"] for row in each["depths"]] for each in data["verdicts"]] == [[2, 2], [2, 2]]
    assert data["state"] == "6 trials: 6 finished. 2 of them are the trial of several jobs each, and count once."
    assert data["importance"]["trials"] == 6
    assert "Which trials are these? (all 6)" in page
    assert [page.count(f'<td class="long">{each}</td>') for each in ("batchnorm=train seed=0", "seed=0")] == [1, 1]
    assert "best of 3 validation means" in data["recommended"]["selection_bias"]


def test_a_trial_of_both_studies_counts_once(fill: Fill, store_uri: str, tmp_path: Path) -> None:
    one, other = fill("has it", [(trial(2, 0), "FINISHED")]), fill("answered by it", [(trial(11, 0), "FINISHED")])
    client = mlflow.MlflowClient(store_uri)
    client.set_tag(one.trials()[0].info.run_id, f"study.{other.key}", "unfrozen=2")
    report = make_joint_report(client, {"has it": one, "answered by it": other}, tmp_path)
    assert len(report.trials) == 2


def test_a_budgets_verdict_rests_on_what_it_compares_until_another_sweep_of_its_study(
    fill: Fill, client: mlflow.MlflowClient, tmp_path: Path
) -> None:
    budget, other = fill("by a budget", FULL), fill("beside it", [(trial(29, seed), "FINISHED") for seed in (0, 1)])
    compared = [f"by a budget {number}" for number in (9, 10, 11, 13, 14, 15)]
    chose = ["by a budget 8", "by a budget 12"]
    budget.keep_budget({"compared": compared, "stage": "final", "chose": chose})

    def stages(**studies: Study) -> Counter[str]:
        return Counter(found.stage for found in make_joint_report(client, studies, tmp_path).trials)

    assert stages(budget=budget) == {"final": 6, "chose": 2}
    assert stages(budget=budget, other=other) == {"final": 6, "chose": 2, "": 2}
    budget.judge_all()
    assert stages(budget=budget) == {"": 16}
    assert budget.budget() == {"stage": "final", "chose": chose}, "the rest of its log is kept"


def test_what_a_diverged_trial_did_is_found(fill: Fill, store_uri: str, tmp_path: Path) -> None:
    study = fill("diverged", [*FULL, (trial(2, 9, learning_rate=1.0), "FAILED")])
    client = mlflow.MlflowClient(store_uri)
    (failed,) = [run for run in study.members() if run.info.status == "FAILED"]
    client.log_metric(failed.info.run_id, "fit/loss", float("nan"), step=2)
    client.log_metric(failed.info.run_id, "learning_rate", 1.0, step=0)
    _, data = report(store_uri, study, "diverged", tmp_path)
    (finding,) = [each for each in data["findings"] if each["name"] == "diverging_loss"]
    assert "then stopped being a finite number" in finding["text"]
    assert finding["figure"] == "symptoms"
    assert finding["numbers"]["last"] is None
    assert finding["run_ids"] == [failed.info.run_id]


def test_one_seed_is_warned_of_flattery_that_nobody_knows(fill: Fill, store_uri: str, tmp_path: Path) -> None:
    page, data = report(store_uri, fill("flattered", [(trial(d, 0), "FINISHED") for d in VAL]), "x", tmp_path)
    assert "by how much is not known without a second seed" in data["recommended"]["selection_bias"]
    assert data["recommended"]["selection_bias"] in html.unescape(page)


@pytest.mark.slow
def test_five_hundred_trials_in_twenty_seconds(fill: Fill, store_uri: str, tmp_path: Path) -> None:
    many = [
        (trial(depth, seed, dropout=dropout, learning_rate=10.0**-rate), "FINISHED")
        for depth in VAL for seed in range(21) for dropout in (0.2, 0.5) for rate in (2, 3, 4)
    ][:500]  # fmt: skip
    study = fill("many", many)
    began = time.perf_counter()
    page, data = report(store_uri, study, "many", tmp_path)
    assert time.perf_counter() - began < 20
    assert "500 finished" in page
    assert {"tradeoff.png", "shares.png", "heat.png", "frontier.png", "curves.png"} <= set(data["figures"])


def test_the_command_tells_the_verdict(
    fill: Fill, store_uri: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    fill("told", FULL)
    arguments = ["--study", "told", "--tracking-uri", store_uri, "--out", str(tmp_path)]
    assert main(arguments) == 0
    out = capsys.readouterr().out
    assert "Unfreeze 20 layers" in out
    assert f"page: {tmp_path}/report.html" in out


def test_bad_input_gets_a_line(fill: Fill, store_uri: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--study", "nosuch", "--tracking-uri", store_uri, "--out", str(tmp_path / "out")]) == 1
    assert "--study nosuch: no such study; known:" in capsys.readouterr().err
    assert main(["--study", "x", "--tracking-uri", f"sqlite:///{tmp_path}/none.db"]) == 1
    assert "no such store" in capsys.readouterr().err
    fill("has no place", FULL[:2])
    (tmp_path / "file").write_text("mine")
    assert main(["--study", "has no place", "--tracking-uri", store_uri, "--out", f"{tmp_path}/file"]) == 1
    assert f"report folder {tmp_path}/file: is a file; give a folder" in capsys.readouterr().err
    assert (tmp_path / "file").read_text() == "mine"
    (tmp_path / "file").unlink()
    assert not list(tmp_path.iterdir())


def test_a_folder_of_other_files_is_spared(
    fill: Fill, store_uri: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    fill("spares", FULL[:2])
    arguments = ["--study", "spares", "--tracking-uri", store_uri, "--out", str(tmp_path)]
    (tmp_path / "curves.png").write_text("a trial's")
    assert main(arguments) == 1
    assert f"report folder {tmp_path}: curves.png lies there, and Thaw did not write it" in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ["curves.png"]
    assert (tmp_path / "curves.png").read_text() == "a trial's"
    (tmp_path / "report.html").write_text("a test runner's")
    assert main(arguments) == 1
    assert (tmp_path / "report.html").read_text() == "a test runner's"
    for name in ("curves.png", "report.html"):
        (tmp_path / name).unlink()
    (tmp_path / "notes.txt").write_text("mine")
    assert main(arguments) == 0
    assert main(arguments) == 0
    assert (tmp_path / "notes.txt").read_text() == "mine"


def test_trials_whose_process_is_gone_do_not_run(
    fill: Fill, store_uri: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("THAW_WORK_DIR", str(tmp_path / "work"))
    lock_folder = LockFolder(tmp_path / "work")
    tags = [
        {schema.TRIAL_KEY.name: name, schema.LOCK_FOLDER_ID.name: lock_folder.id}
        for name in ("of the dead", "of the living")
    ]
    fill("half dead", [*FULL[:4], *((trial(2, s, tags=own), "RUNNING") for s, own in enumerate(tags))])
    arguments = ["--study", "half dead", "--tracking-uri", store_uri, "--out", str(tmp_path / "out")]
    with lock_folder.lock("of the living", pytest.fail):
        assert main(arguments) == 0
    data = json.loads((tmp_path / "out" / "verdict.json").read_text())
    assert data["state"].startswith("6 trials: 4 finished, 1 killed, 1 running.")


def test_the_api_spares_the_same_folders_and_closes_the_same_runs(
    fill: Fill, store_uri: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("THAW_WORK_DIR", str(tmp_path / "work"))
    tags = {schema.TRIAL_KEY.name: "dead by now", schema.LOCK_FOLDER_ID.name: LockFolder(tmp_path / "work").id}
    fill("from Python", [*FULL[:4], (trial(2, 9, tags=tags), "RUNNING")])
    study = ApiStudy.load("from Python", store_uri)
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "curves.png").write_text("a trial's")
    with pytest.raises(
        ThawError, match=r"mine: curves\.png lies there, and Thaw did not write it; give another folder"
    ):
        study.report(tmp_path / "mine")
    assert [path.name for path in (tmp_path / "mine").iterdir()] == ["curves.png"]
    assert study.report(tmp_path / "out").lines()[0] == "5 trials: 4 finished, 1 killed."


def test_a_sweep_with_a_work_folder_of_its_own_does_not_read_running_after_a_crash(
    fill: Fill, store_uri: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("THAW_WORK_DIR", str(tmp_path / "another"))
    own = LockFolder(tmp_path / "own")
    fill("crashed", [*FULL[:4], (trial(2, 9, tags={schema.TRIAL_KEY.name: "crashed", **own.tags}), "RUNNING")])
    assert main(["--study", "crashed", "--tracking-uri", store_uri, "--out", str(tmp_path / "out")]) == 0
    data = json.loads((tmp_path / "out" / "verdict.json").read_text())
    assert data["state"] == "5 trials: 4 finished, 1 killed."


def test_artifacts_that_are_gone_are_named_by_the_report(
    fill: Fill, client: mlflow.MlflowClient, store_uri: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    study = fill("without files", FULL)
    for run in study.members():
        client.log_text(run.info.run_id, "x", "figures/confusion.png")
        shutil.rmtree(run.info.artifact_uri.removeprefix("file://"))
    assert main(["--study", "without files", "--tracking-uri", store_uri, "--out", str(tmp_path)]) == 0
    assert "train it:" in capsys.readouterr().out
    page = (tmp_path / "report.html").read_text()
    assert "figures/confusion.png of run" in page
    assert "<pre>python -m src.render runs:/" in page
