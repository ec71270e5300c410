"""List the commands: ``python -m src``."""

import ast
from pathlib import Path

from src.cli.signals import closed_pipe_ends_quietly

ENTRIES = ("train", "report", "audit", "gallery", "pretrain", "probe")


def summary(entry: str) -> str:
    """Return the first line of an entry's docstring, which says what the command does."""
    source = Path(__file__).with_name(f"{entry}.py").read_text("utf-8")
    return (ast.get_docstring(ast.parse(source)) or "").partition("\n")[0].replace("``", "")


def main() -> None:
    """Print each command with its summary."""
    for entry in ENTRIES:
        print(f"python -m src.{entry:<9} {summary(entry)}")


if __name__ == "__main__":
    with closed_pipe_ends_quietly():
        main()
