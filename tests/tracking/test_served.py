"""Trials over MLflow's server and PostgreSQL: a study moves there and goes on, and outages cost no number."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import mlflow
import numpy as np
import pytest

from src.common.project import PROJECT
from src.tracking import schema
from src.tracking.migration import Renaming
from src.tracking.mlflow_run import Run, started_run
from src.tracking.mlflow_server import ServerSettings, StoreServer, mlflow_server
from src.tracking.mlflow_store import open_store
from src.tracking.outbox import unsent_runs
from tests.conftest import Command
from tests.processes import wait_for
from tests.tracking.relay import Relay
from tests.tracking.test_mlflow_store import config
from tests.typist import Typist

pytestmark = pytest.mark.slow


SECONDS = float(os.environ.get("THAW_TEST_OUTAGE_SECONDS", "3"))
"""Of an outage; the server is busy for twice as long."""
Histories = dict[str, list[tuple[int, float]]]
LONG = ("schedule.training.epochs=200", "schedule.training.patience=null", "tracking.artifacts=none")
WHILE_IT_FAILS = (*LONG, f"schedule.training.epochs={200 + int(60 * SECONDS)}", "force=true")


@pytest.fixture(scope="module")
def words(photos: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[str, ...]:
    """What every trial of these tests is typed with."""
    folder = tmp_path_factory.mktemp("served")
    return (
        "backbone=lenet5", "data=folder", f"data.root={photos}", "image_size=32", "batch_size=8", "seed=0",
        "schedule.training.epochs=2", f"runtime.cache_dir={folder}", f"runtime.work_dir={folder}/work",
    )  # fmt: skip


def runs_in(client: mlflow.MlflowClient, experiment: str = "thaw") -> list[mlflow.entities.Run]:
    found = client.get_experiment_by_name(experiment)
    return list(client.search_runs([found.experiment_id], max_results=1000)) if found else []


def migrated(thaw: Command, source: str, target: str) -> str:
    done = thaw("src.migrate", "--from", source, "--to", target)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_a_study_moves_to_the_server_and_goes_on_there(
    served: StoreServer, thaw: Command, words: tuple[str, ...], tmp_path: Path
) -> None:
    source = f"sqlite:///{tmp_path}/mlflow.db"
    sweep = ("src.train", "-m", "unfrozen=0,2", *words, "study=moves", f"hydra.sweep.dir={tmp_path}/sweep")
    first = thaw(*sweep, f"tracking.uri={source}", cwd=tmp_path)
    assert first.returncode == 0, first.stderr
    assert migrated(thaw, source, served.uri).endswith("both sides are equal\n")
    client = mlflow.MlflowClient(served.uri)
    before, copies = runs_in(mlflow.MlflowClient(source)), runs_in(client)
    ids = {schema.MIGRATED_FROM.read(run.data.tags): run.info.run_id for run in copies}
    assert sorted(run.info.run_id for run in before) == sorted(ids)
    assert len(before) == 3
    assert not named(client, [run.info.run_id for run in copies], [*ids])
    again = thaw(*sweep, f"tracking.uri={served.uri}", cwd=tmp_path)
    assert again.returncode == 0, again.stderr
    assert "2 of 2 trials done, 2 reused" in again.stdout
    assert len(runs_in(client)) == 3
    more = thaw(*sweep, f"tracking.uri={served.uri}", "dropout=0.3", cwd=tmp_path)
    assert more.returncode == 0, more.stderr
    assert len(runs_in(client)) == 5
    assert {run.info.status for run in runs_in(client)} == {"FINISHED"}
    report = thaw("src.report", "--study", "moves", "--tracking-uri", served.uri, cwd=tmp_path)
    assert report.returncode == 0, report.stderr
    (kept,) = [run for run in copies if schema.MODEL.read(run.data.tags)]
    photo = next(Path(words[2].removeprefix("data.root=")).rglob("*.png"))
    said = thaw("src.predict", "--model", f"runs:/{kept.info.run_id}", str(photo), MLFLOW_TRACKING_URI=served.uri)
    assert said.returncode == 0, said.stderr


def named(client: mlflow.MlflowClient, run_ids: list[str], olds: list[str]) -> list[str]:
    """What of runs names one of the `olds`, but for the mark of the copy."""
    found = []
    for run_id in run_ids:
        tags = {name: text for name, text in client.get_run(run_id).data.tags.items() if name != "migrated_from"}
        found += [name for name, text in tags.items() if any(old in text for old in olds)]
        folder = Path(client.download_artifacts(run_id, ""))
        texts = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
        found += [str(path) for path, text in texts.items() if any(old.encode() in text for old in olds)]
        if (folder / "predictions" / "val.npz").exists():
            names = np.load(folder / "predictions" / "val.npz").get("names", np.array([]))
            found += [name for name in names if name in olds]
    return found


def test_ids_are_renamed_where_they_lie_across_two_tags() -> None:
    old, new = "0" * 31 + "a", "f" * 32
    text = json.dumps({"x": "y" * (schema.LONGEST_TAG - 20), "run": old})
    tags = schema.BUDGET.of(json.loads(text)) | {"of.1": old, "other": f"{old}0"}
    renamed = Renaming({old.encode(): new.encode()}).tags(tags)
    assert schema.BUDGET.read(renamed) == json.loads(text.replace(old, new))
    assert renamed["of.1"] == new
    assert renamed["other"] == f"{old}0"


def test_a_migration_that_is_killed_goes_on_to_equal_stores(served: StoreServer, thaw: Command, tmp_path: Path) -> None:
    source = f"sqlite:///{tmp_path}/mlflow.db"
    client, experiment = open_store(config(source, "many"), tmp_path)
    number = int(os.environ.get("THAW_TEST_MIGRATED_RUNS", "40"))
    for index in range(number):
        with started_run(client, experiment, f"run {index}", index + 1, {"trial_key": f"key {index}"}) as run:
            for epoch in range(3):
                run.metrics({"val/loss": index / (epoch + 1), "fit/loss": float("nan"), "lr": float("inf")}, epoch)
            run.text(f"{run.run_id}\n", "summary.json")
    command = [sys.executable, "-m", "src.migrate", "--from", source, "--to", served.uri]
    target = mlflow.MlflowClient(served.uri)
    for share in (0.2, 0.5, 0.8):
        process = subprocess.Popen(command, cwd=PROJECT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        while process.poll() is None and complete(target) < share * number:
            time.sleep(0.05)
        process.kill()
        assert process.wait(30) == -signal.SIGKILL
    assert complete(target) < number
    assert "both sides are equal" in migrated(thaw, source, served.uri)
    assert complete(target) == number
    assert len(runs_in(target, "many")) == number
    damaged = runs_in(target, "many")[0].info.run_id
    target.log_metric(damaged, "val/loss", 1.0, step=9)
    target.log_text(damaged, "other\n", "summary.json")
    done = thaw("src.migrate", "--from", source, "--to", served.uri)
    assert done.returncode == 1
    assert done.stdout.splitlines()[-1] == "2 differences"
    assert f"now {damaged}: file summary.json differs" in done.stdout
    assert f"now {damaged}: metric val/loss differs" in done.stdout


def complete(client: mlflow.MlflowClient) -> int:
    return sum(schema.MIGRATED.read(run.data.tags) is True for run in runs_in(client, "many"))


@pytest.fixture
def restartable(served: StoreServer, tmp_path: Path) -> Iterator["Restartable"]:
    """A second server over the same database, to be killed and started again."""
    server = Restartable(served, tmp_path)
    yield server
    server.kill()


class Restartable:
    def __init__(self, served: StoreServer, folder: Path) -> None:
        self.served, self.folder, self.port = served, folder, 0
        self.start()

    def start(self) -> None:
        artifacts = str(self.served.log.parent / "artifacts")
        self.context = mlflow_server(ServerSettings(self.folder, self.port, artifacts, workers=1), self.served.cluster)
        self.server = self.context.__enter__()
        self.uri = self.server.uri
        self.port = int(self.uri.rpartition(":")[2])

    def send(self, number: int) -> None:
        os.killpg(self.server.process.pid, number)

    def stop(self) -> None:
        self.context.__exit__(None, None, None)

    def kill(self) -> None:
        self.send(signal.SIGKILL)
        self.stop()


def stopped(server: Restartable, relay: Relay) -> None:
    server.stop()
    time.sleep(SECONDS)
    server.start()


def frozen(server: Restartable, relay: Relay) -> None:
    server.send(signal.SIGSTOP)
    time.sleep(SECONDS)
    server.send(signal.SIGCONT)


def killed(server: Restartable, relay: Relay) -> None:
    server.kill()
    server.start()


def busy(server: Restartable, relay: Relay) -> None:
    relay.be("answers", "503 Service Unavailable", "busy")
    time.sleep(2 * SECONDS)
    relay.be("passes")


@pytest.fixture(scope="module")
def undisturbed(heavy_typist: Typist, words: tuple[str, ...], tmp_path_factory: pytest.TempPathFactory) -> Histories:
    """What the trial measures whose server fails, where none does."""
    folder = tmp_path_factory.mktemp("undisturbed")
    store = f"sqlite:///{folder}/mlflow.db"
    places = (f"runtime.work_dir={folder}/work", f"tracking.uri={store}", f"hydra.run.dir={folder}/out")
    done = heavy_typist("src.train", *words, *WHILE_IT_FAILS, *places, cwd=folder)
    assert done.status == 0, done.said
    client = mlflow.MlflowClient(store)
    (run,) = runs_in(client)
    return histories(client, run)


@pytest.mark.timeout(900)
@pytest.mark.parametrize("fail", [stopped, frozen, killed, busy])
def test_a_trial_whose_server_fails_for_a_while_has_the_numbers_of_an_undisturbed_one(
    restartable: Restartable, heavy_typist: Typist, words: tuple[str, ...], undisturbed: Histories, tmp_path: Path,
    fail: Callable[[Restartable, Relay], None],
) -> None:  # fmt: skip
    relay = Relay(restartable.port)
    uri = relay.uri if fail is busy else restartable.uri
    places = (f"runtime.work_dir={tmp_path}/work", f"tracking.uri={uri}", f"tracking.experiment={fail.__name__}")
    under_way = heavy_typist.start(
        "src.train", *words, *WHILE_IT_FAILS, *places, f"hydra.run.dir={tmp_path}/out", cwd=tmp_path
    )
    client = mlflow.MlflowClient(restartable.uri)
    wait_for(lambda: any(run.data.metrics for run in runs_in(client, fail.__name__)), 300)
    fail(restartable, relay)
    done = under_way.wait(600)
    assert done.status == 0, done.said
    assert "training goes on" in done.err or fail in (frozen, killed), done.said
    if unsent_runs(tmp_path / "work" / "unsent"):  # it ended before the server was back
        synced = heavy_typist("src.sync", "--work-dir", f"{tmp_path}/work", "--tracking-uri", uri, cwd=tmp_path)
        assert synced.status == 0, synced.said
    (run,) = runs_in(client, fail.__name__)
    assert run.info.status == "FINISHED"
    assert histories(client, run) == undisturbed
    relay.close()


def histories(client: mlflow.MlflowClient, run: mlflow.entities.Run) -> Histories:
    names = [name for name in run.data.metrics if not name.startswith("time/")]
    return {
        name: sorted((it.step, it.value) for it in client.get_metric_history(run.info.run_id, name)) for name in names
    }


CLOSING = {
    "as it closes": lambda folder, _: len([*(folder / "sweep" / "results").glob("*.json")]) == 2,
    "as it reports": lambda _, client: [run.info.status for run in runs_in(client, "own")
                                        if schema.STUDY_NAME.read(run.data.tags) == "as it reports"] == ["FINISHED"],
}  # fmt: skip


@pytest.mark.parametrize("moment", CLOSING)
def test_a_sweep_whose_own_calls_fail_says_so_in_a_line_and_its_rerun_completes_the_study(
    restartable: Restartable, heavy_typist: Typist, words: tuple[str, ...], tmp_path: Path, moment: str
) -> None:
    relay, client = Relay(restartable.port), mlflow.MlflowClient(restartable.uri)
    sweep = (
        "src.train", "-m", *words, "unfrozen=0,2", f"study={moment}", f"tracking.uri={relay.uri}",
        "tracking.experiment=own", f"hydra.sweep.dir={tmp_path}/sweep", f"dropout=0.{41 + [*CLOSING].index(moment)}",
    )  # fmt: skip
    under_way = heavy_typist.start(*sweep, cwd=tmp_path)
    wait_for(lambda: CLOSING[moment](tmp_path, client), every=0.005)
    relay.be("refuses")
    failed = under_way.wait(200)
    assert failed.status == 1, failed.said
    assert "Traceback" not in failed.err, failed.err
    assert "MLflow fails: it does not answer" in failed.err.splitlines()[-1]
    relay.be("passes")
    again = heavy_typist(*sweep, cwd=tmp_path)
    assert again.status == 0, again.said
    assert "2 of 2 trials done, 2 reused" in again.out
    runs = [run for run in runs_in(client, "own") if moment in (schema.STUDY_NAME.read(run.data.tags) or "")]
    assert [run.info.status for run in runs] == ["FINISHED"]
    assert {entry.path for entry in client.list_artifacts(runs[0].info.run_id)} >= {"trials.csv", "report"}
    relay.close()


def test_a_trial_killed_while_its_server_is_away_is_trained_on_and_none_reads_running(
    restartable: Restartable, heavy_typist: Typist, words: tuple[str, ...], tmp_path: Path
) -> None:
    trial: Any = (
        "src.train", *words, *LONG, "dropout=0.31", "tracking.experiment=away",
        f"runtime.work_dir={tmp_path}/work", f"tracking.uri={restartable.uri}", f"hydra.run.dir={tmp_path}/out",
    )  # fmt: skip
    under_way = heavy_typist.start(*trial, cwd=tmp_path)
    client = mlflow.MlflowClient(restartable.uri)
    wait_for(lambda: any(run.data.metrics for run in runs_in(client, "away")))
    restartable.kill()
    wait_for(lambda: unsent_runs(tmp_path / "work" / "unsent"))
    os.kill(under_way.pid, signal.SIGKILL)
    under_way.wait(30)
    restartable.start()
    done = heavy_typist(*trial, cwd=tmp_path)
    assert done.status == 0, done.said
    assert sorted(run.info.status for run in runs_in(client, "away")) == ["FINISHED", "KILLED"]
    assert not unsent_runs(tmp_path / "work" / "unsent")


def test_a_trial_sends_as_many_requests_as_the_page_on_scale_reckons_with(
    restartable: Restartable, heavy_typist: Typist, words: tuple[str, ...], tmp_path: Path
) -> None:
    page = (PROJECT / "docs/scale.md").read_text("utf-8")
    reckoned = re.search(r"requests to MLflow's server \| (\d+), one for", page)
    assert reckoned is not None
    before, began = requests_to(restartable), time.monotonic()
    done = heavy_typist(
        "src.train", *words, "dropout=0.37", "tracking.artifacts=none", f"tracking.uri={restartable.uri}",
        f"runtime.work_dir={tmp_path}/work", f"hydra.run.dir={tmp_path}/out", cwd=tmp_path,
    )  # fmt: skip
    assert done.status == 0, done.said
    fixed, seconds = int(reckoned[1]), time.monotonic() - began
    sent = requests_to(restartable) - before
    assert fixed - 1 <= sent <= fixed + seconds + 2 * (seconds // 15)  # what a fast trial logs at once is one request


def requests_to(server: Restartable) -> int:
    return server.server.log.read_text("utf-8").count('" 200')


def test_the_load_of_a_store_is_measured(served: StoreServer) -> None:
    command = [sys.executable, "-m", "benchmarks.store_load", "--to", served.uri, "--runs", "4", "--processes", "2"]
    done = subprocess.run([*command, "--epochs", "2"], cwd=PROJECT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "4 runs by 2 processes" in done.stdout
    assert re.search(r"\d\d\.\d requests a run", done.stdout)
    assert {run.info.status for run in runs_in(mlflow.MlflowClient(served.uri), "load")} == {"FINISHED"}


def test_a_trial_is_looked_up_by_an_index(served: StoreServer) -> None:
    import psycopg2

    search = "SELECT run_uuid FROM tags WHERE key = 'trial_key' AND value = 'none'"
    with psycopg2.connect(served.cluster.uri("mlflow")) as connection, connection.cursor() as cursor:
        cursor.execute("INSERT INTO experiments (experiment_id, name) VALUES (999, 'indexed')")
        cursor.execute("INSERT INTO runs (run_uuid, experiment_id) SELECT n, 999 FROM generate_series(1, 3000) n")
        cursor.execute(
            "INSERT INTO tags (key, value, run_uuid) SELECT 'trial_key', n, n FROM generate_series(1, 3000) n"
        )
        cursor.execute("ANALYZE tags")
        cursor.execute(f"EXPLAIN {search}")
        plan = str(cursor.fetchall())
        connection.rollback()
    assert "thaw_tags_value" in plan, plan


def test_a_model_is_made_later_where_the_server_was_away(served: StoreServer, tmp_path: Path) -> None:
    client, experiment = open_store(config(served.uri, "models"), tmp_path)
    said: list[Any] = []
    with started_run(client, experiment, "no model", 1, {}, tmp_path, said.append) as run:
        with run.model_kept():
            raise mlflow.exceptions.MlflowException("API request to http://x failed: timed out")
        assert isinstance(run, Run)
    left = client.get_run(run.run_id)
    assert left.info.status == "FINISHED"
    assert schema.MODEL.read(left.data.tags) is None
    assert f"python -m src.render runs:/{run.run_id}" in said[0].text
