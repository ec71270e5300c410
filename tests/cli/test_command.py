"""Commands whose options argparse reads end with a line and the status that shells expect."""

import argparse
import subprocess
import sys
from pathlib import Path

import pytest

from src.cli.command import alias, check_page, model_name, not_empty, port, positive, share
from src.common.errors import ThawError
from src.common.project import PROJECT

COMMAND = """
import signal
from src.cli.command import run_command
from src.common.errors import ThawError

def main():
    {body}
    return 0

run_command(main)
"""


@pytest.mark.parametrize(
    ("body", "where", "status", "says"),
    [
        ("print('done')", "", 0, ""),
        ("raise ThawError('no\\nsuch study')", "", 1, "thaw: no such study\n"),
        ("open('/nowhere/x', 'w')", "", 1, "thaw: /nowhere/x: No such file or directory\n"),
        ("signal.raise_signal(signal.SIGINT)", "", 130, "thaw: stopped by SIGINT\n"),
        ("signal.raise_signal(signal.SIGTERM)", "", 143, "thaw: stopped by SIGTERM\n"),
        ("print('a' * 100_000)", ">/dev/full", 1, "thaw: standard output: No space left on device\n"),
        ("print('done')", ">/dev/full", 1, "thaw: standard output: No space left on device\n"),
        ("print('done')", ">&-", 0, ""),
        ("print('done')", "<&-", 0, ""),
        ("print('a' * 100_000)", "| true; exit ${PIPESTATUS[0]}", 141, ""),
        ("print('caf\\udce9')", "", 0, ""),
    ],
)
def test_a_command_ends_with_a_line_and_a_status(body: str, where: str, status: int, says: str) -> None:
    script = f'exec 3<<"END"\n{COMMAND.format(body=body)}\nEND\n"{sys.executable}" /dev/fd/3 {where}'
    done = subprocess.run(
        ["bash", "-c", script], env={"PYTHONPATH": str(PROJECT), "PYTHONUTF8": "1"}, capture_output=True, text=True,
        timeout=60, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (status, says)


def test_options_are_checked() -> None:
    assert (positive("3"), alias("champion-2")) == (3, "champion-2")
    assert (share("0.8"), port("0"), model_name("my photos"), not_empty("a")) == (0.8, 0, "my photos", "a")
    for read, text in (
        (positive, "0"), (positive, "x"), (alias, "latest"), (alias, "v3"), (alias, "a b"), (alias, ""), (share, "80%"),
        (share, "nan"), (port, "65536"), (port, "-1"), (port, "x"), (model_name, "a/b"), (model_name, " "),
        (not_empty, ""),
    ):  # fmt: skip
        with pytest.raises(argparse.ArgumentTypeError):
            read(text)


def test_the_place_of_a_page_is_checked_before_the_work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").touch()
    check_page("--out", tmp_path / "file")
    check_page("--out", tmp_path / "new" / "folder" / "page.html")
    for path, says in (
        (tmp_path, "is a folder; give a file"),
        (tmp_path / "file" / "a.html", "is a file, not a folder"),
    ):
        with pytest.raises(ThawError, match=rf"^--out .*{says}"):
            check_page("--out", path)
    monkeypatch.setattr("os.access", lambda *_: False)
    with pytest.raises(ThawError, match="cannot be written; give another place"):
        check_page("--out", tmp_path / "page.html")
