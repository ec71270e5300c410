"""What is wrong with a trial is told before its images are decoded, which may take minutes."""

from pathlib import Path

import pytest

from src.common.clock import Clock
from src.common.errors import ThawError
from src.reporting.terminal import Terminal
from src.trial.plan import make_plan
from tests.conftest import CLASSES, Compose, make_photos


@pytest.fixture
def damaged(tmp_path: Path) -> Path:
    """Images of which a third are damaged: no trial gets through them."""
    root = make_photos(tmp_path / "photos", {"train": 4, "val": 2})
    for name in CLASSES:
        for i in range(2):
            (root / "train" / name / f"{name}_{i:02}.png").write_bytes(b"no image")
    return root


@pytest.mark.parametrize(
    ("unfrozen", "says"),
    [
        ("nonsense", "lenet5 has no block 'nonsense'"),
        ("9999", "unfrozen=9999: lenet5 has 6 layers"),
        ("9 blocks", "unfrozen=9 blocks: lenet5 has"),
        ("2", "6 of 18 files are no image"),  # what comes last, where the depth is right
    ],
)
def test_a_wrong_depth_is_told_before_any_image_is_decoded(
    composed: Compose, tiny: tuple[str, ...], damaged: Path, tmp_path: Path, unfrozen: str, says: str
) -> None:
    cache = tmp_path / "cache"
    trial = composed(*tiny, f"data.root={damaged}", f"runtime.cache_dir={cache}", f"unfrozen={unfrozen}")
    with Terminal(progress=False) as terminal, pytest.raises(ThawError, match=says):
        make_plan(trial, terminal, Clock())
    assert (cache / "images").exists() == (unfrozen == "2")


def test_a_missing_folder_is_told_before_the_layers_are_listed(
    composed: Compose, tiny: tuple[str, ...], tmp_path: Path
) -> None:
    """Where a backbone is new, TensorFlow is started for them."""
    trial = composed(*tiny, f"data.root={tmp_path}/nowhere", f"runtime.cache_dir={tmp_path}/cache", "unfrozen=9999")
    with Terminal(progress=False) as terminal, pytest.raises(ThawError, match="no such folder"):
        make_plan(trial, terminal, Clock())
    assert not (tmp_path / "cache").exists()
