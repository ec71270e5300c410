"""The probe: scores, intervals, features and the command."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from src import probe as command
from src.demo.formula import linear_probe


def test_interval_is_wilsons() -> None:
    assert str(linear_probe.Score(0, 10)) == "0.0 [0, 28]"
    assert str(linear_probe.Score(40, 100)) == "40.0 [31, 50]"


def test_probe_separates_what_colour_separates() -> None:
    rng = np.random.default_rng(0)
    labels = np.arange(40) % 2
    images = rng.integers(0, 100, (40, 96, 96, 3), np.uint8) + (labels * 100).astype(np.uint8)[:, None, None, None]
    part = images, labels
    assert linear_probe.probe(linear_probe.histogram_features, part, part) == linear_probe.Score(40, 40)


def test_histogram_features_are_a_thumbnail_and_a_histogram() -> None:
    features = linear_probe.histogram_features(np.zeros((2, 96, 96, 3), np.uint8))
    assert features.shape == (2, 256)
    assert features[0].nonzero()[0].tolist() == [192]


def test_photos_take_their_labels_from_the_training_folder(tmp_path: Path) -> None:
    for place in ("train/a", "train/b", "val/b"):
        (tmp_path / place).mkdir(parents=True)
        Image.new("RGB", (40, 30)).save(tmp_path / place / "one.png")
    images, labels = linear_probe.photos(tmp_path, "val")
    assert images.shape == (1, 96, 96, 3)
    assert labels.tolist() == [1]


def test_command_tells_of_a_missing_folder(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert command.main(["--photos", str(tmp_path / "nowhere")]) == 1
    assert "nowhere" in capsys.readouterr().err
