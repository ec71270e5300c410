"""What a study looks like in MLflow's own UI, served as users serve it, in a real browser."""

import json
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlencode
from urllib.request import urlopen

import mlflow
import pytest
from PIL import Image as PillowImage
from selenium.webdriver import Chrome
from selenium.webdriver.common.by import By
from selenium.webdriver.support.ui import WebDriverWait

from src.tracking.study import Study
from tests.browser import look, open_browser
from tests.conftest import Command

NAME = 'in <MLflow> "UI"'

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Chrome]:
    with open_browser(tmp_path_factory.mktemp("profile")) as opened:
        yield opened


@pytest.fixture(scope="module")
def study(browser: Chrome, thaw: Command, photos: Path, tmp_path_factory: pytest.TempPathFactory) -> Study:
    """A study that a sweep has left in a store of its own."""
    folder = tmp_path_factory.mktemp("swept")
    uri = f"sqlite:///{folder}/mlflow.db"
    done = thaw(
        "src.train", "-m", "backbone=lenet5", "data=folder", f"data.root={photos}", "image_size=32", "batch_size=8",
        "epochs=1", "fine_tune_epochs=1", "unfrozen=0,2", "seed=0,1", f"study='{NAME}'", f"tracking.uri={uri}",
        "tracking.save_model=false", f"runtime.cache_dir={folder}", f"runtime.work_dir={folder}",
        f"hydra.sweep.dir={folder}/sweep", "schedule=two_phase",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    found = Study.find(mlflow.MlflowClient(uri), NAME)
    assert found is not None
    return found


@pytest.fixture(scope="module")
def address(study: Study) -> Iterator[str]:
    """Where MLflow serves the study's store."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "mlflow", "ui", "--host", "127.0.0.1", "--port", str(port), "--workers", "1"]
    command += ["--backend-store-uri", study.client.tracking_uri]
    server = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True)
    try:
        _wait(f"http://127.0.0.1:{port}/health")
        yield f"http://127.0.0.1:{port}"
    finally:
        server.terminate()
        server.wait(30)


def _wait(url: str) -> None:
    for _ in range(240):
        try:
            with urlopen(url, timeout=2):
                return
        except OSError:
            time.sleep(0.5)
    raise AssertionError(f"nothing answers at {url}")


_SCROLL = "document.querySelectorAll('[role=grid]').forEach(table => { table.scrollTop += 100 })"


def _shown(browser: Chrome, *texts: str) -> set[str]:
    """Those of `texts` that the page has shown within a minute, its tables scrolled: they show some rows at a time."""
    shown: set[str] = set()
    for _ in range(120):
        body = browser.find_element(By.TAG_NAME, "body").text
        shown |= {text for text in texts if text in body}
        if len(shown) == len(texts):
            break
        browser.execute_script(_SCROLL)
        time.sleep(0.5)
    return shown


def _artifact(address: str, study: Study, path: str) -> str:
    return f"{address}/#/experiments/{study.experiment_id}/runs/{study.run_id}/artifacts/{path}"


def test_the_parent_run_shows_the_page(browser: Chrome, address: str, study: Study) -> None:
    look(browser, _artifact(address, study, "report/report.html"), 1400)
    assert _shown(browser, "tradeoff.png")
    frame = WebDriverWait(browser, 60).until(lambda shown: shown.find_element(By.TAG_NAME, "iframe"))
    browser.switch_to.frame(frame)
    told = _shown(browser, NAME, "4 trials: 4 finished.")
    browser.switch_to.default_content()
    assert told == {NAME, "4 trials: 4 finished."}


def test_the_parent_run_shows_the_figure(browser: Chrome, address: str, study: Study) -> None:
    look(browser, "about:blank", 1400)
    look(browser, _artifact(address, study, "report/tradeoff.png"), 1400)
    widths = "return [...document.images].map(image => image.naturalWidth)"
    with PillowImage.open(Path(study.client.download_artifacts(study.run_id, "report/tradeoff.png"))) as figure:
        WebDriverWait(browser, 60).until(lambda shown: figure.width in shown.execute_script(widths))
        assert figure.width in browser.execute_script(widths)


def test_children_are_compared(browser: Chrome, address: str, study: Study) -> None:
    runs = [run.info.run_id for run in study.trials()]
    query = urlencode({"runs": json.dumps(runs), "experiments": json.dumps([study.experiment_id])})
    look(browser, "about:blank", 1400)
    look(browser, f"{address}/#/compare-runs?{query}", 1400)
    assert _shown(browser, "Comparing 4 Runs from 1 Experiment")
    texts = ("lenet5 unfrozen=1 seed=1", "baseline/val_accuracy", "best/val_accuracy")  # 2 layers train what 1 does
    assert _shown(browser, *texts) == set(texts)


_AXES = "return [...document.querySelectorAll('.parcoords .axis-title')].map(title => title.textContent)"
_TICKS = """
const axis = [...document.querySelectorAll('.parcoords .y-axis')].find(axis => axis.textContent.includes(arguments[0]))
return axis ? [...axis.querySelectorAll('.tick text')].map(tick => tick.textContent) : []
"""


def test_the_comparison_opens_with_what_varies_and_depth_on_a_scale_of_numbers(
    browser: Chrome, address: str, study: Study
) -> None:
    runs = study.trials()
    query = urlencode(
        {"runs": json.dumps([run.info.run_id for run in runs]), "experiments": f'["{study.experiment_id}"]'}
    )
    look(browser, "about:blank", 1400)
    look(browser, f"{address}/#/compare-runs?{query}", 1400)
    WebDriverWait(browser, 60).until(lambda shown: shown.execute_script(_AXES))
    axes = browser.execute_script(_AXES)
    assert {"seed", "unfrozen_layers"} <= set(axes)
    assert not {"unfrozen", "schedule.fine_tuning.unfrozen"} & set(axes)
    ticks = [float(tick) for tick in browser.execute_script(_TICKS, "unfrozen_layers")]
    assert ticks == sorted(ticks)
    assert any(0 < tick < 1 for tick in ticks)  # a scale, where text would have a tick for each value, 0 and 1
    assert all(len(run.data.params) <= 25 for run in runs)
