"""The page of `python -m src.demo`: a photo is dropped in a browser, and its classes are shown."""

import http.client
import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest
from selenium.webdriver.common.by import By
from selenium.webdriver.support.ui import WebDriverWait

from src.common.project import PROJECT
from src.deployment.combined_networks import ensemble
from src.deployment.demo_server import demo_server
from src.inference.classifier import Classifier
from src.inference.facts import ModelFacts
from tests.browser import open_browser
from tests.conftest import CLASSES, Command, save_photo
from tests.deployment.conftest import Deployed
from tests.inference.test_classifier import network, save


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    classifier = Classifier.load(save(tmp_path_factory.mktemp("model")))
    with demo_server(classifier, 0, 2) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}/"
        server.shutdown()
        thread.join()


@pytest.fixture(scope="module")
def photo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("photo") / "photo.png"
    save_photo(path, (200, 40, 40), seed=1)
    return path


def test_a_photo_is_answered_with_classes_and_where_it_looked(address: str, photo: Path) -> None:
    with urllib.request.urlopen(urllib.request.Request(f"{address}predict", photo.read_bytes())) as answer:
        found = json.load(answer)
    assert len(found["classes"]) == 2
    assert found["classes"][0][1] >= found["classes"][1][1]
    assert [caption.split(":")[0] for _, caption in found["views"]] == ["the photo", "predicted"]


@pytest.mark.parametrize(
    ("path", "content", "host", "status"),
    [
        ("predict", b"no image", None, 400),
        ("elsewhere", b"", None, 400),
        ("predict", b"", "evil.example:80", 400),
        ("etc/passwd", None, None, 404),
        ("", None, "evil.example", 404),
    ],
)
def test_other_requests_are_refused(
    address: str, path: str, content: bytes | None, host: str | None, status: int
) -> None:
    request = urllib.request.Request(f"{address}{path}", content, {"Host": host} if host else {})
    with pytest.raises(urllib.error.HTTPError) as caught:
        urllib.request.urlopen(request)
    assert caught.value.code == status


def test_an_ensemble_is_answered_without_pictures(photo: Path) -> None:
    classifier = Classifier(ensemble([network(), network()]), ModelFacts(CLASSES))
    with demo_server(classifier, 0, 2) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            request = urllib.request.Request(f"http://127.0.0.1:{server.server_port}/predict", photo.read_bytes())
            with urllib.request.urlopen(request) as answer:
                found = json.load(answer)
        finally:
            server.shutdown()
            thread.join()
    assert (len(found["classes"]), found["views"]) == (2, [])


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Origin": "https://evil.example"}, 403),
        ({"Origin": "null"}, 403),
        ({"Origin": "http://127.0.0.1:1"}, 403),
        ({"Sec-Fetch-Site": "cross-site"}, 403),
        ({"Sec-Fetch-Site": "same-site"}, 403),
        ({"Content-Length": "64000001"}, 413),
        ({"Origin": "{address}", "Sec-Fetch-Site": "same-origin"}, 200),
    ],
)
def test_the_page_alone_may_ask_and_for_no_file_of_any_size(
    address: str, photo: Path, headers: dict[str, str], status: int
) -> None:
    sent = {name: value.format(address=address.rstrip("/")) for name, value in headers.items()}
    connection = http.client.HTTPConnection("127.0.0.1", urllib.parse.urlparse(address).port or 0, timeout=60)
    connection.request("POST", "/predict", b"" if status == 413 else photo.read_bytes(), sent)
    assert connection.getresponse().status == status
    connection.close()


def test_a_port_that_is_taken_is_told(thaw: Command, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        done = thaw("src.demo", "--model", str(save(tmp_path)), "--no-browser", "--port", str(port))
    says = f"thaw: --port {port}: Address already in use; give another one, or 0 for a free one\n"
    assert (done.returncode, done.stdout, done.stderr) == (1, "", says)


def test_a_request_that_does_not_come_is_left(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("src.deployment.demo_server._SECONDS", 0.2)
    with demo_server(Classifier.load(save(tmp_path)), 0, 2) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            with socket.create_connection(("127.0.0.1", server.server_port), timeout=20) as asked:
                asked.sendall(b"POST /predict HTTP/1.1\r\nHost: 127.0.0.1:1\r\nContent-Length: 100\r\n\r\nfew")
                assert asked.recv(100) == b""
        finally:
            server.shutdown()
            thread.join()


@pytest.mark.slow
def test_a_photo_is_dropped_on_the_page_in_a_browser(deployed: Deployed, tmp_path: Path) -> None:
    """The command as a user types it: asked with a photo, a text file and a film, ended with Ctrl-C, asked again."""
    (tmp_path / "text.jpg").write_text("no image")
    with (tmp_path / "film.mp4").open("wb") as film:
        film.truncate(64_000_001)
    photo = next((deployed.photos / "test" / CLASSES[0]).iterdir())
    command = [sys.executable, "-m", "src.demo", "--model", "champion", "--port", "0", "--no-browser"]
    command += ["--tracking-uri", deployed.uri]
    environment = {**os.environ, "PYTHONPATH": str(PROJECT)}
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment, cwd=tmp_path)
    try:
        assert process.stdout is not None
        said = process.stdout.readline()
        found = re.search(r"http://127\.0\.0\.1:\d+/", said)
        assert found is not None, said
        with open_browser(tmp_path / "profile") as browser:
            browser.get(found[0])
            wait = WebDriverWait(browser, 60)
            browser.find_element(By.ID, "file").send_keys(str(photo))
            wait.until(lambda _: len(browser.find_elements(By.CSS_SELECTOR, "#classes li")) == len(CLASSES))
            shown = {row.text.split()[0] for row in browser.find_elements(By.CSS_SELECTOR, "#classes li")}
            assert shown == set(CLASSES)
            pictures = browser.find_elements(By.CSS_SELECTOR, "#views img")
            wait.until(lambda _: all(int(picture.get_property("naturalWidth")) > 0 for picture in pictures))
            browser.find_element(By.ID, "file").send_keys(str(tmp_path / "text.jpg"))
            wait.until(lambda _: "cannot be read" in browser.find_element(By.ID, "error").text)
            browser.find_element(By.ID, "file").send_keys(str(tmp_path / "film.mp4"))
            wait.until(lambda _: "more than 64 MB" in browser.find_element(By.ID, "error").text)
            errors = [each for each in browser.get_log("browser") if "400" not in each["message"]]
            assert errors == []
            process.send_signal(signal.SIGINT)
            assert process.wait(30) == 0
            browser.find_element(By.ID, "file").send_keys(str(photo))
            wait.until(lambda _: "No answer" in browser.find_element(By.ID, "error").text)
    finally:
        process.send_signal(signal.SIGINT)
        assert process.wait(30) == 0
