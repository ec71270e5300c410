"""`mlflow models serve` answers for the champion, in a process that does not have Thaw."""

import base64
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from src.common.project import PROJECT
from src.tracking.mlflow_server import free_port
from tests.conftest import CLASSES
from tests.deployment.conftest import Deployed


@pytest.fixture(scope="module")
def address(deployed: Deployed, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    port, elsewhere = free_port(), tmp_path_factory.mktemp("elsewhere")
    command = [sys.executable, "-m", "mlflow", "models", "serve", "--env-manager", "local", "--port", str(port)]
    command += ["--model-uri", f"models:/{deployed.name}@champion", "--workers", "1"]
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    environment |= {"MLFLOW_TRACKING_URI": deployed.uri, "MLFLOW_DISABLE_TELEMETRY": "true"}
    environment["PATH"] = f"{with_uvicorn(elsewhere / 'bin')}{os.pathsep}{os.environ['PATH']}"
    with (elsewhere / "log").open("wb") as log:
        process = subprocess.Popen(
            command, env=environment, cwd=elsewhere, stdout=log, stderr=log, start_new_session=True
        )
    try:
        wait_for(f"http://127.0.0.1:{port}/ping", process, elsewhere / "log")
        yield f"http://127.0.0.1:{port}/invocations"
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGTERM)
        process.wait(30)


def with_uvicorn(folder: Path) -> Path:
    """Return a folder with the command that MLflow starts, as an activated environment has it."""
    folder.mkdir()
    (folder / "uvicorn").write_text(f'#!/bin/sh\nexec "{sys.executable}" -m uvicorn "$@"\n')
    (folder / "uvicorn").chmod(0o755)
    return folder


def wait_for(address: str, process: subprocess.Popen[bytes], log: Path) -> None:
    for _ in range(240):
        assert process.poll() is None, log.read_text()
        try:
            urllib.request.urlopen(address)
        except (urllib.error.URLError, ConnectionError):
            time.sleep(0.5)
        else:
            return
    pytest.fail(log.read_text())


def ask(address: str, content: object) -> Any:
    request = urllib.request.Request(address, json.dumps(content).encode(), {"Content-Type": "application/json"})
    with urllib.request.urlopen(request) as answer:
        return json.load(answer)["predictions"]


@pytest.mark.slow
def test_base64_and_nested_lists_are_answered_alike(address: str, deployed: Deployed) -> None:
    photos = sorted((deployed.photos / "test").rglob("*.png"))
    texts = [base64.b64encode(photo.read_bytes()).decode() for photo in photos]
    found = ask(address, {"inputs": texts})
    assert [sorted(row) for row in found] == [list(CLASSES)] * 12
    right = np.mean([max(row, key=row.get) == photo.parent.name for row, photo in zip(found, photos, strict=True)])
    run = deployed.client.get_run(deployed.run_id)
    assert right == pytest.approx(run.data.metrics["test/accuracy"])
    nested = [np.asarray(Image.open(photo)).tolist() for photo in photos[:2]]
    assert ask(address, {"inputs": nested}) == [pytest.approx(row, abs=1e-6) for row in found[:2]]


@pytest.mark.slow
@pytest.mark.parametrize("content", [{"inputs": ["/etc/passwd"]}, {"inputs": ["bm8gaW1hZ2U="]}, {"inputs": [1, 2]}])
def test_what_is_no_image_is_an_error_and_the_server_goes_on(
    address: str, deployed: Deployed, content: dict[str, object]
) -> None:
    with pytest.raises(urllib.error.HTTPError) as caught:
        ask(address, content)
    assert caught.value.code == 400
    photo = next((deployed.photos / "test").rglob("*.png"))
    assert len(ask(address, {"inputs": [base64.b64encode(photo.read_bytes()).decode()]})) == 1


CURL = re.compile(r"^ *\(printf .*?--data-binary @-$", re.MULTILINE | re.DOTALL)


def test_the_readme_shows_curl_as_the_page_does() -> None:
    shown = [CURL.findall((PROJECT / page).read_text("utf-8")) for page in ("README.md", "docs/use.md")]
    ((first,), (second,)) = shown
    assert first.split() == second.split()


@pytest.mark.slow
def test_curl_is_answered_as_the_page_shows(address: str, tmp_path: Path) -> None:
    """With a photo as large as a camera's, which is too long for a word of a command line."""
    if shutil.which("curl") is None:
        pytest.skip("no curl: NOT TESTED AS THE PAGE SHOWS IT")
    (command,) = CURL.findall((PROJECT / "docs" / "use.md").read_text("utf-8"))
    noise = np.random.default_rng(0).integers(0, 256, (900, 1200, 3)).astype(np.uint8)
    Image.fromarray(noise).save(tmp_path / "photo.jpg", quality=90)
    assert (tmp_path / "photo.jpg").stat().st_size > 200_000
    shown = command.replace("http://127.0.0.1:5001/invocations", address).replace("curl", "curl --silent", 1)
    assert shown.count(address) == 1
    done = subprocess.run(["bash", "-c", shown], cwd=tmp_path, capture_output=True, text=True, check=True)
    (row,) = json.loads(done.stdout)["predictions"]
    assert sorted(row) == list(CLASSES)
    assert sum(row.values()) == pytest.approx(1, abs=1e-5)
