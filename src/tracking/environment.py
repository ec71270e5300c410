"""The environment of a run: package versions, git's commit and state, the machine."""

import platform
import subprocess
from functools import cache
from importlib.metadata import distributions
from pathlib import Path

from src.tracking import schema


@cache
def package_versions() -> str:
    """Return every installed package, as `pip freeze` prints it."""
    packages = {f"{d.metadata['Name']}=={d.version}" for d in distributions() if d.metadata["Name"]}
    return "\n".join(sorted(packages, key=str.lower)) + "\n"


def git_tags(project: Path) -> dict[str, str]:
    """Return the commit of `project`, and whether files differ from it; empty outside git."""
    commit = _git(project, "rev-parse", "HEAD")
    if not commit:
        return {}
    changed = _git(project, "status", "--porcelain", "--untracked-files=no")
    return schema.COMMIT.of(commit) | schema.GIT_STATE.of("changed" if changed else "clean")


def machine_tags(device: str) -> dict[str, str]:
    """Return the tags of the machine."""
    return schema.DEVICE.of(device) | schema.HOST.of(platform.node()) | schema.PYTHON.of(platform.python_version())


def _git(project: Path, *arguments: str) -> str:
    try:
        command = ["git", "-C", str(project), *arguments]
        done = subprocess.run(command, capture_output=True, text=True, timeout=10, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout.strip() if done.returncode == 0 else ""
