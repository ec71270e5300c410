"""The documentation's site: built without a warning, complete, and opened without anything from elsewhere."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from src.common.project import PROJECT

ROOMS = sorted(path.parent.name for path in PROJECT.glob("src/*/__init__.py"))


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("site")
    built = subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "--site-dir", str(folder)],
        cwd=PROJECT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert built.returncode == 0, built.stderr
    return folder


def page(site: Path, name: str) -> str:
    return (site / name / "index.html").read_text("utf-8")


@pytest.mark.slow
def test_the_site_has_the_documents_the_api_and_the_tutorial(site: Path) -> None:
    assert "How much of a pre-trained network should you unfreeze?" in page(site, "")
    assert 'id="src.api.Study.to_frame"' in page(site, "api")
    assert "data:image/png;base64" in page(site, "tutorial")
    for name in ("changelog", "contributing", "architecture", "benchmarks", "data"):
        assert "<h1" in page(site, name)


@pytest.mark.slow
def test_every_room_has_a_page_with_its_modules(site: Path) -> None:
    assert len(ROOMS) > 12
    for room in ROOMS:
        assert f'id="src.{room}.' in page(site, f"rooms/{room}")
    assert 'id="src.trial.run.run_trial"' in page(site, "rooms/trial")


@pytest.mark.slow
def test_the_site_fetches_nothing_from_elsewhere(site: Path) -> None:
    pages = list(site.rglob("*.html"))
    fetched = [
        address
        for path in pages
        for address in re.findall(
            r"<(?:script|img|iframe|link)\b[^>]*\b(?:src|href)=.?(https?://[^\s\"'>]+)", path.read_text("utf-8")
        )
    ]
    assert len(pages) > 30
    assert fetched == []
