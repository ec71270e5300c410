"""`python -m src` lists the commands."""

import subprocess
import sys

from src.__main__ import ENTRIES
from src.common.project import PROJECT


def test_all_commands_are_listed_with_what_they_do() -> None:
    done = subprocess.run([sys.executable, "-m", "src"], cwd=PROJECT, capture_output=True, text=True, check=True)
    lines = done.stdout.splitlines()
    assert [line.split()[2] for line in lines] == [f"src.{entry}" for entry in ENTRIES]
    assert all(
        f"python -m src.{entry}" in line.partition(f"src.{entry} ")[2]
        for entry, line in zip(ENTRIES, lines, strict=True)
    )


def test_every_entry_is_a_command() -> None:
    files = {
        path.stem for path in (PROJECT / "src").glob("*.py") if 'if __name__ == "__main__"' in path.read_text("utf-8")
    }
    packages = {path.parent.name for path in (PROJECT / "src").glob("*/__main__.py")}
    assert files | packages == {*ENTRIES, "__main__"}


def test_the_help_of_a_hydra_command_says_how_settings_sweeps_and_budgets_are_typed() -> None:
    command = [sys.executable, "-m", "src.advise", "--help"]
    said = subprocess.run(command, cwd=PROJECT, capture_output=True, text=True, check=True).stdout
    assert all(
        word in said.partition("==")[0] for word in ("data=folder data.root=photos", "-m unfrozen=0,2,11", "minutes=20")
    )
