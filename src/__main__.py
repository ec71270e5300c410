"""List the commands: ``python -m src``."""

import ast
from pathlib import Path

from src.cli.signals import closed_pipe_ends_quietly

ENTRIES = (
    "train", "advise", "report", "audit", "render", "promote", "predict", "export", "explain", "demo", "ensemble",
    "server", "migrate", "sync", "gallery", "pretrain", "probe",
)  # fmt: skip


def summary(entry: str) -> str:
    """Return the first line of an entry's docstring, which says what the command does."""
    here = Path(__file__).parent
    file, package = here / f"{entry}.py", here / entry / "__main__.py"
    source = (file if file.is_file() else package).read_text("utf-8")
    return (ast.get_docstring(ast.parse(source)) or "").partition("\n")[0].replace("``", "")


def main() -> None:
    """Print each command with its summary."""
    for entry in ENTRIES:
        print(f"python -m src.{entry:<9} {summary(entry)}")


if __name__ == "__main__":
    with closed_pipe_ends_quietly():
        main()
