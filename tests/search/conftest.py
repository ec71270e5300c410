"""What tests of launchers share."""

from pathlib import Path

import pytest

from tests.conftest import Command
from tests.search.launched import TRIALS, numbers


@pytest.fixture(scope="session")
def by_basic(photos: Path, thaw: Command, tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, float]]:
    """What the study measures in one process."""
    folder = tmp_path_factory.mktemp("basic")
    done = thaw(
        "src.train", *TRIALS, f"data.root={photos}", f"runtime.work_dir={folder}/work", f"hydra.sweep.dir={folder}/s",
        f"runtime.cache_dir={folder}/cache", f"tracking.uri=sqlite:///{folder}/mlflow.db",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return numbers(folder)
