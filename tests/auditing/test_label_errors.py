"""The commands behind the figures of docs/audit.md."""

import re
import shlex
from pathlib import Path

import pytest

from src.cli.command_line import as_hydra_reads
from src.common.project import PROJECT
from tests.conftest import Command, Compose

PAGE = (PROJECT / "docs" / "audit.md").read_text("utf-8")
COMMANDS = re.findall(r"^    python -m benchmarks\.label_errors (\d) (.+)$", PAGE, re.MULTILINE)


@pytest.mark.parametrize(("seeds", "typed"), COMMANDS)
def test_the_settings_of_the_pages_commands_compose(composed: Compose, seeds: str, typed: str) -> None:
    trial = composed(*as_hydra_reads(shlex.split(typed)))
    assert (trial.backbone, int(seeds) in {3, 5}) == ("mobilenetv2", True)


def test_the_benchmark_prints_what_the_page_tells(thaw: Command, tmp_path: Path) -> None:
    assert len(COMMANDS) == 4
    small = ("data.classes=4", "data.train_images=20", "data.test_images=4")
    done = thaw("benchmarks.label_errors", "2", *shlex.split(COMMANDS[1][1]), *small, f"runtime.cache_dir={tmp_path}")
    assert done.returncode == 0, done.stderr
    head, found = done.stdout.splitlines()
    assert re.fullmatch(r"80 training images, accuracy on test (0\.\d{3}|1\.000)", head)
    shares = re.fullmatch(r"found ([\d.]+)% \(([\d.]+)% to ([\d.]+)%\) of the flipped labels, 2 seeds", found)
    assert shares is not None
    mean, least, most = map(float, shares.groups())
    assert least <= mean <= most
    assert mean >= 50  # of four flipped labels in 80; eight of 80 at random would hold a tenth of them
