"""A store over PostgreSQL, as a command starts it: what it needs, whom it lets in, and that nothing is left of it."""

import shutil
import signal
import stat
import subprocess
from collections.abc import Iterator
from pathlib import Path

import mlflow.server
import psutil
import pytest

from src.common.errors import ThawError
from src.tracking import postgres
from src.tracking.mlflow_server import free_port
from tests.conftest import Command
from tests.tracking.conftest import server_folder
from tests.tracking.typed_server import TypedServer

PASSWORD = "correct horse battery"


@pytest.fixture
def folder() -> Iterator[Path]:
    folder = server_folder()
    yield folder
    shutil.rmtree(folder)


def command_line(process: psutil.Process) -> str:
    """The words that started a process; none where it has ended."""
    try:
        return " ".join(process.cmdline())
    except psutil.Error:
        return ""


@pytest.mark.slow
def test_users_log_in_and_nothing_holds_a_password(folder: Path, thaw: Command, tiny: tuple[str, ...]) -> None:
    server = TypedServer(folder, "--auth", MLFLOW_AUTH_ADMIN_PASSWORD=PASSWORD)
    commands = [command_line(process) for process in server.started]
    assert len(commands) > 4
    ada = {"MLFLOW_TRACKING_USERNAME": "ada", "MLFLOW_TRACKING_PASSWORD": "ada's own password"}
    words = ("src.train", *tiny, f"tracking.uri={server.uri}", "runtime.progress=false")
    refused = thaw(*words)
    assert refused.returncode == 1
    assert "MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD" in refused.stderr
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MLFLOW_TRACKING_USERNAME", "admin")
        patch.setenv("MLFLOW_TRACKING_PASSWORD", PASSWORD)
        users = mlflow.server.get_app_client("basic-auth", tracking_uri=server.uri)
        users.create_user("ada", ada["MLFLOW_TRACKING_PASSWORD"])
    assert thaw(*words, "force=false", **ada).returncode == 0
    assert "reused from the run" in thaw(*words, "force=false", "runtime.progress=true", **ada).stderr
    server.end()
    secrets = (PASSWORD.encode(), ada["MLFLOW_TRACKING_PASSWORD"].encode())
    files = [path for path in folder.rglob("*") if path.is_file()]
    assert len(files) > 100
    assert not [path for path in files if any(secret in path.read_bytes() for secret in secrets)]
    assert not [command for command in commands if PASSWORD in command]


@pytest.mark.slow
def test_a_killed_server_leaves_nothing_and_what_it_held_is_restored_elsewhere(folder: Path, tmp_path: Path) -> None:
    server = TypedServer(folder / "a")
    socket_folder = Path(server.database.partition("host=")[2])
    assert stat.S_IMODE(socket_folder.stat().st_mode) == 0o700
    client = mlflow.MlflowClient(server.uri)
    run_id = client.create_run(client.create_experiment("kept")).info.run_id
    client.log_metric(run_id, "m", 1.5, step=3)
    client.log_text(run_id, "hello", "a.txt")
    dump = tmp_path / "mlflow.dump"
    subprocess.run(["pg_dump", "--format=custom", f"--file={dump}", server.database], check=True)
    assert server.end(signal.SIGKILL) == ""
    assert not list(socket_folder.parent.glob(f"{socket_folder.name}/.s*"))
    other = TypedServer(folder / "b")
    subprocess.run(["pg_restore", "--clean", "--if-exists", f"--dbname={other.database}", dump], check=True)
    shutil.copytree(folder / "a" / "artifacts", folder / "b" / "artifacts", dirs_exist_ok=True)
    assert "stopped by SIGTERM" in other.end(signal.SIGTERM)
    again = TypedServer(folder / "b")
    found = mlflow.MlflowClient(again.uri)
    assert [(it.value, it.step) for it in found.get_metric_history(run_id, "m")] == [(1.5, 3)]
    assert Path(found.download_artifacts(run_id, "a.txt", str(tmp_path))).read_text("utf-8") == "hello"
    assert "stopped by SIGINT" in again.end()


def test_what_is_missing_is_told_in_a_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, thaw: Command) -> None:
    done = thaw("src.server", "--folder", str(tmp_path), "--auth", "--port", str(free_port()))
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(postgres, "_DEBIAN", tmp_path)
    with pytest.raises(ThawError, match="PostgreSQL is missing; install it: apt install postgresql"):
        postgres.check_installed()


@pytest.mark.slow
def test_a_folder_serves_once(folder: Path) -> None:
    first = TypedServer(folder)
    second = TypedServer(folder)
    assert second.process.wait(30) == 1
    assert second.process.stderr is not None
    said = second.process.stderr.read()
    assert "postmaster.pid" in said
    assert "Traceback" not in said
    first.end()
