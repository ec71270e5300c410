"""The probe: scores, intervals, features and the command."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from src import probe as command
from src.formula import probing


def test_interval_is_wilsons() -> None:
    low, high = probing.Score(40, 100).interval
    assert (round(low, 3), round(high, 3)) == (0.309, 0.498)
    assert probing.Score(0, 10).interval[0] == pytest.approx(0, abs=1e-9)
    assert str(probing.Score(40, 100)) == "40.0 [31, 50]"


def test_probe_separates_what_colour_separates() -> None:
    rng = np.random.default_rng(0)
    labels = np.arange(40) % 2
    pictures = rng.integers(0, 100, (40, 96, 96, 3), np.uint8) + (labels * 100).astype(np.uint8)[:, None, None, None]
    part = pictures, labels
    assert probing.probe(probing.plain_features, part, part) == probing.Score(40, 40)


def test_plain_features_are_a_thumbnail_and_a_histogram() -> None:
    features = probing.plain_features(np.zeros((2, 96, 96, 3), np.uint8))
    assert features.shape == (2, 256)
    assert features[0].nonzero()[0].tolist() == [192]


def test_photos_take_their_labels_from_the_training_folder(tmp_path: Path) -> None:
    for place in ("train/a", "train/b", "val/b"):
        (tmp_path / place).mkdir(parents=True)
        Image.new("RGB", (40, 30)).save(tmp_path / place / "one.png")
    pictures, labels = probing.photos(tmp_path, "val")
    assert pictures.shape == (1, 96, 96, 3)
    assert labels.tolist() == [1]


def test_command_tells_of_a_missing_folder(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert command.main(["--photos", str(tmp_path / "nowhere")]) == 1
    assert "nowhere" in capsys.readouterr().err
