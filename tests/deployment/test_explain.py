"""`python -m src.explain`: where a network looked, for the predicted and the true class."""

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from src.common.errors import ThawError
from src.common.keras_setup import keras, layers
from src.deployment.combined_networks import ensemble
from src.inference.classifier import Classifier
from src.inference.explanation import Explainer
from src.inference.facts import ModelFacts
from tests.conftest import CLASSES, Command
from tests.deployment.conftest import Deployed
from tests.inference.test_classifier import SIDE, network, save


def classifier_of(own: keras.Model) -> Classifier:
    return Classifier(own, ModelFacts(CLASSES))


def maps(own: keras.Model, image: NDArray[np.uint8], classes: list[int]) -> NDArray[np.float32]:
    (explanation,) = Explainer.of(classifier_of(own)).explain([image])
    return explanation.maps(classes)


def test_the_map_is_warm_where_the_class_is() -> None:
    """A network that sees red: its class is spoken for where the image is red."""
    images = keras.Input((SIDE, SIDE, 3), name="image")
    features = layers.Conv2D(3, 1, use_bias=False, name="see")(images)
    pooled = layers.GlobalAveragePooling2D(name="head_pooling")(features)
    own = keras.Model(images, layers.Dense(3, activation="softmax", name="head_dense")(pooled))
    own.get_layer("see").set_weights([np.eye(3, dtype=np.float32)[np.newaxis, np.newaxis] / 255])
    own.get_layer("head_dense").set_weights([np.eye(3, dtype=np.float32), np.zeros(3, np.float32)])
    image = np.zeros((SIDE, SIDE, 3), np.uint8)
    image[:8, :8, 0], image[8:, 8:, 1] = 255, 255
    red, green, blue = maps(own, image, [0, 1, 2])
    assert (red[:8, :8] == 1).all()
    assert red[8:].max() == red[:, 8:].max() == 0
    assert (green[8:, 8:] == 1).all()
    assert blue.max() == 0


def test_it_is_grad_cam() -> None:
    """The maps are those that the gradient of the class's score gives."""
    import tensorflow as tf

    own = network()
    image = np.random.default_rng(0).integers(0, 256, (SIDE, SIDE, 3)).astype(np.uint8)
    features = keras.Model(own.inputs, own.get_layer("head_pooling").input)(image[np.newaxis].astype(np.float32))
    dense = own.get_layer("head_dense")
    with tf.GradientTape() as tape:
        tape.watch(features)
        score = (tf.reduce_mean(features, axis=(1, 2)) @ dense.kernel + dense.bias)[:, 1]
    weights = tf.reduce_mean(tape.gradient(score, features), axis=(1, 2))
    expected = np.maximum(np.asarray(tf.reduce_sum(features * weights, axis=-1)[0]), 0)
    (found,) = maps(own, image, [1])
    np.testing.assert_allclose(found, expected / expected.max(), atol=1e-5)


class Counted:
    """A network that counts its runs."""

    def __init__(self, network: keras.Model) -> None:
        self.network, self.sizes = network, list[int]()

    def predict_on_batch(self, batch: NDArray[np.float32]) -> Any:
        self.sizes.append(len(batch))
        return self.network.predict_on_batch(batch)


def test_many_images_are_explained_by_one_run_of_the_network_for_each_batch() -> None:
    images = list(np.random.default_rng(0).integers(0, 256, (30, SIDE, SIDE, 3)).astype(np.uint8))
    classifier = Classifier(network(), ModelFacts(CLASSES, temperature=2.0))
    counted = Counted(Explainer.of(classifier).network)
    explanations = list(Explainer(classifier, counted).explain(images))
    assert counted.sizes == [24, 6]
    probabilities = np.stack([each.probabilities for each in explanations])
    np.testing.assert_allclose(probabilities, classifier.probabilities(images, calibrated=True), atol=1e-5)
    np.testing.assert_allclose(explanations[29].maps([2]), maps(classifier.network, images[29], [2]), atol=1e-4)


def test_an_ensemble_has_no_one_place() -> None:
    with pytest.raises(ThawError, match="no dense layer on averaged features"):
        Explainer.of(classifier_of(ensemble([network(), network()])))


def test_the_page_shows_the_predicted_and_the_true_class(thaw: Command, deployed: Deployed, tmp_path: Path) -> None:
    page = tmp_path / "explained.html"
    (tmp_path / "text.jpg").write_text("no image")
    words = ["--model", "champion", "--tracking-uri", deployed.uri, "--out", str(page)]
    done = thaw("src.explain", *words, str(deployed.photos / "test"), str(tmp_path / "text.jpg"))
    assert done.returncode == 1
    assert "text.jpg: of no image format" in done.stderr
    text = page.read_text()
    assert text.count("<section") == 12
    captions = re.findall(r"<figcaption>([^<]*)", text)
    assert sum(each.startswith("predicted: ") for each in captions) == 12
    run = deployed.client.get_run(deployed.run_id)
    wrong = round(12 * (1 - run.data.metrics["test/accuracy"]))
    assert sum(each.startswith("true class: ") for each in captions) == wrong


def test_a_true_class_that_is_none_is_told(thaw: Command, deployed: Deployed) -> None:
    words = ["--model", "champion", "--tracking-uri", deployed.uri, "--true", "oak"]
    done = thaw("src.explain", *words, str(deployed.photos / "test"))
    assert (done.returncode, done.stderr) == (1, "thaw: --true oak: no class of the model; known: ash, birch, cedar\n")


def test_without_an_image_that_can_be_read_there_is_no_page(thaw: Command, tmp_path: Path) -> None:
    (tmp_path / "text.jpg").write_text("no image")
    done = thaw("src.explain", "--model", str(save(tmp_path)), "text.jpg", cwd=tmp_path)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("thaw: text.jpg: of no image format")
    assert not (tmp_path / "explained.html").exists()


def test_a_page_that_is_a_folder_is_refused_at_once(thaw: Command, tmp_path: Path) -> None:
    done = thaw("src.explain", "--model", "nothing.keras", "photo.jpg", "--out", ".", cwd=tmp_path)
    assert (done.returncode, done.stderr) == (1, "thaw: --out .: is a folder; give a file, such as page.html\n")
