"""The store: made once whoever comes first, in any folder, and one line where it cannot be reached."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from src.common.errors import ThawError
from src.common.project import PROJECT
from src.config import TrackingConfig
from src.tracking.mlflow_store import open_store, sqlite_uri, store_reason, tracking_uri


def config(uri: str | None = None, experiment: str = "thaw") -> TrackingConfig:
    return TrackingConfig(uri=uri, experiment=experiment, run_name=None, save_model=False)


def test_the_projects_own_store_unless_told_otherwise(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    assert tracking_uri(config(), tmp_path) == f"sqlite:///{tmp_path}/mlflow.db"
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://a")
    assert tracking_uri(config(), tmp_path) == "http://a"
    assert tracking_uri(config("http://b"), tmp_path) == "http://b"


@pytest.mark.slow
@pytest.mark.parametrize("name", ["plain", "with space", "ünïcode", "hash#percent%20"])
def test_a_store_in_any_folder_keeps_its_artifacts_beside_it(tmp_path: Path, name: str) -> None:
    folder = tmp_path / name
    client, experiment = open_store(config(sqlite_uri(folder / "mlflow.db")), folder)
    run = client.create_run(experiment)
    client.log_text(run.info.run_id, "hello", "a.txt")
    assert (folder / "mlflow.db").is_file()
    (kept,) = (folder / "mlruns").rglob("a.txt")
    assert kept.read_text() == "hello"
    assert {path.name for path in folder.iterdir()} <= {"mlflow.db", "mlruns", ".mlflow.db.lock"}


_OPEN = """
import sys
from pathlib import Path
from tests.tracking.test_mlflow_store import config, open_store
client, experiment = open_store(config(sys.argv[1], "together"), Path(sys.argv[2]))
client.create_run(experiment)
"""


@pytest.mark.slow
def test_processes_that_start_on_nothing_at_once_all_find_one_store(tmp_path: Path) -> None:
    uri = f"sqlite:///{tmp_path}/mlflow.db"
    environment = {**os.environ, "PYTHONPATH": str(PROJECT)}
    command = [sys.executable, "-c", _OPEN, uri, str(tmp_path)]
    started = [subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, text=True) for _ in range(4)]
    assert [process.communicate(timeout=200)[1] for process in started if process.wait(200)] == []
    client, experiment = open_store(config(uri, "together"), tmp_path)
    assert len(client.search_runs([experiment])) == 4


def test_a_deleted_experiment_is_told(store_uri: str, tmp_path: Path) -> None:
    client, experiment = open_store(config(store_uri, "gone"), tmp_path)
    client.delete_experiment(experiment)
    with pytest.raises(ThawError, match="'gone' was deleted: restore it"):
        open_store(config(store_uri, "gone"), tmp_path)


def test_experiment_names_are_text(store_uri: str, tmp_path: Path) -> None:
    name = "<b>../../etc</b> ünï \U0001f333" + "x" * 150
    client, experiment = open_store(config(store_uri, name), tmp_path)
    run = client.create_run(experiment)
    client.log_text(run.info.run_id, "hello", "a.txt")
    root = Path(store_uri.removeprefix("sqlite:///")).parent / "mlruns"
    assert any(path.read_text() == "hello" for path in root.rglob("a.txt"))


@pytest.mark.parametrize(
    "uri",
    [
        "http://127.0.0.1:9",
        "http://user:secret@127.0.0.1:9",
        "sqlite:////proc/nowhere/mlflow.db",
        "file:./mlruns",
        "x://y",
        "postgresql://u:secret@127.0.0.1:9/db",
        "http://[::1",
    ],
)
def test_a_store_that_cannot_be_had_is_told_in_a_line(uri: str, tmp_path: Path) -> None:
    with pytest.raises(ThawError, match=r"set tracking\.uri=") as refusal:
        open_store(config(uri), tmp_path)
    assert "\n" not in str(refusal.value)
    assert "secret" not in str(refusal.value)


@pytest.mark.parametrize(
    ("cause", "reason"),
    [
        ('NewConnectionError("Failed: [Errno 111] Connection refused")', "[Errno 111] Connection refused"),
        ("NameResolutionError(\"'a' ([Errno -2] Name or service not known)\")", "[Errno -2] Name or service not known"),
        ("ConnectTimeoutError('Connection to a timed out. (connect timeout=30)')", "timed out"),
    ],
)  # fmt: skip
def test_a_server_that_does_not_answer_is_told_in_a_few_words(cause: str, reason: str) -> None:
    pool = "API request to http://a failed with exception HTTPConnectionPool(host='a', port=9): Max retries exceeded"
    assert store_reason(RuntimeError(f"{pool} with url: /api (Caused by {cause})")) == f"it does not answer ({reason})"


def test_mlflow_warns_of_no_type_hints_of_its_own() -> None:
    program = "import src.tracking.mlflow_store, mlflow.pyfunc"
    done = subprocess.run([sys.executable, "-c", program], cwd=PROJECT, capture_output=True, text=True, check=True)
    assert done.stderr == ""
