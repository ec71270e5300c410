"""A saved classifier: whatever an image comes as, it is prepared as in training; strangers' files run no code."""

import base64
import io
import json
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from src.common.errors import ThawError
from src.common.keras_setup import keras, layers
from src.data.decode import Resize
from src.data.listing import UnreadableImageError
from src.inference.classifier import Classifier
from src.inference.facts import ModelFacts
from src.tracking.saved_model import any_size
from tests.conftest import CLASSES, save_photo

SIDE = 16


def network(classes: int = len(CLASSES), side: int = SIDE) -> keras.Model:
    keras.utils.set_random_seed(0)
    images = keras.Input((side, side, 3), name="image")
    features = layers.Conv2D(4, 3, activation="relu")(layers.Rescaling(1 / 127.5, offset=-1)(images))
    pooled = layers.GlobalAveragePooling2D(name="head_pooling")(features)
    return keras.Model(images, layers.Dense(classes, activation="softmax", name="head_dense")(pooled))


def save(folder: Path, resize: Resize = "stretch", temperature: float | None = None) -> Path:
    facts, file = ModelFacts(CLASSES, resize, None, temperature), folder / "model.keras"
    any_size(network(), facts).save(file)
    facts.write(file)
    return file


@pytest.fixture(scope="module")
def classifier(tmp_path_factory: pytest.TempPathFactory) -> Classifier:
    return Classifier.load(save(tmp_path_factory.mktemp("model"), temperature=2.0))


@pytest.fixture(scope="module")
def photo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("photo") / "wide.png"
    save_photo(path, (200, 40, 40), seed=1, size=(60, 31))
    return path


def test_an_image_gives_one_answer_whatever_it_comes_as(classifier: Classifier, photo: Path) -> None:
    content, pixels = photo.read_bytes(), np.asarray(Image.open(photo))
    text = base64.b64encode(content).decode()
    expected = classifier.predict(photo)
    assert list(expected.columns) == list(CLASSES)
    assert expected.sum(axis=1).tolist() == pytest.approx([1])
    ways: list[Any] = [
        str(photo), content, text, f"data:image/png;base64,{text}", pixels, pixels.tolist(), pixels[np.newaxis],
        [photo], [text], [pixels], [pixels.tolist()], pixels.astype(np.int64), pixels + 0.25,
        pd.DataFrame({"image": [text]}), np.array([text]),
    ]  # fmt: skip
    for way in ways:
        pd.testing.assert_frame_equal(classifier.predict(way), expected)


def test_images_of_several_sizes_are_one_batch(classifier: Classifier, photo: Path, tmp_path: Path) -> None:
    save_photo(tmp_path / "tall.png", (40, 200, 40), seed=2, size=(20, 90))
    paths = [photo, tmp_path / "tall.png"] * 20
    together = classifier.predict(paths)
    assert len(together) == 40
    np.testing.assert_allclose(together.to_numpy()[1], classifier.predict(paths[1]).to_numpy()[0], atol=1e-6)


def test_probabilities_are_calibrated_unless_asked_otherwise(classifier: Classifier, photo: Path) -> None:
    plain = classifier.predict(photo, {"calibrated": False}).to_numpy()
    rooted = np.sqrt(plain)
    np.testing.assert_allclose(classifier.predict(photo).to_numpy(), rooted / rooted.sum(), atol=1e-6)


@pytest.mark.parametrize(
    ("item", "says"),
    [
        ("no such.jpg", "neither a file nor base64"),
        (b"text", "no image format"),
        (b"", "empty file"),
        (np.zeros((4, 4, 7), np.uint8), "shape (4, 4, 7)"),
        (np.full((4, 4, 3), 300), "outside 0–255"),
        (np.full((4, 4, 3), np.nan), "outside 0–255"),
        (np.zeros((4, 4)), "shape (4, 4)"),
        (np.full((4, 4, 3), 0.5), "multiply them by 255"),
        (np.full((4, 4, 3), 0.5).tolist(), "multiply them by 255"),
        (np.zeros((0, 4, 3), np.uint8), "no values"),
        ([[[1, 2, 3], [4, 5]]], "unequal length"),
        (np.array([["a"]]), "is no image"),
    ],
)
def test_what_is_no_image_is_told(classifier: Classifier, item: Any, says: str) -> None:
    with pytest.raises(UnreadableImageError) as caught:
        classifier.square(item)
    assert says in str(caught.value)


def test_grey_and_transparent_arrays_are_read_as_files_are(classifier: Classifier, tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    for shape in ((20, 30), (20, 30, 4)):
        pixels = rng.integers(0, 256, shape).astype(np.uint8)
        Image.fromarray(pixels).save(tmp_path / "photo.png")
        np.testing.assert_array_equal(classifier.square(pixels), classifier.square(tmp_path / "photo.png"))


def test_floats_of_whole_levels_are_read_however_dark(classifier: Classifier) -> None:
    for level in (0, 1, 200):
        pixels = np.full((20, 30, 3), level, np.uint8)
        np.testing.assert_array_equal(classifier.square(pixels.astype(np.float32)), classifier.square(pixels))


def test_a_grey_image_is_one_and_several_are_several(classifier: Classifier) -> None:
    grey = np.random.default_rng(0).integers(0, 256, (20, 30)).astype(np.uint8)
    one = classifier.predict([grey]).to_numpy()
    assert one.shape == (1, 3)
    for way in (grey, grey.tolist(), list(grey), grey[:, :, np.newaxis], pd.DataFrame({"image": [grey.tolist()]})):
        np.testing.assert_allclose(classifier.predict(way).to_numpy(), one, atol=1e-6)
    several: list[Any] = [[grey] * 3, (grey, grey, grey), [grey.tolist()] * 3, np.stack([grey] * 3)]
    for way in several:
        np.testing.assert_allclose(classifier.predict(way).to_numpy(), np.repeat(one, 3, axis=0), atol=1e-6)
    with pytest.raises(ThawError, match=r"image 0: an array of shape \(20, 30, 5\)"):
        classifier.predict(np.zeros((20, 30, 5), np.uint8))
    assert classifier.predict([]).shape == (0, 3)


def test_the_item_that_cannot_be_read_is_named(classifier: Classifier, photo: Path) -> None:
    with pytest.raises(ThawError, match=r"image 1: .*no image format"):
        classifier.predict([photo, b"text"])


def test_a_served_model_opens_no_file(classifier: Classifier, photo: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("_MLFLOW_IS_IN_SERVING_ENVIRONMENT", "true")
    with pytest.raises(UnreadableImageError, match="neither a file nor base64"):
        classifier.square(str(photo))


def test_bytes_are_read_in_the_formats_of_photos_alone(classifier: Classifier, photo: Path) -> None:
    """Pillow would start Ghostscript for an EPS file."""
    content = io.BytesIO()
    with Image.open(photo) as opened:
        opened.save(content, "EPS")
    for item in (content.getvalue(), base64.b64encode(content.getvalue()).decode()):
        with pytest.raises(UnreadableImageError, match="of no image format that is read here"):
            classifier.square(item)


def test_a_network_alone_needs_its_facts(tmp_path: Path, photo: Path, classifier: Classifier) -> None:
    network().save(tmp_path / "old.keras")
    with pytest.raises(ThawError, match="does not say its classes"):
        Classifier.load(tmp_path / "old.keras")
    old = Classifier.load(tmp_path / "old.keras", ModelFacts(CLASSES))
    plain = classifier.predict(photo, {"calibrated": False})
    np.testing.assert_allclose(old.predict(photo).to_numpy(), plain.to_numpy(), atol=1e-6)
    with pytest.raises(ThawError, match="3 outputs, but 2 class names"):
        Classifier.load(tmp_path / "old.keras", ModelFacts(("a", "b")))


def with_code(file: Path, marker: Path) -> None:
    """Save a model whose Lambda layer would write `marker`."""
    images = keras.Input((SIDE, SIDE, 3))
    harmful = layers.Lambda(lambda x, place=str(marker): (open(place, "w").write("!"), x)[1])  # noqa: PTH123, SIM115
    pooled = layers.GlobalAveragePooling2D()(harmful(images))
    keras.Model(images, layers.Dense(3)(pooled)).save(file)
    marker.unlink(missing_ok=True)


def test_code_in_a_file_is_never_run(tmp_path: Path) -> None:
    file, marker = tmp_path / "harmful.keras", tmp_path / "ran"
    with_code(file, marker)
    ModelFacts(CLASSES).write(file)
    with pytest.raises(ThawError, match=r"holds code \(a Lambda layer\), which is not run"):
        Classifier.load(file)
    assert not marker.exists()


def test_other_files_are_refused_in_a_line(tmp_path: Path) -> None:
    bad = {
        "text.keras": (b"no model", "no .keras file"),
        "empty.keras": (b"", "no .keras file"),
        "zip.keras": (zipped("a.txt"), "Keras cannot load it"),
        "facts.keras": (zipped("classifier.json"), "damaged"),
    }
    for name, (content, says) in bad.items():
        (tmp_path / name).write_bytes(content)
        with pytest.raises(ThawError) as caught:
            Classifier.load(tmp_path / name, ModelFacts(CLASSES))
        assert says in str(caught.value)
        assert "\n" not in str(caught.value)


def zipped(name: str, text: str = "no JSON") -> bytes:
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(name, text)
    return content.getvalue()


GOOD = {"class_names": ["a", "b"], "resize": "crop", "bit_depth": 12, "temperature": 1.5}


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"class_names": "ab"}, "class_names='ab': no list of names"),
        ({"class_names": []}, "no list of names"),
        ({"class_names": ["a", 1]}, "no list of names"),
        ({"resize": "squeeze"}, "resize='squeeze': none of crop, stretch, pad"),
        ({"resize": ["crop"]}, "resize=['crop']"),
        ({"bit_depth": 0}, "bit_depth=0"),
        ({"bit_depth": "12"}, "bit_depth='12'"),
        ({"temperature": 0}, "temperature=0: no number above 0"),
        ({"temperature": -1.5}, "no number above 0"),
        ({"temperature": float("nan")}, "temperature=nan"),
        ({"temperature": float("inf")}, "temperature=inf"),
        ({"temperature": 10**400}, "too large"),
        ({"temperature": "hot"}, "temperature='hot'"),
        ({"temperature": True}, "temperature=True"),
        ({"other": 1}, "other"),
        ({"class_names": ["a" * 11_000_000]}, "more than 10,000,000 bytes"),
    ],
)
def test_facts_that_no_model_has_are_refused_in_a_line(tmp_path: Path, changes: dict[str, Any], says: str) -> None:
    file = tmp_path / "model.keras"
    file.write_bytes(zipped("classifier.json", json.dumps(GOOD)))
    assert ModelFacts.read(file) == ModelFacts(("a", "b"), "crop", 12, 1.5)
    file.write_bytes(zipped("classifier.json", json.dumps(GOOD | changes)))
    with pytest.raises(ThawError, match=r"damaged one \(") as caught:
        ModelFacts.read(file)
    assert says in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("kind", ["encrypted", "broken", "list"])
def test_archives_that_cannot_be_read_are_refused_in_a_line(tmp_path: Path, kind: str) -> None:
    content = bytearray(zipped("classifier.json", "[]" if kind == "list" else json.dumps(GOOD) * 100))
    if kind == "encrypted":
        for mark, offset in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):  # a flag of each header
            content[content.index(mark) + offset] |= 1
    if kind == "broken":
        start = content.index(b"classifier.json") + len(b"classifier.json")
        content[start : start + 20] = b"\xff" * 20
    (tmp_path / "model.keras").write_bytes(content)
    with pytest.raises(ThawError, match=r"model\.keras: no \.keras file, or a damaged one"):
        ModelFacts.read(tmp_path / "model.keras")


def test_a_network_of_other_shapes_is_refused(tmp_path: Path) -> None:
    vector = keras.Input((7,))
    keras.Model(vector, layers.Dense(3)(vector)).save(tmp_path / "table.keras")
    with pytest.raises(ThawError, match="no classifier of square colour images"):
        Classifier.load(tmp_path / "table.keras", ModelFacts(CLASSES))
