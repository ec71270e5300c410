"""What is said of a trial's confidence: with intervals on test images, with a caution where there are none."""

from pathlib import Path

import mlflow
import numpy as np
import pytest
from PIL import Image

from src.data.listing import Split
from src.inference.calibration import Confidence
from src.reporting.calibration_figure import calibration_sentences, draw_calibration
from src.tracking.known_confidence import KnownConfidence
from tests.reporting.test_study_figures import draw, many


def known(*splits: Split) -> KnownConfidence:
    """Return what is known of 400 images in each split, of which four in five are right."""
    rng = np.random.default_rng(0)
    values = rng.uniform(0.6, 1, 400)
    confidence = dict.fromkeys(splits, Confidence(values, rng.random(400) < values))
    return KnownConfidence(1.5, confidence, confidence)


def test_test_images_have_intervals() -> None:
    calibration, coverage = calibration_sentences(known("val", "test"), 0.8)
    assert calibration.startswith("The network is too confident: its temperature is 1.50. On test images the expected")
    assert coverage.startswith("At confidence 80.0% or more it answers ")
    assert coverage.count("(95% CI ") == 2
    assert "of 400 test images" in coverage


def test_validation_images_that_chose_have_a_caution_and_no_interval() -> None:
    sentences = calibration_sentences(known("val"), 0.8)
    assert "of 400 validation images" in sentences[1]
    assert sentences[2].startswith("There are no test images: the validation images chose what is measured on them")
    assert "95% CI" not in " ".join(sentences)
    assert calibration_sentences(known("val"))[-1] == sentences[2]


@pytest.mark.parametrize("splits", [("val",), ("val", "test")])
def test_the_figure_is_drawn_with_and_without_test_images(splits: tuple[Split, ...], tmp_path: Path) -> None:
    draw_calibration(known(*splits), tmp_path / "calibration.png")
    with Image.open(tmp_path / "calibration.png") as image:
        assert image.width > 500


def test_the_page_says_how_many_images_are_answered_and_how_many_of_those_are_right(
    store_uri: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("src.reporting.study_figures.confidence_of", lambda *_: known("val", "test"))
    pictures = {each.name: each for each in draw(mlflow.MlflowClient(store_uri), many(), tmp_path / "out").pictures}
    caption = pictures["calibration"].caption
    assert "or more it answers " in caption
    assert "of 400 test images and is right on " in caption
