"""The audit's page as a browser shows it: nothing overlaps, nothing complains, strangers' text stays text."""

import csv
from collections.abc import Iterator
from pathlib import Path

import pytest
from selenium.webdriver import Chrome

from tests.auditing.test_audit import save_tree
from tests.browser import complaints, look, open_browser
from tests.conftest import Command
from tests.reporting.test_browser import NAMES, OVERLAPS, SPILLED, WIDTHS

pytestmark = pytest.mark.slow

LABELS = [" ".join(name.split()) for name in NAMES.values()]


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Chrome]:
    with open_browser(tmp_path_factory.mktemp("profile")) as opened:
        yield opened


@pytest.fixture(scope="module")
def page(thaw: Command, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The audit of classes that bear strangers' names, with copies, a damaged file and small images."""
    root = tmp_path_factory.mktemp("hostile")
    rows = []
    for k, label in enumerate(LABELS):
        for i in range(6):
            name = f"'\"onerror=window.ran=1 {'y' * 60} {k} {i}.png"
            save_tree(root / name, k, 0 if i == 5 else i)
            rows.append((name, label))
    (root / "<b>damaged.png").write_bytes(b"x")
    rows.append(("<b>damaged.png", LABELS[0]))
    with (root / "photos.csv").open("w", newline="") as file:
        csv.writer(file).writerows([("path", "label"), *rows])
    done = thaw(
        "src.audit", "data=csv", f"data.manifest={root}/photos.csv", "image_size=64", f"hydra.run.dir={root}/out",
        f"runtime.cache_dir={root}/cache",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return root / "out" / "audit.html"


def test_the_page_reads_well_and_strangers_text_stays_text(browser: Chrome, page: Path) -> None:
    for width in WIDTHS:
        look(browser, page.as_uri(), width)
        assert browser.execute_script(OVERLAPS) == []
        assert browser.execute_script(SPILLED) == []
        assert browser.execute_script("return document.documentElement.scrollWidth") <= width
        assert complaints(browser) == []
    assert browser.execute_script("return window.ran") is None
    assert browser.execute_script("return document.querySelectorAll('script, b, iframe').length") == 0
    classes = browser.execute_script("return document.querySelector('#classes table').textContent")
    assert all(label in classes for label in LABELS)
    assert "<b>damaged.png" in browser.execute_script("return document.querySelector('#files').textContent")
    anchors = browser.execute_script("return [...document.querySelectorAll('.card a')].map(a => a.hash)")
    assert anchors
    assert all(browser.execute_script("return !!document.querySelector(arguments[0])", each) for each in anchors)
    assert browser.execute_script("return [...document.images].every(i => i.naturalWidth > 0)")
    assert page.stat().st_size < 5_000_000
