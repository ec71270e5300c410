"""A server that does not answer: training goes on, and all that it measured arrives once, in order."""

import threading
import time
from collections.abc import Callable
from pathlib import Path

import mlflow
import pytest

from src.common.errors import ThawError
from src.common.events import Event, Noted, Warned
from src.tracking.locks import LockFolder
from src.tracking.mlflow_run import Run, started_run
from src.tracking.mlflow_store import existing_store, open_store
from src.tracking.outbox import Batch, Outbox, deliver_unsent, unsent_runs
from src.tracking.trial_runs import TrialRuns
from tests.conftest import Command
from tests.tracking.relay import Relay
from tests.tracking.test_mlflow_store import config

PAGE = "<!DOCTYPE html><html><title>Please log in</title></html>"
Disturb = Callable[[Relay], None]
DISTURBED: dict[str, Disturb] = {
    "refused": lambda relay: relay.be("refuses"),
    "503": lambda relay: relay.be("answers", "503 Service Unavailable", "busy"),
    "500": lambda relay: relay.be("answers", "500 Internal Server Error", "no space left on device"),
    "401": lambda relay: relay.be("answers", "401 Unauthorized", "You are not authenticated"),
    "403": lambda relay: relay.be("answers", "403 Forbidden", "Permission denied"),
    "a page": lambda relay: relay.be("answers", "200 OK", PAGE),
    "a page of 404": lambda relay: relay.be("answers", "404 Not Found", PAGE),
    "lost answers": lambda relay: relay.be("loses answers"),
}


@pytest.fixture(autouse=True)
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    """Deliver again at once, and metrics without waiting for others."""
    monkeypatch.setattr("src.tracking.outbox._FIRST_PAUSE", 0.0)
    monkeypatch.setattr("src.tracking.mlflow_run._FLUSH_SECONDS", 0.0)


def measure(run: Run, epochs: range, files: Path) -> None:
    for epoch in epochs:
        run.metrics({"fit/loss": 1 / (epoch + 1), "val/loss": float("nan")}, epoch)
    files.mkdir()
    (files / "a.txt").write_text("file", "utf-8")
    run.files(files, f"under{epochs.start}")
    run.text("text", f"text{epochs.start}.txt")
    run.tags({"last": str(epochs.start)})


def holds(client: mlflow.MlflowClient, run_id: str, starts: tuple[int, ...], last: int) -> None:
    """Hold the run to all of what `measure` measured."""
    for name in ("fit/loss", "val/loss"):
        assert [it.step for it in client.get_metric_history(run_id, name)] == list(range(last))
    assert [it.value for it in client.get_metric_history(run_id, "fit/loss")] == [1 / (n + 1) for n in range(last)]
    assert client.get_run(run_id).data.tags["last"] == str(starts[-1])
    kept = {path.path for path in client.list_artifacts(run_id)}
    assert kept == {name for start in starts for name in (f"under{start}", f"text{start}.txt")}
    for start in starts:
        (file,) = client.list_artifacts(run_id, f"under{start}")
        assert file.path == f"under{start}/a.txt"


@pytest.mark.parametrize("name", DISTURBED)
def test_a_server_that_fails_for_a_while_gets_all_once(relay: Relay, tmp_path: Path, name: str) -> None:
    client, experiment = open_store(config(relay.uri, "outages"), tmp_path)
    unsent, said = tmp_path / "unsent", list[Event]()
    with started_run(client, experiment, name, 1, {}, unsent, said.append) as run:
        measure(run, range(3), tmp_path / "0")
        assert not said
        DISTURBED[name](relay)
        measure(run, range(3, 6), tmp_path / "3")
        assert relay.requests or name == "refused"
        assert list(unsent_runs(unsent)) == [run.run_id]
        relay.be("passes")
        measure(run, range(6, 9), tmp_path / "6")
        assert not unsent_runs(unsent)
    assert [type(event) for event in said] == [Warned, Noted]
    assert "training goes on" in said[0].text  # type: ignore[union-attr]
    holds(client, run.run_id, (0, 3, 6), 9)
    assert client.get_run(run.run_id).info.status == "FINISHED"
    assert not list(unsent.iterdir())


def test_a_connection_that_the_server_closes_as_it_is_used_is_made_anew(relay: Relay, tmp_path: Path) -> None:
    relay.be("loses one answer")
    client, experiment = open_store(config(relay.uri, "outages"), tmp_path)
    assert relay.requests == 1
    relay.be("loses one answer")
    assert existing_store(relay.uri, tmp_path).get_experiment(experiment).name == "outages"
    said = list[Event]()
    with started_run(client, experiment, "closed", 1, {}, tmp_path / "unsent", said.append) as run:
        relay.be("loses one answer")
        measure(run, range(3), tmp_path / "0")
        assert relay.requests == 1
    assert not said
    holds(client, run.run_id, (0,), 3)


@pytest.mark.slow
def test_a_silent_server_does_not_hold_up_training(
    relay: Relay, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("src.tracking.outbox._FIRST_PAUSE", 60.0)
    client, experiment = open_store(config(relay.uri, "outages"), tmp_path)
    with started_run(client, experiment, "silent", 1, {}, tmp_path / "unsent") as run:
        relay.be("is silent")
        began = time.monotonic()
        measure(run, range(100), tmp_path / "0")
        assert 4 < time.monotonic() - began < 9
        relay.be("passes")
    holds(client, run.run_id, (0,), 100)


def test_what_a_run_left_is_synced_by_a_command_and_answers_then(relay: Relay, tmp_path: Path, thaw: Command) -> None:
    client, experiment = open_store(config(relay.uri, "outages"), tmp_path)
    locks = LockFolder(tmp_path)
    tags = {"trial_key": "left", **locks.tags}
    with started_run(client, experiment, "left", 1, tags, locks.unsent) as run:
        relay.be("refuses")
        measure(run, range(3), tmp_path / "0")
    words = ("src.sync", "--work-dir", str(tmp_path), "--tracking-uri", relay.uri)
    refused = thaw(*words)
    assert refused.returncode == 1
    assert "does not answer" in refused.stderr
    relay.be("passes")
    assert client.get_run(run.run_id).info.status == "RUNNING"
    other = thaw("src.sync", "--work-dir", str(tmp_path), "--tracking-uri", f"http://127.0.0.1:{relay.behind}")
    assert other.returncode == 1
    assert other.stdout == f"0 of 1 runs delivered\nruns:/{run.run_id} still waits for {relay.uri}\n"
    done = thaw(*words)
    assert (done.returncode, done.stdout) == (0, "1 of 1 runs delivered\n")
    holds(client, run.run_id, (0,), 3)
    assert client.get_run(run.run_id).info.status == "FINISHED"
    assert thaw(*words).stdout == f"{locks.unsent}: nothing waits\n"


def test_a_run_whose_end_waits_is_not_taken_for_dead(relay: Relay, tmp_path: Path) -> None:
    client, experiment = open_store(config(relay.uri, "outages"), tmp_path)
    locks = LockFolder(tmp_path)
    with started_run(client, experiment, "waits", 1, {"trial_key": "waits", **locks.tags}, locks.unsent) as run:
        relay.be("refuses")
    relay.be("passes")
    behind = mlflow.MlflowClient(f"http://127.0.0.1:{relay.behind}")  # a store of another name: nothing is delivered
    assert TrialRuns(behind).close_dead(locks) == 0
    assert client.get_run(run.run_id).info.status == "RUNNING"
    assert TrialRuns(client).close_dead(locks) == 0
    assert client.get_run(run.run_id).info.status == "FINISHED"


def test_a_server_that_starts_again_is_waited_for(relay: Relay, tmp_path: Path) -> None:
    client, experiment = open_store(config(relay.uri, "outages"), tmp_path)
    locks = LockFolder(tmp_path)
    with started_run(client, experiment, "waits", 1, {"trial_key": "waits", **locks.tags}, locks.unsent) as run:
        relay.be("refuses")
    restart = threading.Timer(1.0, relay.be, ["passes"])
    restart.start()
    assert TrialRuns(client).close_dead(locks) == 0  # as at a sweep's end
    restart.join()
    assert client.get_run(run.run_id).info.status == "FINISHED"


def test_what_a_killed_process_kept_is_delivered_but_for_a_line_that_it_did_not_finish(
    relay: Relay, tmp_path: Path
) -> None:
    client, experiment = open_store(config(relay.uri, "outages"), tmp_path)
    run_id = client.create_run(experiment).info.run_id
    relay.be("refuses")
    outbox = Outbox(client, run_id, tmp_path)
    outbox.send(Batch((mlflow.entities.Metric("m", 1.0, 5, 0),)))
    outbox.send(Batch((mlflow.entities.Metric("m", 2.0, 6, 1),), {"t": "x"}))
    relay.be("passes")
    assert deliver_unsent(client, tmp_path) == [run_id]  # its process lives
    outbox.close()
    with (tmp_path / run_id / "journal.jsonl").open("a") as journal:
        journal.write('{"metrics": [["m", 3.0')
    assert deliver_unsent(client, tmp_path) == []
    assert [it.value for it in client.get_metric_history(run_id, "m")] == [1.0, 2.0]


def test_a_run_that_was_deleted_is_an_error(relay: Relay, tmp_path: Path) -> None:
    client, experiment = open_store(config(relay.uri, "outages"), tmp_path)

    def attempt() -> None:
        with started_run(client, experiment, "deleted", 1, {}, tmp_path / "unsent") as run:
            client.delete_run(run.run_id)
            run.metrics({"m": 1.0}, 0)

    with pytest.raises(ThawError, match="MLflow stopped taking results"):
        attempt()
    assert not unsent_runs(tmp_path / "unsent")


SAYS = {
    "refused": "it does not answer (Connection refused)",
    "503": "it fails (error 503)", "500": "it fails (error 500): its log says why, a full disk",
    "401": "set MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD", "403": "the user may not do this (403)",
    "a page": "a web page, as of a proxy or a login", "a page of 404": "a web page, as of a proxy or a login",
}  # fmt: skip


@pytest.mark.parametrize("name", SAYS)
def test_a_server_that_fails_at_the_start_is_told_in_a_line(relay: Relay, tmp_path: Path, name: str) -> None:
    DISTURBED[name](relay)
    for opened in (lambda: open_store(config(relay.uri, "x"), tmp_path), lambda: existing_store(relay.uri, tmp_path)):
        with pytest.raises(ThawError) as refusal:
            opened()
        assert SAYS[name].split(" (Conn")[0] in str(refusal.value)
        assert "\n" not in str(refusal.value)


@pytest.mark.slow
def test_a_silent_server_is_told_within_ten_seconds(relay: Relay, tmp_path: Path) -> None:
    relay.be("is silent")
    began = time.monotonic()
    with pytest.raises(ThawError, match="it does not answer"):
        open_store(config(relay.uri, "x"), tmp_path)
    assert time.monotonic() - began < 10
