"""A study's page as a browser shows it: nothing overlaps, nothing complains, strangers' text stays text."""

import shlex
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import mlflow
import numpy as np
import pytest
from selenium.webdriver import Chrome
from selenium.webdriver.common.keys import Keys

from src.cli.overrides import label
from src.data.duplicates import NearDuplicates, Pair
from src.reporting.class_table import write_classes
from src.reporting.study_report import make_report
from src.reporting.trial_figures import draw_confusion, draw_mistakes, draw_near_duplicates
from src.tracking.study import Study
from src.training.evaluation import Predictions
from tests.browser import complaints, look, open_browser
from tests.reporting.conftest import Fill
from tests.reporting.runs import FULL, hostile_tags, trial

pytestmark = pytest.mark.slow

NAMES = {
    "plain": "unfreezing",
    "script": "<script>window.ran=1</script>",
    "image": "<img src=x onerror=window.ran=1>",
    "quotes": "\"' onmouseover=window.ran=1 x='`",
    "template": "a,b;c {{ 7*7 }} {% raw %} \N{DECIDUOUS TREE} $\\frac{1$",
    "long": "x" * 200,
    "closing": "</style></script></pre></table>--><b>bold</b>",
}

WIDTHS = (1400, 400)

OVERLAPS = """
const parts = [...document.querySelectorAll('h1,h2,h3,p,li,pre,figcaption,summary,tr,img')]
  .filter(e => e.checkVisibility() && e.getBoundingClientRect().width > 0);
function seen(e) {
  let {left, right, top, bottom} = e.getBoundingClientRect();
  for (let box = e.parentElement; box; box = box.parentElement) {
    if (getComputedStyle(box).overflowX === 'visible') continue;
    const edge = box.getBoundingClientRect();
    left = Math.max(left, edge.left); right = Math.min(right, edge.right);
  }
  return {e, left, right, top, bottom};
}
const found = [], boxes = parts.map(seen);
boxes.forEach((a, i) => boxes.slice(i + 1).forEach(b => {
  if (a.e.contains(b.e) || b.e.contains(a.e)) return;
  const wide = Math.min(a.right, b.right) - Math.max(a.left, b.left);
  const high = Math.min(a.bottom, b.bottom) - Math.max(a.top, b.top);
  if (wide > 1 && high > 1) found.push([a.e.outerHTML.slice(0, 80), b.e.outerHTML.slice(0, 80)]);
}));
return found;
"""

SPILLED = """
const width = document.documentElement.clientWidth;
return [...document.querySelectorAll('body *')].filter(e => e.checkVisibility()
  && !e.closest('.scroll') && e.getBoundingClientRect().right > width + 1).map(e => e.outerHTML.slice(0, 80));
"""


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Chrome]:
    with open_browser(tmp_path_factory.mktemp("profile")) as opened:
        yield opened


@pytest.fixture
def page(fill: Fill, client: mlflow.MlflowClient, tmp_path: Path) -> Callable[[str], str]:
    """The address of a page with all its figures and findings, on which everything bears a stranger's name."""

    def make(name: str) -> str:
        trials = [
            (trial(depth, seed, dropout=dropout, batchnorm=mode, backbone=name,
                   overrides=label([f"unfrozen={depth}", f"x={name}", f"y={name} {seed}"]), tags=hostile_tags(name)),
             "FINISHED")
            for depth in (0, 11) for seed in (0, 1) for dropout in (0.2, 0.5) for mode in ("train", name)
        ]  # fmt: skip
        study = fill(f"study {name} {tmp_path}", trials)
        _log_figures(client, study, name, tmp_path / "figures")
        report = make_report(client, study, name, tmp_path / "out")
        return report.page.as_uri()

    return make


def _log_figures(client: mlflow.MlflowClient, study: Study, name: str, folder: Path) -> None:
    """The figures of every trial, drawn as a trial draws them."""
    folder.mkdir()
    generator = np.random.default_rng(0)
    labels, classes = generator.integers(0, 3, 30), (name, f"{name}2", "plain")
    predictions = Predictions(np.arange(30), labels, generator.dirichlet(np.ones(3), 30).astype(np.float32))
    near = NearDuplicates(1, 1, (Pair(0, 1, f"train/{name}", f"val/{name}", "train", "val"),))
    pixels = generator.integers(0, 255, (30, 32, 32, 3)).astype(np.uint8)
    dataset: Any = SimpleNamespace(pixels=pixels, class_names=classes, near_duplicates=near)
    draw_confusion(predictions, classes, folder / "confusion.png")
    draw_mistakes(predictions, dataset, folder / "mistakes.png")
    write_classes(predictions.per_class(dict.fromkeys(classes, 10)), folder)
    draw_near_duplicates(dataset, folder / "near_duplicates.png")
    for run in study.members():
        client.log_artifacts(run.info.run_id, str(folder), "figures")


@pytest.mark.parametrize("name", NAMES.values(), ids=NAMES)
def test_the_page(browser: Chrome, page: Callable[[str], str], name: str) -> None:
    address = page(name)
    for width in WIDTHS:
        look(browser, address, width)
        browser.execute_script("document.querySelectorAll('details').forEach(each => each.open = true)")
        assert browser.execute_script(OVERLAPS) == []
        assert browser.execute_script(SPILLED) == []
        assert browser.execute_script("return document.documentElement.scrollWidth") <= width
        assert complaints(browser) == []
    _check_names(browser, name)
    _check_figures(browser)


def _check_names(browser: Chrome, name: str) -> None:
    assert browser.execute_script("return window.ran") is None
    assert name in browser.execute_script("return document.querySelector('h1').textContent")
    trials = browser.execute_script("return document.querySelector('#trials').textContent")
    typed = [shlex.quote(each) for each in (f"x={name}", f"y={name} 0", f"y={name} 1")]
    assert [trials.count(each) for each in typed] == [1, 8, 8]  # what all were given alike once, the rest in each row
    assert name in browser.execute_script("return document.querySelector('#diagnosis').textContent")
    assert browser.execute_script("return document.querySelectorAll('script, b, iframe').length") == 0


def _check_figures(browser: Chrome) -> None:
    figures = browser.execute_script(
        "return [...document.querySelectorAll('figure')].map(f => [f.id, f.querySelector('img').alt, "
        "f.querySelector('img').naturalWidth])"
    )
    assert {figure for figure, *_ in figures} == {
        "tradeoff", "shares", "heat", "frontier", "curves", "confusion", "mistakes", "symptoms", "classes",
        "near_duplicates",
    }  # fmt: skip
    assert all(len(alt) > 40 and wide > 300 for _, alt, wide in figures)


def test_every_finding_leads_to_its_figure(browser: Chrome, page: Callable[[str], str]) -> None:
    look(browser, page("plain"), 1400)
    linked = browser.execute_script(
        "return [...document.querySelectorAll('.finding a')].map(a => document.querySelector(a.hash)?.tagName)"
    )
    assert linked == ["FIGURE"] * browser.execute_script("return document.querySelectorAll('.finding').length")
    assert len(linked) >= 4


@pytest.mark.parametrize("width", WIDTHS)
def test_the_first_screen_answers(
    browser: Chrome, fill: Fill, client: mlflow.MlflowClient, tmp_path: Path, width: int
) -> None:
    report = make_report(client, fill(f"first screen {width}", FULL), "first screen", tmp_path)
    look(browser, report.page.as_uri(), width)
    bottom = browser.execute_script(
        "return document.querySelector('.card.lead .headline + p').getBoundingClientRect().bottom"
    )
    assert bottom < 900
    assert browser.execute_script("return document.querySelector('.headline').textContent").startswith(
        "Unfreeze 20 layers"
    )


def test_commands_are_copied_from_their_boxes(
    browser: Chrome, fill: Fill, client: mlflow.MlflowClient, tmp_path: Path
) -> None:
    """From a page opened from disk, without a permission."""
    report = make_report(client, fill("copied", FULL), "copied", tmp_path)
    look(browser, report.page.as_uri(), 1400)
    boxes = browser.find_elements("css selector", ".box")
    commands = [box.find_element("tag name", "pre").text for box in boxes]
    assert any(each.startswith("python -m src.train -m ") for each in commands)
    assert any(each.startswith("python -m src.train unfrozen=") for each in commands)
    outside = browser.execute_script(
        "const left = document.body.cloneNode(true); left.querySelectorAll('.box').forEach(e => e.remove()); "
        "return left.textContent"
    )
    assert "python -m src." not in outside
    for box, command in zip(boxes, commands, strict=True):
        button = box.find_element("tag name", "button")
        button.click()
        assert button.text == "Copied"
        assert browser.execute_script("return getSelection().toString().trim()") == command
    browser.execute_script("document.body.prepend(document.createElement('textarea'))")
    area = browser.find_element("tag name", "textarea")
    area.send_keys(Keys.CONTROL, "v")
    assert area.get_property("value") == commands[-1]


def test_what_overlaps_is_seen(browser: Chrome, page: Callable[[str], str]) -> None:
    look(browser, page("plain"), 400)
    browser.execute_script("document.querySelector('h2').style.marginTop = '-200px'")
    assert browser.execute_script(OVERLAPS) != []
    browser.execute_script("document.querySelector('h1').style.width = '900px'")
    assert browser.execute_script(SPILLED) != []
