"""Sweeps, as users run them: reused, failing alone, stopped at the first failure, on several processes, searched."""

import csv
import io
import os
import re
import signal
import subprocess
import time
from collections import Counter
from pathlib import Path
from typing import Any

import mlflow
import pytest

from src.common.project import PROJECT
from src.tracking import schema
from src.tracking.study import study_key
from tests.conftest import Command
from tests.processes import wait_for
from tests.stores import runs_of
from tests.typist import Typist

TINY = ("schedule=two_phase", "force=false", "epochs=1", "fine_tune_epochs=1")


@pytest.fixture(scope="module")
def uri(tmp_path_factory: pytest.TempPathFactory) -> str:
    return f"sqlite:///{tmp_path_factory.mktemp('sweeps') / 'mlflow.db'}"


@pytest.fixture(scope="module")
def sweep(thaw: Command, tiny: tuple[str, ...], uri: str, tmp_path_factory: pytest.TempPathFactory) -> Command:
    """A sweep of tiny trials in a store of this module's own."""
    folder = tmp_path_factory.mktemp("sweep")

    def run(*arguments: str, **environment: Any) -> subprocess.CompletedProcess[str]:
        places = (f"tracking.uri={uri}", f"hydra.sweep.dir={folder}")
        return thaw("src.train", "-m", *tiny, *TINY, *places, *arguments, **environment)

    return run


def runs(uri: str, query: str = "") -> list[Any]:
    return runs_of(mlflow.MlflowClient(uri), query)


def study(uri: str, name: str) -> Any:
    (found,) = [run for run in runs(uri) if run.data.tags.get("study") == name]
    return found


def trials_of(uri: str, name: str) -> list[dict[str, str]]:
    client = mlflow.MlflowClient(uri)
    text = Path(client.download_artifacts(study(uri, name).info.run_id, "trials.csv")).read_text()
    return list(csv.DictReader(io.StringIO(text)))


GRID = ("unfrozen=0,1,2,all", "dropout=0.2,0.5", "seed=0", "study=grid")


@pytest.fixture(scope="module")
def twice(sweep: Command) -> tuple[subprocess.CompletedProcess[str], subprocess.CompletedProcess[str], float]:
    first = sweep(*GRID)
    began = time.perf_counter()
    second = sweep(*GRID)
    return first, second, time.perf_counter() - began


@pytest.mark.slow
def test_a_sweep_twice_trains_once(twice: Any, uri: str) -> None:
    first, second, seconds = twice
    assert first.returncode == second.returncode == 0, first.stderr + second.stderr
    assert re.search(r"8 of 8 trials done, 2 reused", first.stdout)  # LeNet's layers -2 and -1 train alike
    assert re.search(r"8 of 8 trials done, 8 reused", second.stdout)
    assert seconds < 30
    finished = runs(uri, "attributes.status = 'FINISHED' and tags.trial_key != ''")
    assert len(finished) == len({run.data.tags["trial_key"] for run in finished}) == 6


@pytest.mark.slow
def test_the_study_holds_its_trials(twice: Any, uri: str) -> None:
    parent = study(uri, "grid")
    children = runs(uri, f"tags.mlflow.parentRunId = '{parent.info.run_id}'")
    assert len(children) == 6
    assert parent.info.status == "FINISHED"
    counts = {name: parent.data.metrics[f"trials/{name}"] for name in ("finished", "reused", "failed", "killed")}
    assert counts == {"finished": 6, "reused": 8, "failed": 0, "killed": 0}  # the last of a sweep, others of trials
    assert parent.data.metrics["best/val_accuracy"] == max(run.data.metrics["best/val_accuracy"] for run in children)
    kept = {artifact.path for artifact in mlflow.MlflowClient(uri).list_artifacts(parent.info.run_id, "report")}
    assert {"report/report.html", "report/verdict.json", "report/tradeoff.png"} <= kept
    assert "page: " in twice[1].stdout
    rows = trials_of(uri, "grid")
    assert len(rows) == 6
    spelled = [schema.MEMBER.at(study_key("grid")).read(run.data.tags) or () for run in children]
    assert sorted(len(lines) for lines in spelled) == [1] * 4 + [2] * 2  # unfrozen=1 and unfrozen=2
    assert Counter(re.search(r"unfrozen=(\w+)", row["overrides"])[1] for row in rows) == {"0": 2, "1": 2, "all": 2}
    assert all(f"unfrozen={row['unfrozen']}" in row["overrides"] and " | " not in row["overrides"] for row in rows)
    assert {"unfrozen", "seed", "dropout", "best/val_accuracy", "gap/mode"} <= set(rows[0])


def test_another_study_takes_in_what_is_known(twice: Any, sweep: Command, uri: str) -> None:
    done = sweep("unfrozen=0,all", "dropout=0.2", "study=second")
    assert "2 of 2 trials done, 2 reused" in done.stdout
    assert [row["trained_by"] for row in trials_of(uri, "second")] == ["another", "another"]
    assert len(trials_of(uri, "grid")) == 6


def test_a_reused_sweep_needs_no_tensorflow(twice: Any, sweep: Command, tmp_path: Path) -> None:
    (tmp_path / "tensorflow.py").write_text("raise SystemExit('TensorFlow was imported')")
    (tmp_path / "keras.py").write_text("raise SystemExit('Keras was imported')")
    done = sweep(*GRID, PYTHONPATH=f"{tmp_path}:{PROJECT}")
    assert done.returncode == 0, done.stderr
    assert "8 reused" in done.stdout


def test_a_failing_trial_stays_alone(sweep: Command, uri: str) -> None:
    done = sweep("unfrozen=0,99,all", "seed=7", "study=failing")
    assert done.returncode == 1
    assert "3 of 3 trials done, 1 failed" in done.stdout
    told = [line for line in done.stderr.splitlines() if "FAILED" in line]
    assert len(told) == 1
    assert "unfrozen=99: FAILED: unfrozen=99: lenet5 has 6 layers" in told[0]
    assert re.search(r"unfrozen=99\s+failed: unfrozen=99: lenet5 has", done.stdout)
    parent = study(uri, "failing")
    assert parent.info.status == "FAILED"
    (failed,) = runs(uri, f"tags.mlflow.parentRunId = '{parent.info.run_id}' and attributes.status = 'FAILED'")
    assert "lenet5 has 6 layers" in failed.data.tags["error"]
    client = mlflow.MlflowClient(uri)
    assert "Traceback" in Path(client.download_artifacts(failed.info.run_id, "traceback.txt")).read_text()
    ended = {row["overrides"].split("unfrozen=")[1].split()[0]: row["status"] for row in trials_of(uri, "failing")}
    assert ended == {"0": "FINISHED", "99": "FAILED", "all": "FINISHED"}
    assert "Traceback" not in done.stderr
    assert "Error executing job" not in done.stderr


def test_a_trial_that_cannot_be_composed_stays_alone_too(sweep: Command, uri: str) -> None:
    done = sweep("augment=none,nosuch,light", "seed=9", "unfrozen=all", "study=broken")
    assert done.returncode == 1
    assert "3 of 3 trials done, 1 failed" in done.stdout
    assert "augment=nosuch: FAILED: unknown augment 'nosuch'" in done.stderr
    assert sorted(row["status"] for row in trials_of(uri, "broken")) == ["FAILED", "FINISHED", "FINISHED"]


def test_a_signal_ends_a_parallel_sweep_and_leaves_no_run_running(
    heavy_typist: Typist, tiny: tuple[str, ...], uri: str, tmp_path: Path
) -> None:
    overrides = (
        "hydra/launcher=joblib", "hydra.launcher.n_jobs=2", "epochs=5000", "schedule.training.patience=null",
        "seed=31,32", "force=false", "study=signalled", f"tracking.uri={uri}", f"hydra.sweep.dir={tmp_path}",
    )  # fmt: skip
    process = heavy_typist.start("src.train", "-m", *tiny, *overrides, cwd=PROJECT)
    wait_for(lambda: len(runs(uri, "attributes.status = 'RUNNING'")) == 3)
    os.kill(process.pid, signal.SIGTERM)
    done = process.wait(60)
    assert done.status == 128 + signal.SIGTERM, done.err
    assert study(uri, "signalled").info.status == "KILLED"
    assert not runs(uri, "attributes.status = 'RUNNING'")
    assert [row["status"] for row in trials_of(uri, "signalled")] == ["KILLED", "KILLED"]
    assert study(uri, "signalled").data.metrics["trials/killed"] == 2
    assert "2 of 2 trials done, 2 killed" in done.out


def test_a_trial_that_fails_again_is_one_run(sweep: Command, uri: str) -> None:
    for _ in range(2):
        done = sweep("unfrozen=all,99", "seed=41", "study=again")
        assert done.returncode == 1
    parent = study(uri, "again")
    failed = runs(uri, f"tags.mlflow.parentRunId = '{parent.info.run_id}' and attributes.status = 'FAILED'")
    assert len(failed) == 1
    assert [row["status"] for row in trials_of(uri, "again")] == ["FINISHED", "FAILED"]
    counts = {name: parent.data.metrics[f"trials/{name}"] for name in ("finished", "reused", "failed", "killed")}
    assert counts == {"finished": 1, "reused": 1, "failed": 1, "killed": 0}
    assert "=: No finished trial" not in done.stdout
    assert "2 trials: 1 failed, 1 finished." in done.stdout


def test_a_margin_recommends_the_least_depth_within_it(sweep: Command) -> None:
    done = sweep("unfrozen=0,all", "seed=14", "study=margin", "report.margin=100")
    assert done.returncode == 0, done.stderr
    assert "Unfreeze nothing" in done.stdout
    refused = sweep("unfrozen=0,all", "seed=14", "study=margin", "report.margin=101")
    assert refused.returncode == 1
    assert "report.margin=101" in refused.stderr


def test_fail_fast_stops(sweep: Command, uri: str) -> None:
    done = sweep("unfrozen=99,0,1", "seed=8", "study=fast", "fail_fast=true")
    assert done.returncode == 1
    assert "3 of 3 trials done, 1 failed, 2 skipped" in done.stdout
    assert study(uri, "fast").data.metrics["trials/finished"] == 0
    done = sweep("augment=nosuch,none,light", "seed=8", "study=faster", "fail_fast=true")
    assert done.returncode == 1
    assert "3 of 3 trials done, 1 failed, 2 skipped" in done.stdout


def test_where_no_trial_can_be_composed_nothing_begins(sweep: Command, uri: str) -> None:
    before = len(runs(uri))
    done = sweep("unfrozen=0,2", "dropout=1.5", "study=never")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.splitlines() == ["thaw: dropout=1.5: input should be less than 1 (part of the pooled features "
                                        "dropped before the dense layer)"]  # fmt: skip
    assert len(runs(uri)) == before


@pytest.mark.slow
def test_several_processes_share_the_head_and_lose_nothing(sweep: Command, uri: str) -> None:
    launcher = ("hydra/launcher=joblib", "hydra.launcher.n_jobs=2", "runtime.threads=1")
    done = sweep(*launcher, "unfrozen=0,1,2,all", "seed=11", "study=parallel")
    assert done.returncode == 0, done.stderr
    assert "4 of 4 trials done" in done.stdout
    finished = [row for row in trials_of(uri, "parallel") if row["status"] == "FINISHED"]
    assert len(finished) == 3
    alone = sweep("unfrozen=all", "seed=11", "force=true", "runtime.threads=1", "study=alone")
    assert alone.returncode == 0, alone.stderr
    values = {row["best/val_loss"] for row in finished + trials_of(uri, "alone") if row["unfrozen"] == "all"}
    assert len(values) == 1


SEARCH = ("hydra/sweeper=keras_tuner", "dropout=interval(0.1,0.6)", "unfrozen=0,all", "seed=21")


@pytest.mark.slow
def test_a_search_comes_to_its_total_however_often_it_is_run(sweep: Command, uri: str) -> None:
    oracle = ("hydra.sweeper.oracle=random", "study=search")
    assert "3 of 3 trials done" in sweep(*SEARCH, *oracle, "hydra.sweeper.max_trials=3").stdout
    more = sweep(*SEARCH, *oracle, "hydra.sweeper.max_trials=5")
    assert "5 of 5 trials done, 3 reused" in more.stdout, more.stderr
    assert "5 of 5 trials done, 5 reused" in sweep(*SEARCH, *oracle, "hydra.sweeper.max_trials=5").stdout
    assert len(trials_of(uri, "search")) == 5


@pytest.mark.slow
def test_hyperband_promotes_and_continues(sweep: Command, uri: str) -> None:
    oracle = ("hydra.sweeper.oracle=hyperband", "hydra.sweeper.max_epochs=4", "hydra.sweeper.factor=2")
    done = sweep(*SEARCH, *oracle, "hydra.sweeper.max_trials=7", "study=rungs")
    assert done.returncode == 0, done.stderr
    rows = trials_of(uri, "rungs")
    by_dropout: dict[tuple[str, str], list[int]] = {}
    for row in rows:
        by_dropout.setdefault((row["dropout"], row["unfrozen"]), []).append(int(row["fine_tune_epochs"]))
    promoted = [epochs for epochs in by_dropout.values() if len(epochs) > 1]
    assert promoted
    assert all(epochs == sorted(epochs) for epochs in promoted)
    assert study(uri, "rungs").data.metrics["trials/pruned"] > 0
    labels = [line.split(":")[0] for line in done.stderr.splitlines() if ": val " in line]
    assert len(set(labels)) == len(labels) == 7  # the same values with more epochs are another trial


@pytest.mark.slow
def test_a_promoted_trial_recalls_its_lower_rung_and_comes_to_what_it_would_alone(sweep: Command, uri: str) -> None:
    oracle = ("hydra.sweeper.oracle=hyperband", "hydra.sweeper.max_epochs=4", "hydra.sweeper.factor=2")
    patient = "schedule.fine_tuning.patience=null"
    done = sweep(*SEARCH, *oracle, patient, "hydra.sweeper.max_trials=7", "study=recalls")
    assert done.returncode == 0, done.stderr
    client, below = mlflow.MlflowClient(uri), dict[tuple[str, str], int]()
    recalled = {}
    for row in trials_of(uri, "recalls"):
        values = (row["dropout"], row["unfrozen"])
        tags = client.get_run(row["run_id"]).data.tags
        if values in below:
            recalled[row["run_id"]] = int(tags["epochs_recalled"]) - 1  # the head's epoch
            assert recalled[row["run_id"]] == below[values]
        below[values] = int(row["fine_tune_epochs"])
    assert recalled
    last = client.get_run(list(recalled)[-1]).data
    read = schema.CONFIGURATION.read(last.tags) or {}
    values = [f"{name}={read[name]}" for name in ("dropout", "unfrozen", "fine_tune_epochs", "seed")]
    alone = sweep(patient, *values, "force=true", "study=recalls alone", f"runtime.work_dir={tmp_of(uri)}")
    assert alone.returncode == 0, alone.stderr
    (row,) = trials_of(uri, "recalls alone")
    assert client.get_run(row["run_id"]).data.tags["epochs_recalled"] == "0"
    assert float(row["best/val_loss"]) == last.metrics["best/val_loss"]


def tmp_of(uri: str) -> Path:
    """A folder beside the store in which no phase is known."""
    return Path(uri.removeprefix("sqlite:///")).parent / "elsewhere"


@pytest.mark.slow
def test_a_finished_search_needs_no_tensorflow(sweep: Command, uri: str, tmp_path: Path) -> None:
    search = (*SEARCH, "hydra.sweeper.oracle=bayesian", "hydra.sweeper.max_trials=3", "study=remembered")
    assert sweep(*search).returncode == 0
    for name in ("tensorflow", "keras", "keras_tuner"):
        (tmp_path / f"{name}.py").write_text(f"raise SystemExit('{name} was imported')")
    done = sweep(*search, PYTHONPATH=f"{tmp_path}:{PROJECT}")
    assert done.returncode == 0, done.stderr
    assert "3 of 3 trials done, 3 reused" in done.stdout


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["hydra.sweeper.oracle=grid", "dropout=0.1,0.2"], "oracle=grid: input should be 'random', 'bayesian' or"),
        (["hydra.sweeper.batch_size=true", "dropout=0.1,0.2"], "hydra.sweeper.batch_size=true: neither true nor"),
        (["hydra.sweeper.max_trials=0", "dropout=0.1,0.2"], "hydra.sweeper.max_trials=0"),
        (["dropout=0.1"], "nothing to search"),
        (["dropout=interval(0.6,0.1)"], "dropout"),
        (["dropout=0.1,0.2", "epochs=many"], "epochs=many: input should be a valid integer"),
        (["dropout=interval(2.0,3.0)"], "dropout=2.0: input should be less than 1"),
        (["hydra.sweeper.oracle=hyperband", "dropout=0.1,0.2", "fine_tune_epochs=0"], "fine_tune_epochs=0: "),
        (["hydra.sweeper.oracle=hyperband", "fine_tune_epochs=1,2"], "fine_tune_epochs: hyperband rations it"),
        (["hydra.sweeper.oracle=hyperband", "schedule=head_only", "dropout=0.1,0.2"], "schedule=two_phase?"),
    ],
)  # fmt: skip
def test_a_bad_search_gets_a_line(sweep: Command, arguments: list[str], says: str) -> None:
    done = sweep("hydra/sweeper=keras_tuner", *arguments)
    assert (done.returncode, done.stdout) == (1, "")
    assert says in done.stderr
    assert len(done.stderr.splitlines()) == 1
